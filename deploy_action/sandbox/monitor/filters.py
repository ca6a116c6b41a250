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
# A dimension's name as it was written -> the requested values.
Filter = Mapping[str, tuple[str, ...]]


class FilterError(Exception):
    """The filter cannot be read."""


def parse_filter(text: str) -> Filter:
    """Read a filter.

    Raises:
        FilterError: the syntax is not supported.
    """
    reader = _Reader(text)
    parsed = reader.conjunction()
    if reader.token is not None:
        raise FilterError(f"unexpected '{text[reader.start :].strip()}'")
    return parsed


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
        parsed = self._alternatives()
        while self._at("word", "and"):
            self._next()
            for name, values in self._alternatives().items():
                if name.lower() in {known.lower() for known in parsed}:
                    raise FilterError(f"'{name}' is restricted twice")
                parsed[name] = values
        return parsed

    def _alternatives(self) -> dict[str, tuple[str, ...]]:
        parsed = self._operand()
        while self._at("word", "or"):
            self._next()
            other = self._operand()
            [name, *more], [other_name, *others] = list(parsed), list(other)
            if more or others or name.lower() != other_name.lower():
                raise FilterError("'or' joins values of one dimension only")
            parsed = {name: (*parsed[name], *other[other_name])}
        return parsed

    def _operand(self) -> dict[str, tuple[str, ...]]:
        if self._at("mark", "("):
            self._next()
            parsed = self.conjunction()
            if not self._at("mark", ")"):
                raise FilterError("a ')' is missing")
            self._next()
            return parsed
        if self.token is None or not self.token["name"]:
            raise FilterError("a comparison like \"revisionName eq 'NAME'\" was expected")
        name, value = self.token["name"], self.token["value"].replace("''", "'")
        self._next()
        return {name: (value,)}
