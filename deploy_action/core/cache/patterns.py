"""Redis' patterns, matched as the server matches them.

Source: stringmatchlen in Redis 7's util.c. Python's fnmatch has another syntax: the two differ on
escapes, negated, unclosed and empty classes, and reversed ranges.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_ANY, _ONE, _OPEN, _CLOSE, _NOT, _ESCAPE, _RANGE = b"*", b"?", b"[", b"]", b"^", b"\\", b"-"
_ALMOST_ALL = 250  # of 256 bytes
_SPECIAL = _ANY + _ONE + _OPEN + _ESCAPE


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern.

    Args:
        text: as the user wrote it.
        expression: the same for bytes in Python.
    """

    text: str
    expression: re.Pattern[bytes]

    @classmethod
    def of(cls, text: str) -> Glob:
        """Return the pattern; every text is a valid pattern."""
        return cls(text, re.compile(_translated(text.encode()), re.DOTALL))

    @property
    def matches_everything(self) -> bool:
        """Whether it would empty the database.

        It does if it has a ``*`` and every other part accepts (almost) any byte, such as ``?``,
        ``[^]`` or ``[^x]``. Such a pattern misses only very short keys or those with one byte.
        """
        parts = _parts(self.text.encode())
        return b".*" in parts and all(part == b".*" or _is_broad(part) for part in parts)

    @property
    def prefix(self) -> bytes:
        """The common prefix of all matching keys."""
        data = self.text.encode()
        end = next((i for i, byte in enumerate(data) if byte in _SPECIAL), len(data))
        return data[:end]


def which_of(globs: list[Glob]) -> Callable[[bytes], int | None]:
    """Return a function that gives the index of the first of *globs* that matches a key."""
    parts = [b"(" + glob.expression.pattern + b")" for glob in globs]
    match = re.compile(b"|".join(parts), re.DOTALL).fullmatch

    def which(key: bytes) -> int | None:
        matched = match(key)
        return matched.lastindex - 1 if matched and matched.lastindex else None

    return which


def common_prefix(globs: list[Glob]) -> bytes:
    """Return what every key that any of *globs* matches begins with."""
    prefixes = [glob.prefix for glob in globs]
    if not prefixes:
        return b""
    shortest = min(prefixes, key=len)
    for length in range(len(shortest), 0, -1):
        if all(prefix.startswith(shortest[:length]) for prefix in prefixes):
            return shortest[:length]
    return b""


def escaped(literal: bytes) -> bytes:
    """Return a pattern that matches *literal* alone."""
    return re.sub(rb"([*?\[\]\\^-])", rb"\\\1", literal)


def _is_broad(part: bytes) -> bool:
    """Whether a part that matches one byte accepts almost every byte."""
    accepts = re.compile(part, re.DOTALL).fullmatch
    return sum(bool(accepts(bytes([byte]))) for byte in range(256)) >= _ALMOST_ALL


def _translated(data: bytes) -> bytes:
    return b"".join(_parts(data))


def _parts(data: bytes) -> list[bytes]:
    """Return the pattern as regular expressions: ``.*``, or one for a single byte each."""
    parts: list[bytes] = []
    i = 0
    while i < len(data):
        byte = data[i : i + 1]
        i += 1
        if byte == _ANY:
            if not parts or parts[-1] != b".*":
                parts.append(b".*")
        elif byte == _ONE:
            parts.append(b".")
        elif byte == _OPEN:
            klass, i = _class(data, i)
            parts.append(klass)
        elif byte == _ESCAPE and i < len(data):
            parts.append(re.escape(data[i : i + 1]))
            i += 1
        else:
            parts.append(re.escape(byte))
    return parts


def _class(data: bytes, i: int) -> tuple[bytes, int]:
    """Read a class after its opening bracket; an unclosed one ends with the pattern."""
    negated = data[i : i + 1] == _NOT
    i += negated
    ranges: list[tuple[int, int]] = []
    while i < len(data) and data[i : i + 1] != _CLOSE:
        if data[i : i + 1] == _ESCAPE and i + 1 < len(data):
            i += 1
            ranges.append((data[i], data[i]))
        elif i + 2 < len(data) and data[i + 1 : i + 2] == _RANGE:
            ranges += _range(data[i], data[i + 2])
            i += 2
        else:
            ranges.append((data[i], data[i]))
        i += 1
    if not ranges:
        return (b"." if negated else b"(?!)"), i + 1
    inner = b"".join(b"\\x%02x-\\x%02x" % pair for pair in ranges)
    return b"[" + (b"^" if negated else b"") + inner + b"]", i + 1


def _range(first: int, last: int) -> list[tuple[int, int]]:
    """Return a range as the server reads it: signed bytes, reversed ends swapped."""
    low, high = sorted(byte - 256 if byte > 127 else byte for byte in (first, last))
    if low < 0 <= high:
        return [(low + 256, 255), (0, high)]
    return [(low % 256, high % 256)]
