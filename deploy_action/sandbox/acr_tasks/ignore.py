"""Which files of a context are sent: `.dockerignore`, and the patterns of COPY.

Source: Dockerfile reference, ".dockerignore file": the last pattern that matches decides; ``!``
takes back; ``**`` matches any number of folders; patterns are relative to the context's root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    ignore: bool


class Ignore:
    """The rules of one context."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [
            _Rule(pattern(rule.removeprefix("!").strip()), ignore=not rule.startswith("!"))
            for line in lines
            if (rule := line.strip()) and not rule.startswith("#")
        ]

    @classmethod
    def of(cls, context: Path, dockerfile: str) -> Ignore:
        """Read the file beside the Dockerfile that bears its name, else the context's own."""
        for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
            file = context / name
            if file.is_file():
                return cls(file.read_text("utf-8-sig").splitlines())
        return cls(())

    def __call__(self, path: str) -> bool:
        """Whether *path* (relative, with slashes) stays out; a folder's rule is for all in it."""
        parts = path.split("/")
        out = False
        for rule in self._rules:
            if any(
                rule.pattern.fullmatch("/".join(parts[:depth]))
                for depth in range(1, len(parts) + 1)
            ):
                out = rule.ignore
        return out


def pattern(text: str) -> re.Pattern[str]:
    """Turn a pattern into an expression that matches whole relative paths."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    out = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            out += ".*" if last else "(?:[^/]+/)*"
        else:
            out += _component(part) + ("" if last else "/")
    return re.compile(out)


def is_pattern(text: str) -> bool:
    """Whether *text* has any sign of a pattern in it."""
    return any(sign in text for sign in "*?[")


def _component(part: str) -> str:
    """Translate one path component: ``*``, ``?``, ``[a-z]``, backslash as escape."""
    out, at = "", 0
    while at < len(part):
        char = part[at]
        close = part.find("]", at + 2) if char == "[" else -1
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif close > 0:
            inner = part[at + 1 : close].replace("\\", "\\\\")
            out += f"[{inner}]"
            at = close
        elif char == "\\" and at + 1 < len(part):
            at += 1
            out += re.escape(part[at])
        else:
            out += re.escape(char)
        at += 1
    return out
