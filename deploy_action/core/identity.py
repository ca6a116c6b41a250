"""Compares what an app says about itself with what was deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SHORTEST_COMMIT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The expected identity of a revision; unknown texts are empty."""

    revision: str
    version: str = ""
    commit: str = ""

    def mismatch(self, answer: Mapping[str, Any]) -> str:
        """Return how *answer* differs; empty if it names this revision, version or commit.

        One matching field is enough, but none of the three may differ.

        >>> deployed = Identity(revision="api--v2", version="2.0", commit="0123456789")
        >>> deployed.mismatch({"version": "2.0"})
        ''
        >>> deployed.mismatch({"commit": "0123456"})
        ''
        >>> deployed.mismatch({"version": "2.0", "revision": "api--v1"})
        "revision 'api--v1', expected 'api--v2'"
        >>> deployed.mismatch({})
        "neither revision 'api--v2' nor version '2.0' nor commit '0123456789'"
        """
        expected = {"revision": self.revision, "version": self.version, "commit": self.commit}
        known = {field: value for field, value in expected.items() if value}
        named = 0
        for field, value in known.items():
            actual = str(answer.get(field) or "")
            if not actual:
                continue
            named += 1
            same = _same_commit(actual, value) if field == "commit" else actual == value
            if not same:
                return f"{field} '{actual}', expected '{value}'"
        if named:
            return ""
        return "neither " + " nor ".join(f"{field} '{value}'" for field, value in known.items())


def _same_commit(first: str, second: str) -> bool:
    """Whether two ids, each full or abbreviated, are of the same commit."""
    short, long = sorted((first.lower(), second.lower()), key=len)
    return len(short) >= _SHORTEST_COMMIT and long.startswith(short)
