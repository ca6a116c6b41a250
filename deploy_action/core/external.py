"""Values of another program's JSON, checked where they are read.

An invalid value raises a `ValueError` that names the field instead of causing errors later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    """Return an object; null counts as an empty one.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise _unexpected(value, field, "an object")


def items(value: Any, field: str) -> Sequence[Any]:
    """Return a list; null counts as an empty one.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return value
    raise _unexpected(value, field, "a list")


def text(value: Any, field: str) -> str:
    """Return a text; null counts as an empty one.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise _unexpected(value, field, "text")


def name(value: Any, field: str) -> str:
    """Return a text that may not be empty; raises `ValueError` for anything else."""
    if value_text := text(value, field):
        return value_text
    raise ValueError(f"{field} is missing")


def integer(value: Any, field: str) -> int:
    """Return a whole number, also one written as text or as 1.0; null counts as 0.

    Raises:
        ValueError: it is something else.
    """
    match value:
        case None:
            return 0
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if value.isdecimal() and len(value) < 20:
            return int(value)
    raise _unexpected(value, field, "a whole number")


def _unexpected(value: Any, field: str, expected: str) -> ValueError:
    kind = _KINDS.get(type(value), "a number")
    return ValueError(f"{field} is {kind}, expected {expected}")
