"""Parsers of setting texts, one for each kind of setting.

Each raises `ValueError` whose message completes the sentence "… must be …".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeVar

from deploy_action.core.path_filter import PathFilter
from deploy_action.core.traffic.split import FULL_TRAFFIC

Choice = TypeVar("Choice", bound=Enum)
Item = TypeVar("Item")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def nearest(raw: str, values: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` for the nearest of *values*, or an empty text."""
    known = {value.lower(): value for value in values}
    matches = difflib.get_close_matches(raw.strip().lower(), known, n=1)
    return f" (did you mean {known[matches[0]]}?)" if matches else ""


def text(raw: str) -> str:
    """Return the text without leading and trailing white space."""
    return raw.strip()


def boolean(raw: str) -> bool:
    """Read ``true`` or ``false`` in the three spellings of GitHub's own toolkit; nothing else."""
    if raw.strip() in {"true", "True", "TRUE"}:
        return True
    if raw.strip() in {"false", "False", "FALSE"}:
        return False
    raise ValueError("true or false")


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from *least* to *most*."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"\d{1,9}", raw.strip()) or not least <= int(raw) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(raw)

    return parse


def duration(raw: str) -> float:
    """Read ``90``, ``90s``, ``1.5m`` or ``2h`` as seconds."""
    match = _DURATION.fullmatch(raw.strip())
    if not match:
        raise ValueError("a duration such as 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def percentage(raw: str) -> float:
    """Read ``5%`` or ``0.5`` as a share from 0 to 1."""
    number = raw.strip().removesuffix("%").strip()
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", number) or float(number) > FULL_TRAFFIC:
        raise ValueError("a percentage from 0 to 100, such as 5% or 0.5%")
    return float(number) / FULL_TRAFFIC


def percentages(raw: str) -> tuple[int, ...]:
    """Read rising weights such as ``10, 50, 100``; a percent sign after each is fine."""
    expected = "increasing percentages from 1 to 100, separated by commas, such as 10,50,100"
    steps = []
    for item in comma_list(raw):
        number = item.removesuffix("%").strip()
        if not re.fullmatch(r"\d{1,3}", number) or not 1 <= int(number) <= FULL_TRAFFIC:
            raise ValueError(expected)
        steps.append(int(number))
    if not steps or steps != sorted(set(steps)):
        raise ValueError(expected)
    return tuple(steps)


def comma_list(raw: str) -> tuple[str, ...]:
    """Read a list separated by line breaks or commas; empty items are dropped."""
    return tuple(item.strip() for item in re.split(r"[,\n]", raw) if item.strip())


def lines(raw: str) -> tuple[str, ...]:
    """Read a list of one item per line; items may contain commas."""
    return tuple(item.strip() for item in raw.splitlines() if item.strip())


def manifest(raw: str) -> str:
    """Read the path of a manifest; ``none`` becomes an empty path: a run without manifest."""
    stripped = raw.strip()
    return "" if stripped.lower() == "none" else stripped


def path_patterns(raw: str) -> tuple[str, ...]:
    """Read patterns of `PathFilter`, one a line."""
    patterns = lines(raw)
    PathFilter(patterns)
    return patterns


def path(raw: str) -> str:
    """Read an absolute URL path such as ``/health/ready``; empty stays empty."""
    stripped = raw.strip()
    if stripped and not re.fullmatch(r"/[^\s?#]*", stripped):
        raise ValueError("a path that begins with a slash, without a query, such as /health/ready")
    return stripped


def name(raw: str) -> str:
    """Read a name of an Azure resource."""
    stripped = raw.strip()
    if stripped and not re.fullmatch(r"[A-Za-z0-9][-\w.()]{0,89}", stripped):
        raise ValueError("a name of letters, digits, dashes, dots or underscores")
    return stripped


def label(raw: str) -> str:
    """Read a traffic label."""
    stripped = raw.strip()
    if stripped and not re.fullmatch(r"(?!.*--)[a-z0-9]([-a-z0-9]{0,62}[a-z0-9])?", stripped):
        raise ValueError("a label of lower-case letters, digits and single dashes")
    return stripped


def guid(raw: str) -> str:
    """Read an id such as a tenant's or a subscription's."""
    stripped = raw.strip()
    if stripped and not re.fullmatch(
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", stripped
    ):
        raise ValueError("an ID of the form 00000000-0000-0000-0000-000000000000")
    return stripped


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser of one word of an enumeration whose values are the words."""

    def parse(raw: str) -> Choice:
        for choice in choices:
            if choice.value == raw.strip().lower():
                return choice
        values = [choice.value for choice in choices]
        raise ValueError("one of " + ", ".join(values) + nearest(raw, values))

    return parse


def subset_of(choices: type[Choice]) -> Callable[[str], tuple[Choice, ...]]:
    """Return a parser of a list of such words; ``none`` or nothing is the empty list."""
    parse_one = one_of(choices)

    def parse(raw: str) -> tuple[Choice, ...]:
        if raw.strip().lower() == "none":
            return ()
        try:
            return tuple(parse_one(item) for item in comma_list(raw))
        except ValueError as error:
            raise ValueError(f"'none', or {error}") from None

    return parse


def list_of(parse: Callable[[str], Item]) -> Callable[[str], tuple[Item, ...]]:
    """Return a parser of lines, each read by *parse*; empty ones are skipped."""

    def parse_all(raw: str) -> tuple[Item, ...]:
        return tuple(parse(line) for line in lines(raw))

    return parse_all


def decimal(raw: str) -> float:
    """Read a number that is not below zero, such as 0.002."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", raw.strip()):
        raise ValueError("a number such as 0.002")
    return float(raw)


_AUTHOR = re.compile(r"[^<>\n]*[^<>\n ] <[^<>@\s]+@[^<>@\s]+>")


def author(raw: str) -> str:
    """Read the author of a commit, ``NAME <EMAIL>``; empty stays empty."""
    if raw.strip() and not _AUTHOR.fullmatch(raw.strip()):
        raise ValueError("in the form NAME <name@example.com>")
    return raw.strip()


def header(raw: str) -> str:
    """Read an HTTP header, ``NAME: VALUE``; empty stays empty."""
    stripped = raw.strip()
    if stripped and not re.fullmatch(r"[-!#$%&'*+.^_`|~\w]+:[^\r\n]*\S[^\r\n]*", stripped):
        raise ValueError("in the form NAME: VALUE")
    return stripped


def assignments(raw: str) -> tuple[str, ...]:
    """Read lines of ``NAME=value``."""
    for item in lines(raw):
        name, equals, _ = item.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w.-]*", name.strip()):
            raise ValueError("lines of NAME=value")
    return lines(raw)


def key_patterns(raw: str) -> tuple[str, ...]:
    """Read Redis patterns, one per line; a comma that separates two of them is a mistake."""
    for line in lines(raw):
        several = [part for part in line.split(",") if re.search(r"[*?\[]", part)]
        if len(several) > 1:
            raise ValueError("one pattern per line, or a YAML list")
    return lines(raw)
