"""The possible results of a check, and streaks of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """The result of a check; the values order them by severity."""

    PASS = 0
    INCONCLUSIVE = 1  # too little data
    UNREACHABLE = 2  # could not measure
    FAIL = 3  # measured, and bad

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One result of a gate.

    Args:
        verdict: what it means.
        evidence: what was measured, in words.
        status: the HTTP status of the answer; 0 for none.
    """

    verdict: Verdict
    evidence: str
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Counts passes and failures in a row, so that a single check decides nothing.

    Args:
        needed: passes in a row that make the streak complete.
        passes: passes in a row so far.
        failures: checks in a row that did not pass.
    """

    needed: int
    passes: int = 0
    failures: int = 0

    def after(self, verdict: Verdict) -> Streak:
        """Return the streak after one more check."""
        if verdict is Verdict.PASS:
            return Streak(needed=self.needed, passes=self.passes + 1)
        return Streak(needed=self.needed, failures=self.failures + 1)

    @property
    def complete(self) -> bool:
        """Whether there were enough passes in a row."""
        return self.passes >= self.needed
