"""The patterns of COPY and ADD: Go's ``filepath.Match``, with ``**`` for any number of folders."""

from __future__ import annotations

import re


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
