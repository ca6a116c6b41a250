"""The setting ``analysis-checks``: one check each, as a mapping in the settings file::

    analysis-checks:
      - name: failed orders
        kql: Orders | where Revision == "{candidate}" | summarize countif(Failed)
        rule: "< 5"
        interval: 60s
        failure-limit: 1
      - name: queue
        https: https://{candidate-host}/queue.json
        json-path: depth
        rule: "<= 100"
      - name: log in and out
        shell: ./checks/login.sh

As text, each line is one such mapping in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from deploy_action.core.analysis.checks import Comparison, CustomCheck, Source, is_json_path
from deploy_action.core.settings import tree
from deploy_action.core.settings.parsers import duration, list_of
from deploy_action.core.settings.tree import Node
from deploy_action.errors import Fault, InputError

_FIELDS = {"name", "rule", "json-path", "interval", "failure-limit"}
_TEXT: Final = {"type": ["string", "number"]}
SCHEMA: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": dict.fromkeys(sorted(_FIELDS | {source.value for source in Source}), _TEXT),
        "oneOf": [{"required": [source.value]} for source in Source],
    },
}


def parse(line: str) -> CustomCheck:
    """Read one check from a JSON object.

    Raises:
        ValueError: the line is not a check; the message completes "… must be …".
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    try:
        return _check(value)
    except ValueError as error:
        raise ValueError(f"a valid check: {error}") from None


def block(node: Node) -> tuple[CustomCheck, ...]:
    """Read the list of checks of a settings file.

    Raises:
        InputError: all faults, each with its place.
        ValueError: a line of text is not a check.
    """
    if isinstance(node, tree.Scalar):
        return list_of(parse)(node.text)
    items = node.items if isinstance(node, tree.Sequence) else (node,)
    parsed: list[CustomCheck] = []
    faults: list[Fault] = []
    for item in items:
        try:
            parsed.append(_check(tree.plain(item)))
        except ValueError as error:
            message = f"analysis-checks: {error}."
            faults.append(Fault(message=message, location=item.location))
    if faults:
        raise InputError.of(faults)
    return tuple(parsed)


def _check(value: object) -> CustomCheck:
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004  see parse
            "each check must be a mapping with name, one of kql, https and shell, and a rule"
        )
    fields = {str(name): value for name, value in value.items()}
    name = _text(fields, "name")
    sources = [source for source in Source if source.value in fields]
    if not name or len(sources) != 1:
        raise ValueError("each check needs a name and exactly one of kql, https and shell")
    source = sources[0]
    unknown = sorted(set(fields) - _FIELDS - {source.value})
    if unknown:
        raise ValueError(
            f"unknown field '{unknown[0]}' in check '{name}'; valid fields: {_known()}"
        )
    return CustomCheck(
        name=name,
        source=source,
        target=_target(fields, source, name),
        rule=_rule(fields, source, name),
        json_path=_json_path(fields, source, name),
        interval_s=_interval(fields, name),
        failure_limit=_limit(fields, name),
    )


def _known() -> str:
    return ", ".join(sorted(_FIELDS | {source.value for source in Source}))


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    return value.strip() if isinstance(value, str) else str(value)


def _target(fields: Mapping[str, Any], source: Source, name: str) -> str:
    text = _text(fields, source.value)
    if not text:
        raise ValueError(f"{source.value} of check '{name}' must not be empty")
    if source is Source.HTTPS and not text.startswith("https://"):
        raise ValueError(f"https of check '{name}' must be a URL that begins with https://")
    return text


def _rule(fields: Mapping[str, Any], source: Source, name: str) -> Comparison | None:
    if source is Source.SHELL:
        if "rule" in fields:
            raise ValueError(f"check '{name}' cannot have a rule: the command's exit code decides")
        return None
    try:
        return Comparison.parse(_text(fields, "rule"))
    except ValueError as error:
        raise ValueError(f"rule of check '{name}' must be {error}") from None


def _json_path(fields: Mapping[str, Any], source: Source, name: str) -> str:
    path = _text(fields, "json-path")
    if source is Source.HTTPS and not is_json_path(path):
        raise ValueError(f"check '{name}' needs a json-path such as data.items[0].value")
    if source is not Source.HTTPS and path:
        raise ValueError(f"check '{name}' cannot have a json-path: only https checks can")
    return path


def _interval(fields: Mapping[str, Any], name: str) -> float:
    try:
        interval_s = duration(_text(fields, "interval") or "60s")
    except ValueError as error:
        raise ValueError(f"interval of check '{name}' must be {error}") from None
    return interval_s


def _limit(fields: Mapping[str, Any], name: str) -> int:
    text = _text(fields, "failure-limit") or "0"
    if not text.isdecimal() or len(text) > 3:
        raise ValueError(f"failure-limit of check '{name}' must be a number from 0 to 999")
    return int(text)
