"""``scale``: number of replicas and the rules that change it::

scale:
min: 2
max: 10
cpu: 70            # percent of the requested CPU; null removes the rule
memory: 80         # percent of the requested memory
http: 50           # concurrent requests per replica
office-hours:      # replicas in working hours; min applies outside of them
time-zone: Europe/Berlin
days: mon-fri
hours: 08:00-18:00
replicas: 1
rules:             # any other rule, as Azure writes it, by name
queue:
custom: {type: azure-servicebus, metadata: {queueName: q, messageCount: 5}}
"""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from deploy_action.core.revisions.changes import REMOVE, Remove, ScaleChange
from deploy_action.core.settings.blocks import values
from deploy_action.core.settings.blocks.reading import (
    Faults,
    Field,
    as_plain,
    is_null,
    scalar_of,
)
from deploy_action.core.settings.parsers import nearest
from deploy_action.core.settings.tree import Mapping, Node, Sequence

MOST_REPLICAS = 1000
OFFICE_HOURS = "office-hours"
_KINDS = ("http", "tcp", "custom", "azureQueue")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TARGETS = {"cpu": (1, 100), "memory": (1, 100), "http": (1, 100000), "tcp": (1, 100000)}

_REPLICAS = {"type": "integer", "minimum": 0, "maximum": MOST_REPLICAS}
_RULE = {"type": ["object", "null"]}
SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "min": _REPLICAS,
        "max": {**_REPLICAS, "minimum": 1},
        "cpu": {"type": ["integer", "string", "null"]},
        "memory": {"type": ["integer", "string", "null"]},
        "http": {"type": ["integer", "null"], "minimum": 1},
        "tcp": {"type": ["integer", "null"], "minimum": 1},
        OFFICE_HOURS: {
            "type": ["object", "null"],
            "additionalProperties": False,
            "required": ["time-zone"],
            "properties": {
                "time-zone": {"type": "string"},
                "days": {"type": "string"},
                "hours": {"type": "string"},
                "replicas": {**_REPLICAS, "minimum": 1},
            },
        },
        "rules": {
            "anyOf": [
                {"type": ["object", "null"], "additionalProperties": _RULE},
                {"type": "array", "items": {"type": "object", "required": ["name"]}},
            ]
        },
        "cooldown": {"type": ["string", "number"]},
        "polling-interval": {"type": ["string", "number"]},
    },
}


def _target(kind: str) -> Field:
    low, high = _TARGETS[kind]
    parse = values.number(low, high, "%" if kind in {"cpu", "memory"} else "")

    def read(faults: Faults, node: Node, path: str) -> int | Remove | None:
        return REMOVE if is_null(node) else faults.scalar(node, path, parse)

    return read


def _time_zone(raw: str) -> str:
    known = zoneinfo.available_timezones()
    if raw not in known:
        raise ValueError(f"a time zone such as Europe/Berlin{nearest(raw, sorted(known))}")
    return raw


def _days(raw: str) -> str:
    first, dash, last = (part.strip() for part in raw.lower().partition("-"))
    if dash and first in _DAYS and last in _DAYS:
        return f"{_DAYS.index(first)}-{_DAYS.index(last) or 7}"
    names = [name.strip() for name in raw.lower().split(",")]
    if not all(name in _DAYS for name in names):
        raise ValueError("days such as mon-fri or mon,wed,fri")
    return ",".join(str(_DAYS.index(name)) for name in names)


def _hours(raw: str) -> tuple[str, str]:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)", raw)
    if not match:
        raise ValueError("hours such as 08:00-18:00")
    start, end = ((int(match[at]), int(match[at + 1])) for at in (1, 3))
    if start >= end:
        raise ValueError("hours within one day, start before end, such as 08:00-18:00")
    return f"{start[1]} {start[0]}", f"{end[1]} {end[0]}"


_OFFICE_FIELDS: dict[str, Field] = {
    "time-zone": scalar_of(_time_zone),
    "days": scalar_of(_days),
    "hours": scalar_of(_hours),
    "replicas": scalar_of(values.number(1, MOST_REPLICAS)),
}


def _office_hours(faults: Faults, node: Node, path: str) -> dict[str, Any] | Remove | None:
    """Return the office hours as a cron rule."""
    if is_null(node):
        return REMOVE
    before = len(faults.found)
    fields = faults.fields(node, path, _OFFICE_FIELDS)
    if len(faults.found) > before:
        return None
    if "time_zone" not in fields:
        faults.add(path, "it needs a time-zone, such as Europe/Berlin.", node.location)
        return None
    start, end = fields.get("hours", ("0 8", "0 18"))
    days = fields.get("days", "1-5")
    metadata = {
        "timezone": fields["time_zone"],
        "start": f"{start} * * {days}",
        "end": f"{end} * * {days}",
        "desiredReplicas": str(fields.get("replicas", 1)),
    }
    return {"name": OFFICE_HOURS, "custom": {"type": "cron", "metadata": metadata}}


def _rules(faults: Faults, node: Node, path: str) -> dict[str, Any]:
    """Read rules by name, or as Azure's list."""
    rules: dict[str, Any] = {}
    if isinstance(node, Sequence):
        for item in node.items:
            named = item.get("name") if isinstance(item, Mapping) else None
            name = faults.scalar(named, f"{path}.name", str) if named else None
            if not isinstance(item, Mapping) or not name:
                faults.add(path, "each rule of the list must have a name.", item.location)
            elif name in rules:
                faults.add(path, f"the name '{name}' is given twice.", item.location)
            else:
                rules[name] = _rule(faults, item, f"{path}.{name}", name)
        return rules
    for key, value in faults.pairs(node, path):
        place = f"{path}.{key.text}"
        rules[key.text] = REMOVE if is_null(value) else _rule(faults, value, place, key.text)
    return rules


def _rule(faults: Faults, node: Node, path: str, name: str) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        faults.add(path, "it must be a scale rule block in Azure's format.", node.location)
        return {}
    kinds = [key for key, _ in node.pairs if key.text != "name"]
    for key in kinds:
        if key.text not in _KINDS:
            faults.unknown(key, path, _KINDS)
    if len(kinds) != 1:
        expected = f"it must have exactly one of {', '.join(_KINDS)}."
        faults.add(path, expected, node.location)
        return {}
    body = as_plain(node)
    rule: dict[str, Any] = {"name": name, kinds[0].text: body[kinds[0].text] or {}}
    custom = rule.get("custom")
    if custom is not None and not (isinstance(custom, dict) and custom.get("type")):
        faults.add(path, "a custom rule needs a type, such as azure-servicebus.", node.location)
    queue = rule.get("azureQueue")
    if isinstance(queue, dict) and str(queue.get("queueLength", "")).isdecimal():
        queue["queueLength"] = int(queue["queueLength"])
    return rule


_FIELDS: dict[str, Field] = {
    "min": scalar_of(values.number(0, MOST_REPLICAS)),
    "max": scalar_of(values.number(1, MOST_REPLICAS)),
    **{kind: _target(kind) for kind in _TARGETS},
    OFFICE_HOURS: _office_hours,
    "rules": _rules,
    "cooldown": scalar_of(values.seconds(0, 86400)),
    "polling-interval": scalar_of(values.seconds(1, 86400)),
}


def read(faults: Faults, node: Node, path: str) -> ScaleChange:
    """Read the block."""
    fields = faults.fields(node, path, _FIELDS)
    least, most = fields.get("min"), fields.get("max")
    if least is not None and most is not None and least > most:
        faults.add(f"{path}.min", f"{least} must not exceed max, {most}.", node.location)
    rules = dict(fields.get("rules") or {})
    if "office_hours" in fields:
        rules[OFFICE_HOURS] = fields["office_hours"]
    return ScaleChange(
        min=least,
        max=most,
        cooldown_s=fields.get("cooldown"),
        polling_interval_s=fields.get("polling_interval"),
        targets={kind: fields[kind] for kind in _TARGETS if kind in fields},
        rules=rules,
    )
