"""``probes``: the platform's health checks of a container::

probes:
readiness: /health/ready       # a path on the ingress' port
liveness: {path: /health/live, port: 8080, period: 10s, failures: 3}
startup: {tcp: 8080, period: 24s, failures: 10}
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.revisions.changes import REMOVE, ProbeChange, ProbeKind, Remove
from deploy_action.core.settings.blocks import values
from deploy_action.core.settings.blocks.reading import Faults, Field, is_null, scalar_of
from deploy_action.core.settings.tree import Mapping, Node, Scalar

Probes = dict[ProbeKind, ProbeChange | Remove]
_KINDS = {kind.value.lower(): kind for kind in ProbeKind}

# Our key, Azure's field and the range that Azure accepts.
_SECONDS = {
    "initial-delay": ("initialDelaySeconds", 1, 60),
    "period": ("periodSeconds", 1, 240),
    "timeout": ("timeoutSeconds", 1, 240),
    "termination-grace": ("terminationGracePeriodSeconds", 0, 3600),
}
_COUNTS = {"failures": ("failureThreshold", 1, 10), "successes": ("successThreshold", 1, 10)}


def _scheme(raw: str) -> str:
    if raw.strip().lower() not in {"http", "https"}:
        raise ValueError("http or https")
    return raw.strip().upper()


def _headers(faults: Faults, node: Node, path: str) -> tuple[tuple[str, str], ...]:
    headers = []
    for key, value in faults.pairs(node, path):
        text = faults.scalar(value, f"{path}.{key.text}", str)
        if text is not None:
            headers.append((key.text, text))
    return tuple(headers)


_PORT = values.number(1, 65535)
_FIELDS: dict[str, Field] = {
    "path": scalar_of(values.http_path),
    "port": scalar_of(_PORT),
    "tcp": scalar_of(_PORT),
    "scheme": scalar_of(_scheme),
    "headers": _headers,
    **{key: scalar_of(values.seconds(low, high)) for key, (_, low, high) in _SECONDS.items()},
    **{key: scalar_of(values.number(low, high)) for key, (_, low, high) in _COUNTS.items()},
}

_TIME = {"type": ["string", "number"], "description": "Duration such as 10s."}
_PROBE: dict[str, Any] = {
    "anyOf": [
        {"type": ["string", "null"]},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "path": {"type": "string"},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "tcp": {"type": "integer", "minimum": 1, "maximum": 65535},
                "scheme": {"enum": ["http", "https"]},
                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                **dict.fromkeys(_SECONDS, _TIME),
                **{
                    key: {"type": "integer", "minimum": low, "maximum": high}
                    for key, (_, low, high) in _COUNTS.items()
                },
            },
        },
    ]
}
SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": dict.fromkeys(_KINDS, _PROBE),
}


def read(faults: Faults, node: Node, path: str) -> Probes:
    """Read the block."""

    def probe(faults: Faults, node: Node, path: str) -> ProbeChange | Remove | None:
        return _probe(faults, node, path)

    fields = faults.fields(node, path, dict.fromkeys(_KINDS, probe))
    return {_KINDS[name]: change for name, change in fields.items()}


def _probe(faults: Faults, node: Node, path: str) -> ProbeChange | Remove | None:
    if is_null(node):
        return REMOVE
    if isinstance(node, Scalar):
        text = faults.scalar(node, path, values.http_path)
        return ProbeChange(path=text)
    before = len(faults.found)
    fields = faults.fields(node, path, _FIELDS)
    if len(faults.found) > before or not isinstance(node, Mapping):
        return None
    if "tcp" in fields and fields.keys() & {"path", "port", "scheme", "headers"}:
        faults.add(
            path, "tcp: PORT cannot be combined with path, port, scheme or headers.", node.location
        )
    if not path.endswith("readiness") and fields.get("successes", 1) != 1:
        faults.add(
            f"{path}.successes",
            "only a readiness probe can require more than 1 success.",
            node.location,
        )
    azure = {
        azure: fields[key.replace("-", "_")]
        for key, (azure, _, _) in {**_SECONDS, **_COUNTS}.items()
        if key.replace("-", "_") in fields
    }
    return ProbeChange(
        path=fields.get("path"),
        port=fields.get("tcp", fields.get("port")),
        tcp="tcp" in fields,
        scheme=fields.get("scheme"),
        headers=fields.get("headers"),
        fields=azure,
    )
