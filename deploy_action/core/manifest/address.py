"""The version inside an address: one query parameter, and nothing that looks like it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy_action.core.manifest.model import Form

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*://[^/?#]*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(~\w+|\$?\{\{[^}]*\}\}|__\w+?__)")
_SEPARATORS = {
    Form.XML: re.compile(r"&amp;|&#38;|&#x26;", re.IGNORECASE),
    Form.JSON: re.compile(r"&|\\u0026"),
}
_JOINED_BY = {Form.XML: "&amp;", Form.JSON: "&"}
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


def values(raw: str, parameter: str, form: Form) -> list[Value]:
    """Return the parameter's values in an address as it is written in a file of that form."""
    begin, end = _query(raw)
    if begin < 0:
        return []
    found, start = [], begin + 1
    for stop, after in [
        *((mark.start(), mark.end()) for mark in _SEPARATORS[form].finditer(raw, start, end)),
        (end, end),
    ]:
        name, equals, value = raw[start:stop].partition("=")
        if name == parameter:
            found.append(Value(start + len(name) + len(equals), value, bool(equals and value)))
        start = after
    return found


def with_parameter(raw: str, parameter: str, value: str, form: Form) -> str:
    """Return the address with the parameter behind its query, before its fragment."""
    begin, end = _query(raw)
    joined = "?" if begin < 0 else "" if begin + 1 == end else _JOINED_BY[form]
    return f"{raw[:end]}{joined}{parameter}={value}{raw[end:]}"


def _query(raw: str) -> tuple[int, int]:
    """Return where the question mark is, -1 without one, and where the query ends."""
    begin = raw.find("?")
    fragment = _FRAGMENT.search(raw)
    end = fragment.start() if fragment else len(raw)
    return (begin if begin < end else -1), end
