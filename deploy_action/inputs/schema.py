"""The JSON Schema of the settings file, generated from the declarations.

Editors use it for completion and checks; the sample refers to it in its first line.
"""

from __future__ import annotations

import json
from typing import Any

from deploy_action.core.settings.schema import setting_specs
from deploy_action.core.settings.spec import SettingSpec

_TEXT = {"type": ["string", "number", "boolean", "null"]}
_TEXTS = {"type": "array", "items": {"type": ["string", "number", "boolean"]}}
# These choose the file and the environment, so they cannot be in the file.
OUTSIDE_THE_FILE = {"command", "environment", "working-directory", "settings-file", "settings"}


def schema_text() -> str:
    """Return the schema as JSON text."""
    return json.dumps(schema(), indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema."""
    definitions = {
        spec.name: _property(spec) for spec in setting_specs() if spec.name not in OUTSIDE_THE_FILE
    }
    settings = {name: {"$ref": f"#/definitions/{name}"} for name in definitions}
    environment = {
        **settings,
        "extends": {
            "type": "string",
            "description": "Environment whose settings this one extends.",
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of the blue-green deploy action",
        "type": "object",
        "additionalProperties": False,
        "required": ["environments"],
        "definitions": definitions,
        "properties": {
            "defaults": {
                "description": "Settings of every environment.",
                "type": ["object", "null"],
                "additionalProperties": False,
                "properties": settings,
            },
            "environments": {
                "description": "Settings by environment.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "type": ["object", "null"],
                    "additionalProperties": False,
                    "properties": environment,
                },
            },
        },
    }


def _property(spec: SettingSpec) -> dict[str, Any]:
    default = {"default": spec.default} if spec.default else {}
    if spec.secret and not spec.schema:
        return {
            "description": spec.about,
            "type": "string",
            "pattern": r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|keyvault:[A-Za-z0-9-]+/[A-Za-z0-9-]+)$",
        }
    shape = spec.schema or {"anyOf": [_TEXT, _TEXTS]}
    return {"description": spec.about, **default, **shape}
