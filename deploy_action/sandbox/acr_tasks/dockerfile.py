"""A Dockerfile as data: instructions, flags, words, variables. Nothing is built here.

Source: Dockerfile reference (parser directives, escape, here-documents, environment replacement).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_DIRECTIVE: Final = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*")
_HEREDOC: Final = re.compile(r"<<(-?)\s*([\"']?)([^\s\"'<]+)\2")
_WITH_HEREDOC: Final = frozenset({"RUN", "COPY", "ADD"})
_FLAG: Final = re.compile(r"--([a-z-]+)(?:=(\S*))?(?:\s+|$)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BuildFailed(Exception):  # noqa: N818  its message is the builder's
    """The build failed; the message is the last line of the log."""


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A file written inside the Dockerfile; *expand* unless its name was quoted."""

    name: str
    body: str
    expand: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: *text* is what follows keyword and flags, continued lines joined."""

    line: int
    keyword: str
    flags: Mapping[str, str]
    text: str
    heredocs: tuple[Heredoc, ...] = ()

    def array(self) -> list[str] | None:
        """Return the JSON form's values, or None for the shell form."""
        if not self.text.startswith("["):
            return None
        try:
            value = json.loads(self.text)
        except ValueError:
            return None
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return value if good else None


@dataclass(slots=True)
class Parsed:
    """A whole Dockerfile; *escape* is its escape character."""

    instructions: list[Instruction] = field(default_factory=list)
    escape: str = "\\"


def parse(text: str) -> Parsed:
    """Read a Dockerfile.

    Raises:
        BuildFailed: it is empty, or a here-document does not end.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    parsed = Parsed(escape=_escape(lines))
    numbered = iter(enumerate(lines, start=1))
    for number, line in numbered:
        whole = line.strip()
        if not whole or whole.startswith("#"):
            continue
        while whole.endswith(parsed.escape):
            whole = whole[:-1] + _continued(numbered)
        parsed.instructions.append(_instruction(number, whole.strip(), numbered))
    if not parsed.instructions:
        raise BuildFailed("the Dockerfile cannot be empty")
    return parsed


def _escape(lines: list[str]) -> str:
    for line in lines:
        match = _DIRECTIVE.fullmatch(line.strip())
        if not match:
            break
        if match[1].lower() == "escape" and match[2] in {"\\", "`"}:
            return match[2]
    return "\\"


def _continued(numbered: Iterator[tuple[int, str]]) -> str:
    """Return the next line that belongs to an instruction; comments between do not end it."""
    for _, line in numbered:
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            return line.rstrip()
    return ""


def _instruction(number: int, whole: str, numbered: Iterator[tuple[int, str]]) -> Instruction:
    keyword, _, rest = whole.partition(" ") if " " in whole else whole.partition("\t")
    rest = rest.strip()
    flags = {}
    while match := _FLAG.match(rest):
        flags[match[1]] = match[2] or ""
        rest = rest[match.end() :]
    heredocs = []
    if keyword.upper() in _WITH_HEREDOC:
        for mark in _HEREDOC.finditer(rest):
            body = _heredoc(numbered, mark[3], strip_tabs=bool(mark[1]))
            heredocs.append(Heredoc(mark[3], body, expand=not mark[2]))
    return Instruction(number, keyword.upper(), flags, rest, tuple(heredocs))


def _heredoc(numbered: Iterator[tuple[int, str]], name: str, *, strip_tabs: bool) -> str:
    body: list[str] = []
    for _, line in numbered:
        text = line.lstrip("\t") if strip_tabs else line
        if text == name:
            return "".join(f"{content}\n" for content in body)
        body.append(text)
    raise BuildFailed(f"unterminated heredoc {name}")


def words(text: str, variables: Mapping[str, str], escape: str) -> list[str]:
    """Split *text* at unquoted white space and expand variables.

    Raises:
        BuildFailed: a quote or brace does not end, or a form of replacement is not supported.
    """
    return _Words(text, variables, escape).split()


def word(text: str, variables: Mapping[str, str], escape: str) -> str:
    """Expand variables in *text* and remove quotes, without splitting; raises as `words`."""
    return _Words(text, variables, escape).whole()


class _Words:
    """Reads one text from left to right."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str) -> None:
        self._text = text
        self._variables = variables
        self._escape = escape
        self._at = 0

    def split(self) -> list[str]:
        words: list[str] = []
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at >= len(self._text):
                return words
            words.append(self._one(stop_at_blank=True))

    def whole(self) -> str:
        return self._one(stop_at_blank=False)

    def _one(self, *, stop_at_blank: bool) -> str:
        out = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char.isspace() and stop_at_blank:
                break
            out += self._piece(char)
        return out

    def _piece(self, char: str) -> str:
        if char == "'":
            return self._until("'")
        if char == '"':
            return self._double()
        if char == "$":
            return self._variable()
        self._at += 1
        if char == self._escape and self._at < len(self._text):
            self._at += 1
            return self._text[self._at - 1]
        return char

    def _until(self, end: str) -> str:
        close = self._text.find(end, self._at + 1)
        if close < 0:
            raise BuildFailed(f"unexpected end of statement while looking for matching {end}")
        text = self._text[self._at + 1 : close]
        self._at = close + 1
        return text

    def _double(self) -> str:
        out = ""
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return out
            if char == "$":
                out += self._variable()
                continue
            if char == self._escape and self._text[self._at + 1 : self._at + 2] in {
                '"',
                "$",
                self._escape,
            }:
                self._at += 1
                char = self._text[self._at]
            out += char
            self._at += 1
        raise BuildFailed("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        if self._text[self._at + 1 : self._at + 2] == "{":
            return self._braced()
        match = _NAME.match(self._text, self._at + 1)
        if not match:
            self._at += 1
            return "$"
        self._at = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        close = self._closing()
        inner = self._text[self._at + 2 : close]
        self._at = close + 1
        match = _NAME.match(inner)
        if not match:
            raise BuildFailed(f"bad substitution: ${{{inner}}}")
        name, rest = match[0], inner[match.end() :]
        value = self._variables.get(name)
        if not rest:
            return value or ""
        empty_counts = rest.startswith(":")
        operator, other = (rest[1:2], rest[2:]) if empty_counts else (rest[:1], rest[1:])
        missing = value is None or (empty_counts and not value)
        if operator == "-":
            return self._inner(other) if missing else value or ""
        if operator == "+":
            return "" if missing else self._inner(other)
        if operator == "?" and not missing:
            return value or ""
        if operator == "?":
            raise BuildFailed(f"{name}: {self._inner(other) or 'is not allowed to be unset'}")
        raise BuildFailed(f"the substitution ${{{inner}}} is not supported by the sandbox")

    def _closing(self) -> int:
        depth = 0
        for at in range(self._at + 1, len(self._text)):
            depth += {"{": 1, "}": -1}.get(self._text[at], 0)
            if depth == 0:
                return at
        raise BuildFailed("unexpected end of statement while looking for matching }")

    def _inner(self, text: str) -> str:
        return word(text, self._variables, self._escape)
