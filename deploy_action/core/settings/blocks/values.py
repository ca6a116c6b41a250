"""Parsers of texts in nested settings; their `ValueError` completes "… must be …"."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from deploy_action.core.settings import parsers

_SECRET_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_CONTAINER_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")


def number(least: int, most: int, unit: str = "") -> Callable[[str], int]:
    """Return a parser of whole numbers; *unit* may follow the number."""
    whole = parsers.integer(least, most)
    return lambda raw: whole(raw.strip().removesuffix(unit) if unit else raw)


def seconds(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of durations that are whole seconds."""

    def parse(raw: str) -> int:
        length_s = parsers.duration(raw)
        if length_s != int(length_s) or not least <= length_s <= most:
            raise ValueError(f"a duration of whole seconds from {least}s to {most}s")
        return int(length_s)

    return parse


def cpu(raw: str) -> Decimal:
    """Read cores, such as 0.5."""
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", raw.strip()) or not Decimal(raw.strip()):
        raise ValueError("a number of cores such as 0.5 or 2")
    return Decimal(raw.strip())


def memory(raw: str) -> str:
    """Read an amount of memory, such as 4Gi."""
    if not re.fullmatch(r"(?!0+(\.0+)?Gi)\d{1,4}(\.\d{1,3})?Gi", raw.strip()):
        raise ValueError("an amount in Gi, such as 0.5Gi or 4Gi")
    return raw.strip()


def http_path(raw: str) -> str:
    """Read the path of a request, which may have a query."""
    if not re.fullmatch(r"/[^\s#]*", raw.strip()):
        raise ValueError("a path that begins with a slash, such as /health/live")
    return raw.strip()


def mount_path(raw: str) -> str:
    """Read where a volume is mounted."""
    if not re.fullmatch(r"/[^:\s]*", raw.strip()):
        raise ValueError("an absolute path without a colon, such as /data")
    return raw.strip()


def secret_name(raw: str) -> str:
    """Read the name of one of the app's secrets."""
    if not _SECRET_NAME.fullmatch(raw):
        raise ValueError(
            "a secret's name: at most 63 lower-case letters, digits, '-' and '.', such as redis-url"
        )
    return raw


def container_name(raw: str) -> str:
    """Read the name of a container."""
    if not _CONTAINER_NAME.fullmatch(raw):
        raise ValueError("a container's name: at most 63 lower-case letters, digits and '-'")
    return raw


def variable_name(raw: str) -> str:
    """Read the name of an environment variable."""
    if not _VARIABLE.fullmatch(raw):
        raise ValueError(
            "a variable name: letters, digits, '_', '-' and '.', not starting with a digit"
        )
    return raw
