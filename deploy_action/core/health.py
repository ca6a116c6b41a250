"""What a gate can answer, in order of severity, and how answers add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """A gate's answer; the value is its severity, so that the worst of several is a maximum."""

    PASS = 0
    INCONCLUSIVE = 1  # too little data
    UNREACHABLE = 2  # could not measure
    FAIL = 3  # measured, and bad

    def __str__(self) -> str:
        return self.name.lower()


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe of *verdicts*; no verdict at all is `INCONCLUSIVE`."""
    return max(verdicts, key=lambda verdict: verdict.value, default=Verdict.INCONCLUSIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One look of a gate: its verdict and what was seen, in words."""

    verdict: Verdict
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Counts passes and failures in a row: one lucky or unlucky look decides nothing.

    Args:
        needed: passes in a row that make the streak complete.
        passes: passes in a row so far.
        failures: looks in a row that did not pass.
    """

    needed: int
    passes: int = 0
    failures: int = 0

    def after(self, verdict: Verdict) -> Streak:
        """Return the streak after one more look."""
        if verdict is Verdict.PASS:
            return Streak(needed=self.needed, passes=self.passes + 1)
        return Streak(needed=self.needed, failures=self.failures + 1)

    @property
    def complete(self) -> bool:
        """Whether enough passes stand in a row."""
        return self.passes >= self.needed
