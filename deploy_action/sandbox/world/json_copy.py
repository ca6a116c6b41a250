"""Copies of JSON values, which the sandbox makes for each response."""

from __future__ import annotations

from typing import Any, TypeVar

Value = TypeVar("Value")


def copied(value: Value) -> Value:
    """Return a deep copy of a JSON value; several times faster than `copy.deepcopy`."""
    copy: Any = value
    if isinstance(value, dict):
        copy = {key: copied(item) for key, item in value.items()}
    elif isinstance(value, list):
        copy = [copied(item) for item in value]
    return copy  # type: ignore[no-any-return]
