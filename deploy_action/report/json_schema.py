"""The JSON Schema of the JSON report, generated from its dataclasses and their docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from deploy_action.report.json_model import Report
from deploy_action.report.json_report import key

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)


def _object(about: str, **properties: Any) -> dict[str, Any]:
    return {
        "description": about,
        "type": "object",
        "required": [key(name) for name in properties],
        "properties": {key(name): shape for name, shape in properties.items()},
    }


def _list(about: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "type": "array", "items": items}


def _change(about: str) -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return _object(about, before=text, after=text)


_DIFFERENCE = _object(
    "One difference; a value that does not exist is null.",
    path={"type": "string"},
    before={},
    after={},
)
# `core.plan_diff` makes it, as plain data.
_PLAN: dict[str, Any] = _object(
    "What the deployment changes.",
    app={"type": "string"},
    version=_change("The version before and after."),
    revision=_change("The revision before and after."),
    template=_list("Differences of the revision's template.", _DIFFERENCE),
    app_wide=_list("Differences of settings of the whole app.", _DIFFERENCE),
    manifest=_list("Differences of the add-in's manifest.", _DIFFERENCE),
    steps=_list(
        "The steps of the traffic shift, in order; the last one is the promotion.",
        _object(
            "One step.",
            weights={
                "description": "Share of the traffic by revision.",
                "type": "object",
                "additionalProperties": {"type": "integer"},
            },
        ),
    ),
    cache={
        "description": "Keys that a clearing of the cache would remove now; null if unknown.",
        "type": ["object", "null"],
    },
    deactivated=_list("Revisions to deactivate afterwards.", {"type": "string"}),
    minutes=_object(
        "The expected duration in minutes.", least={"type": "number"}, most={"type": "number"}
    ),
)

_PLAN["properties"]["notes"] = _list("Notes about secrets; may be absent.", {"type": "string"})


def schema_text() -> str:
    """Return the schema as JSON text."""
    return json.dumps(schema(), indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema; every class has its own definition."""
    definitions: dict[str, Any] = {}
    _define(Report, definitions)
    report = definitions.pop(Report.__name__)
    report["properties"]["plan"] |= {"anyOf": [_PLAN, {"type": "null"}]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Report of the blue-green deploy action",
        **report,
        "definitions": dict(sorted(definitions.items())),
    }


def _define(kind: type[Any], definitions: dict[str, Any]) -> None:
    """Add *kind* and the classes that it refers to."""
    if kind.__name__ in definitions:
        return
    definitions[kind.__name__] = {}  # it may refer to itself
    text = inspect.cleandoc(kind.__doc__ or "")
    about = {
        name: " ".join(words.split())
        for name, words in _ARGUMENT.findall(text.partition("\nArgs:\n")[2])
    }
    hints = get_type_hints(kind)
    properties = {}
    for item in fields(kind):
        if item.name.startswith("_"):
            continue
        properties[key(item.name)] = {
            "description": _sentence(about[item.name]),
            **_shape(hints[item.name], definitions),
        }
    definitions[kind.__name__] = {
        "description": text.split("\n\n")[0],
        "type": "object",
        "required": list(properties),
        "properties": properties,
    }


def _sentence(text: str) -> str:
    text = text.replace("``", "'")
    return text[:1].upper() + text[1:]


def _shape(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        _define(kind, definitions)
        # Draft 7 ignores the description beside a plain reference.
        return {"allOf": [{"$ref": f"#/definitions/{kind.__name__}"}]}
    if origin is tuple:
        return {"type": "array", "items": _shape(arguments[0], definitions)}
    if origin in {Union, UnionType} and not all(argument in _SIMPLE for argument in arguments):
        return {"anyOf": [_shape(argument, definitions) for argument in arguments]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if origin is Mapping:
        return {"type": "object"}
    names = [_SIMPLE[argument] for argument in arguments or (kind,)]
    return {"type": names if len(names) > 1 else names[0]}
