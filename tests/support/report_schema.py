"""JSON reports, checked against their published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8"))
_VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def read_report(file: Path) -> dict[str, Any]:
    """Return the report in *file*; fails if it does not agree with the schema."""
    value = json.loads(file.read_text("utf-8"))
    _VALIDATOR.validate(value)
    assert isinstance(value, dict)
    return value
