"""The log on a terminal: colours, and one line at the bottom that changes in place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

ERASE_LINE = "\r\x1b[2K"
_RESET = "\x1b[0m"
_BOLD, _DIM, _RED, _GREEN, _YELLOW, _BLUE = (f"\x1b[{code}m" for code in (1, 2, 31, 32, 33, 34))
_OF_LEVEL = {"error": _RED, "warning": _YELLOW, "debug": _DIM}
_OF_MARK = {"✓": _GREEN, "✗": _RED, "!": _YELLOW}
_MARK = re.compile(r"^( *)([✓✗!])(?= )")
_BAR = re.compile(r"^( *)(█*)(░*)(?=  )")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Formats lines for a terminal.

    Args:
        colour: whether to use colours.
    """

    colour: bool

    @classmethod
    def of(cls, stream: TextIO | None, environment: Mapping[str, str]) -> Terminal | None:
        """Return the terminal behind *stream*; None for a file, a pipe or a CI system."""
        try:
            if stream is None or not stream.isatty():
                return None
        except ValueError:  # it is closed
            return None
        if environment.get("CI") or environment.get("TERM", "dumb") == "dumb":
            return None
        return cls(colour=not environment.get("NO_COLOR"))

    def line(self, text: str, level: str, *, strong: bool = False) -> str:
        """Return one line with its colours.

        Args:
            text: the line, without escape sequences.
            level: ``debug``, ``info``, ``warning`` or ``error``.
            strong: whether it is a title or a result.
        """
        if not self.colour or not text:
            return text
        base = _OF_LEVEL.get(level, "") + (_BOLD if strong else "")
        if match := _MARK.match(text):
            colour = _OF_MARK[match[2]] + (_BOLD if strong else "")
            return f"{match[1]}{colour}{match[2]}{_RESET}{_coloured(text[match.end() :], base)}"
        if (match := _BAR.match(text)) and match[2] + match[3]:
            filled, rest = _coloured(match[2], _GREEN), _coloured(match[3], _BLUE)
            return f"{match[1]}{filled}{rest}{_coloured(text[match.end() :], base)}"
        return _coloured(text, base)

    def live(self, text: str) -> str:
        """Return the changing line: cut to the terminal's width, so that it stays one line."""
        width = max(shutil.get_terminal_size().columns - 1, 1)
        cut = text if len(text) <= width else f"{text[: width - 1]}…"
        return f"{ERASE_LINE}{_coloured(cut, _DIM) if self.colour else cut}"


def _coloured(text: str, colour: str) -> str:
    return f"{colour}{text}{_RESET}" if text and colour else text
