"""One call of `az`, as arguments and as a line of a shell script."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDTH = 90
_VARIABLE = re.compile(r"\$([A-Z_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AzCommand:
    """One call of `az`. Words may contain ``$NAME``, the output of an earlier command.

    Args:
        about: a heading for it; empty if it belongs to the command before it.
        words: the arguments of `az`.
        saves: the name under which its output is kept; empty for none.
        unless: queries to run first; the command is skipped if one of them prints something,
            which is then kept instead.
    """

    about: str
    words: tuple[str, ...]
    saves: str = ""
    unless: tuple[tuple[str, ...], ...] = ()

    def as_shell(self) -> str:
        """Return the command as lines of a shell script."""
        command = _shell(self.words)
        if not self.saves:
            lines = [command]
        else:
            first, *others = [*map(_shell, self.unless), command]
            lines = [f"{self.saves}=$({first})"]
            lines += [f'[ -n "${self.saves}" ] || {self.saves}=$({other})' for other in others]
        return "\n".join([f"\n# {self.about}", *lines] if self.about else lines)


def query(path: str) -> tuple[str, ...]:
    """Return the arguments that print one value of the answer."""
    return ("--query", path, "--output", "tsv")


def filled(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return *words* with every ``$NAME`` replaced by its value."""
    return tuple(_VARIABLE.sub(lambda match: values[match[1]], word) for word in words)


def _shell(words: Sequence[str]) -> str:
    """Return the command as shell text, in lines of at most 100 characters where possible."""
    lines = ["az"]
    for word, follower in zip(words, [*words[1:], ""], strict=True):
        text = _quoted(word)
        length = len(text) + (len(_quoted(follower)) if word.startswith("--") else 0)
        if word.startswith("--") and len(lines[-1]) + length > _WIDTH:
            lines.append(f"  {text}")
        else:
            lines[-1] += f" {text}"
    return " \\\n".join(lines)


def _quoted(word: str) -> str:
    """Return *word* as a shell word in which only ``$NAME`` is replaced."""
    if not _VARIABLE.search(word) and "'" not in word:
        return shlex.quote(word)
    return '"' + re.sub(r'(["\\`]|\$(?![A-Z]))', r"\\\1", word) + '"'
