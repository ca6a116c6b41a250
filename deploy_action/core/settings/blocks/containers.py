"""The settings of one container, and the block ``containers`` for sidecars and init containers::

containers:
proxy:
image: envoyproxy/envoy:v1.31
resources: {cpu: 0.25, memory: 0.5Gi}
migrate:
image: same        # updated together with the app's own container
init: true
command: [python, -m, migrate]
old: null            # removed
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.revisions.changes import REMOVE, ContainerChange, Remove
from deploy_action.core.settings import parsers
from deploy_action.core.settings.blocks import env, probes, values, volumes
from deploy_action.core.settings.blocks.reading import (
    Faults,
    Field,
    is_null,
    scalar_of,
    texts,
)
from deploy_action.core.settings.tree import Node

Containers = dict[str, ContainerChange | Remove]

_TEXTS = {"type": ["array", "null"], "items": {"type": ["string", "number", "boolean"]}}
PROPERTIES: dict[str, Any] = {
    "resources": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {"cpu": {"type": "number"}, "memory": {"type": "string"}},
    },
    "probes": probes.SCHEMA,
    "env": env.SCHEMA,
    "command": _TEXTS,
    "args": _TEXTS,
    "mounts": volumes.MOUNTS_SCHEMA,
}
SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {"image": {"type": "string"}, "init": {"type": "boolean"}, **PROPERTIES},
    },
}


def _resources(faults: Faults, node: Node, path: str) -> dict[str, Any]:
    known = {"cpu": scalar_of(values.cpu), "memory": scalar_of(values.memory)}
    return faults.fields(node, path, known)


def _replaced(faults: Faults, node: Node, path: str) -> tuple[str, ...] | Remove:
    raw = texts(faults, node, path)
    return REMOVE if raw is None else raw


FIELDS: dict[str, Field] = {
    "resources": _resources,
    "probes": probes.read,
    "env": env.read,
    "command": _replaced,
    "args": _replaced,
    "mounts": volumes.read_mounts,
}


def change(fields: dict[str, Any]) -> ContainerChange:
    """Return the change of one container from the fields that were read."""
    resources = fields.get("resources") or {}
    return ContainerChange(
        image=fields.get("image") or "",
        init=fields.get("init"),
        cpu=resources.get("cpu"),
        memory=resources.get("memory"),
        command=fields.get("command"),
        args=fields.get("args"),
        env=fields.get("env") or {},
        probes=fields.get("probes") or {},
        mounts=fields.get("mounts") or {},
    )


def _image(raw: str) -> str:
    if not raw.strip() or any(character.isspace() for character in raw.strip()):
        raise ValueError("same, or an image such as envoyproxy/envoy:v1.31")
    return raw.strip()


_ALL: dict[str, Field] = {
    "image": scalar_of(_image),
    "init": scalar_of(parsers.boolean),
    **FIELDS,
}


def block(node: Node) -> Containers:
    """Read the setting ``containers``.

    Raises:
        InputError: with every fault.
    """
    faults = Faults()
    containers: Containers = {}
    for key, value in faults.pairs(node, "containers"):
        name = faults.scalar(key, "containers", values.container_name) or key.text
        path = f"containers.{name}"
        if is_null(value):
            containers[name] = REMOVE
            continue
        fields = faults.fields(value, path, _ALL)
        if fields.get("init") and fields.get("probes"):
            faults.add(f"{path}.probes", "an init container has no probes.", value.location)
        containers[name] = change(fields)
    faults.raise_any()
    return containers
