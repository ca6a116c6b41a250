"""The ``$filter`` of a metrics request: ``eq``, ``and``, ``or`` and parentheses.

Source: "Metrics - List" of the Azure Monitor REST API: ``or`` only joins values of one dimension,
``'*'`` splits by a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<mark>[()])|(?P<word>and|or)\b"
    r"|(?P<name>\w+)\s+eq\s+'(?P<value>(?:[^']|'')*)')",
    re.IGNORECASE,
)
ANY: Final = "*"
# A dimension's name as it was written -> the values that are asked for.
Filter = Mapping[str, tuple[str, ...]]


class FilterError(Exception):
    """The filter cannot be read."""


def parse_filter(text: str) -> Filter:
    """Read a filter.

    Raises:
        FilterError: the syntax is not supported.
    """
    reader = _Reader(text)
    found = reader.conjunction()
    if reader.token is not None:
        raise FilterError(f"unexpected '{text[reader.start :].strip()}'")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = self.start = 0
        self.token: re.Match[str] | None = None
        self._next()

    def _next(self) -> None:
        self.start = self._position
        if not self._text[self._position :].strip():
            self.token = None
            return
        self.token = _TOKEN.match(self._text, self._position)
        if self.token is None:
            raise FilterError(f"unexpected '{self._text[self._position :].strip()}'")
        self._position = self.token.end()

    def _at(self, group: str, text: str) -> bool:
        return self.token is not None and (self.token[group] or "").lower() == text

    def conjunction(self) -> dict[str, tuple[str, ...]]:
        found = self._alternatives()
        while self._at("word", "and"):
            self._next()
            for name, values in self._alternatives().items():
                if name.lower() in {known.lower() for known in found}:
                    raise FilterError(f"'{name}' is restricted twice")
                found[name] = values
        return found

    def _alternatives(self) -> dict[str, tuple[str, ...]]:
        found = self._operand()
        while self._at("word", "or"):
            self._next()
            other = self._operand()
            [name, *more], [other_name, *others] = list(found), list(other)
            if more or others or name.lower() != other_name.lower():
                raise FilterError("'or' joins values of one dimension only")
            found = {name: (*found[name], *other[other_name])}
        return found

    def _operand(self) -> dict[str, tuple[str, ...]]:
        if self._at("mark", "("):
            self._next()
            found = self.conjunction()
            if not self._at("mark", ")"):
                raise FilterError("a ')' is missing")
            self._next()
            return found
        if self.token is None or not self.token["name"]:
            raise FilterError("a comparison like \"revisionName eq 'NAME'\" was expected")
        name, value = self.token["name"], self.token["value"].replace("''", "'")
        self._next()
        return {name: (value,)}
