"""Seeded simulations of rollouts that analysis judges: pure arithmetic, no clock, no network."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import accumulate

from deploy_action.core.analysis import Counts, Thresholds, check_now, judge
from deploy_action.core.analysis.expectation import binomial
from deploy_action.core.health import Verdict

# Only the exact test and the minimum of three errors, as in the published tables.
TEST_ALONE = Thresholds(max_error_rate=1.0, min_error_rate=0.0, min_ratio=0.0)
STEPS = (10, 50, 100)
MINUTES = 5


@dataclass(slots=True)
class Simulation:
    """Draws requests and counts verdicts; verdicts are computed once for each table of counts.

    Args:
        seed: makes the draws repeatable.
        thresholds: how the candidate is judged.
    """

    seed: int
    thresholds: Thresholds = field(default_factory=Thresholds)
    _known: dict[tuple[int, int, int, int], Verdict] = field(default_factory=dict)
    _cumulated: dict[tuple[int, float], list[float]] = field(default_factory=dict)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311  draws are repeatable on purpose

    def checks(
        self, count: int, *, n_c: int, n_s: int, candidate_rate: float, stable_rate: float
    ) -> float:
        """Return the share of *count* single checks that fail the candidate."""
        ours = self._draw(count, n_c, candidate_rate)
        theirs = self._draw(count, n_s, stable_rate)
        failed = sum(
            self._verdict(n_c, e_c, n_s, e_s) is Verdict.FAIL
            for e_c, e_s in zip(ours, theirs, strict=True)
        )
        return failed / count

    def rollouts(
        self, count: int, *, per_minute: int, candidate_rate: float, stable_rate: float
    ) -> float:
        """Return the share of *count* rollouts that are rolled back in one of their steps.

        Each step is checked after every minute from the second on, and judged after the last.

        Args:
            count: how many rollouts.
            per_minute: requests that the app receives in one minute.
            candidate_rate: the candidate's true error rate, 0 to 1.
            stable_rate: stable's.
        """
        before = self._draw(count, per_minute * 60, stable_rate)
        failed = [
            any(
                self._step(per_minute, weight, errors, candidate_rate, stable_rate)
                for weight in STEPS
            )
            for errors in before
        ]
        return sum(failed) / count

    def _step(
        self, per_minute: int, weight: int, before: int, candidate_rate: float, stable_rate: float
    ) -> bool:
        """Whether one step fails its candidate."""
        n_c = per_minute * weight // 100
        n_s = per_minute - n_c
        history = Counts(requests=per_minute * 60, errors=before)
        ours = list(accumulate(self._draw(MINUTES, n_c, candidate_rate)))
        theirs = list(accumulate(self._draw(MINUTES, n_s, stable_rate)))
        for minute in range(2, MINUTES + 1):
            candidate = Counts(requests=n_c * minute, errors=ours[minute - 1])
            stable = Counts(requests=n_s * minute, errors=theirs[minute - 1])
            last = minute == MINUTES
            decide = judge if last else check_now
            judgement = decide(candidate, stable, self.thresholds, before=history)
            if judgement and judgement.verdict is Verdict.FAIL:
                return True
        return False

    def _verdict(self, n_c: int, e_c: int, n_s: int, e_s: int) -> Verdict:
        key = (n_c, e_c, n_s, e_s)
        if key not in self._known:
            candidate, stable = Counts(requests=n_c, errors=e_c), Counts(requests=n_s, errors=e_s)
            self._known[key] = judge(candidate, stable, self.thresholds).verdict
        return self._known[key]

    def _draw(self, count: int, n: int, rate: float) -> list[int]:
        if (n, rate) not in self._cumulated:
            chances = accumulate(binomial(n, k, rate) for k in range(n + 1))
            self._cumulated[n, rate] = list(chances)
        cumulated = self._cumulated[n, rate]
        return self._chance.choices(range(n + 1), cum_weights=cumulated, k=count)
