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
    return lambda given: whole(given.strip().removesuffix(unit) if unit else given)


def seconds(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of durations that are whole seconds."""

    def parse(given: str) -> int:
        length_s = parsers.duration(given)
        if length_s != int(length_s) or not least <= length_s <= most:
            raise ValueError(f"a duration of whole seconds from {least}s to {most}s")
        return int(length_s)

    return parse


def cpu(given: str) -> Decimal:
    """Read cores, such as 0.5."""
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", given.strip()) or not Decimal(given.strip()):
        raise ValueError("a number of cores such as 0.5 or 2")
    return Decimal(given.strip())


def memory(given: str) -> str:
    """Read an amount of memory, such as 4Gi."""
    if not re.fullmatch(r"(?!0+(\.0+)?Gi)\d{1,4}(\.\d{1,3})?Gi", given.strip()):
        raise ValueError("an amount in Gi, such as 0.5Gi or 4Gi")
    return given.strip()


def http_path(given: str) -> str:
    """Read the path of a request, which may have a query."""
    if not re.fullmatch(r"/[^\s#]*", given.strip()):
        raise ValueError("a path that begins with a slash, such as /health/live")
    return given.strip()


def mount_path(given: str) -> str:
    """Read where a volume is mounted."""
    if not re.fullmatch(r"/[^:\s]*", given.strip()):
        raise ValueError("an absolute path without a colon, such as /data")
    return given.strip()


def secret_name(given: str) -> str:
    """Read the name of one of the app's secrets."""
    if not _SECRET_NAME.fullmatch(given):
        raise ValueError(
            "a secret's name: at most 63 lower-case letters, digits, '-' and '.', such as redis-url"
        )
    return given


def container_name(given: str) -> str:
    """Read the name of a container."""
    if not _CONTAINER_NAME.fullmatch(given):
        raise ValueError("a container's name: at most 63 lower-case letters, digits and '-'")
    return given


def variable_name(given: str) -> str:
    """Read the name of an environment variable."""
    if not _VARIABLE.fullmatch(given):
        raise ValueError(
            "a variable name: letters, digits, '_', '-' and '.', not starting with a digit"
        )
    return given
