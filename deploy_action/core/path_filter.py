r"""Path filters with the meaning of a GitHub workflow's ``paths:``.

==========  =======================================================================================
``*``       any characters except ``/``
``**``      any characters; ``**/`` also matches no folder at all, as in git
``?``       the preceding character, or nothing
``+``       the preceding character, once or more often
``[abc]``   one of these characters; ranges such as ``[0-9]`` are allowed
``\``        takes the next character literally
``!``       in front of a pattern: excludes paths that earlier patterns included
==========  =======================================================================================

The last pattern that matches a path decides. As in git, a pattern without wildcards that names a
folder, or any pattern that ends with ``/``, matches everything below.

Source: GitHub Docs, "Workflow syntax for GitHub Actions", filter pattern cheat sheet; git's
documentation of ``gitignore`` and pathspecs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WILDCARD = re.compile(r"[*?+\[]")


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    excludes: bool
    regex: re.Pattern[str]


class PathFilter:
    """Decides which paths of a repository count.

    Args:
        patterns: in order.
        below: the folder that they are relative to; empty for the repository's root.

    Raises:
        ValueError: a pattern is invalid, or all of them exclude; completes "… must be …".
    """

    def __init__(self, patterns: Sequence[str], *, below: str = "") -> None:
        self._patterns = [_compiled(text, below) for text in patterns]
        if patterns and all(pattern.excludes for pattern in self._patterns):
            raise ValueError("a list with at least one pattern that does not start with '!'")

    def matches(self, path: str) -> bool:
        """Whether *path* counts: the last pattern that matches it does not exclude it."""
        for pattern in reversed(self._patterns):
            if pattern.regex.fullmatch(path):
                return not pattern.excludes
        return False

    def unmatched(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return the patterns that match none of *paths*, as the user wrote them."""
        remaining = dict.fromkeys(self._patterns)
        for path in paths:
            for pattern in [item for item in remaining if item.regex.fullmatch(path)]:
                del remaining[pattern]
            if not remaining:
                break
        return tuple(pattern.text for pattern in remaining)


def _compiled(text: str, folder: str) -> _Pattern:
    excludes = text.startswith("!")
    pattern = text.removeprefix("!").strip()
    while pattern.startswith("./"):
        pattern = pattern.removeprefix("./")
    pattern = pattern.lstrip("/")
    if not pattern or pattern == ".":
        pattern = "**"
    regex = _regex(pattern.rstrip("/"), text)
    below = "/.*" if pattern.endswith("/") else "" if _WILDCARD.search(pattern) else "(?:/.*)?"
    above = f"{re.escape(folder)}/" if folder else ""
    return _Pattern(text, excludes, re.compile(above + regex + below, re.DOTALL))


def _regex(pattern: str, text: str) -> str:
    """Return the regular expression of a pattern without its final slash."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif pattern[at] == "*":
            parts.append("[^/]*")
            at += 1
        elif pattern[at] in "?+" and parts and parts[-1][-1] not in "*?+":
            parts[-1] += pattern[at]
            at += 1
        elif pattern[at] == "[":
            end = pattern.find("]", at + 2)
            if end < 0:
                raise ValueError(f"a valid pattern, but '{text}' has a '[' without ']'")
            parts.append(_characters(pattern[at + 1 : end], text))
            at = end + 1
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            parts.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            parts.append(re.escape(pattern[at]))
            at += 1
    return "".join(parts)


def _characters(inside: str, text: str) -> str:
    negated = inside[:1] in {"!", "^"}
    characters = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if negated else inside)
    try:
        return re.compile(f"[{'^/' if negated else ''}{characters}]").pattern
    except re.error:
        raise ValueError(f"a valid pattern, but '{text}' has an invalid range") from None
