"""The version inside an address: its query parameter ``v``, and nothing that looks like it."""

from __future__ import annotations

import re
from dataclasses import dataclass

PARAMETER = "v"
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*://[^/?#]*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(~\w+|\$?\{\{[^}]*\}\}|__\w+?__)")
_SEPARATOR = re.compile(r"&amp;|&#38;|&#x26;", re.IGNORECASE)
_FRAGMENT = re.compile(r"(?<!&)#")
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){0,3}")


def origin(address: str) -> str:
    """Return scheme, host and port in lower case, or the placeholder that stands for them."""
    if found := _ORIGIN.match(address):
        return found[1].lower()
    found = _PLACEHOLDER.match(address)
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the parameter: its offset in the raw address, in characters, and its text."""

    offset: int
    text: str
    known: bool

    def takes(self, old: str) -> bool:
        """Whether it is a version: the old one, or up to four groups of digits."""
        return self.known and (self.text == old or bool(_NUMBERS.fullmatch(self.text)))


def values(raw: str) -> list[Value]:
    """Return the parameter's values in an address as it is written in XML."""
    begin = raw.find("?")
    fragment = _FRAGMENT.search(raw)
    end = fragment.start() if fragment else len(raw)
    if begin < 0 or begin > end:
        return []
    found, start = [], begin + 1
    for stop, after in [
        *((mark.start(), mark.end()) for mark in _SEPARATOR.finditer(raw, start, end)),
        (end, end),
    ]:
        name, equals, value = raw[start:stop].partition("=")
        if name == PARAMETER:
            found.append(Value(start + len(name) + len(equals), value, bool(equals and value)))
        start = after
    return found
