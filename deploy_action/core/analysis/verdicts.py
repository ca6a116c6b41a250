"""The rules by which counts of requests become a verdict with its numbers and one sentence.

1. Restarts: the candidate's containers restarted in at least two minutes of the window.
2. Limit: the candidate's error rate is above an absolute limit. Where stable's is near the limit or
   above it, too, the cause is probably shared, such as a database, and only rule 3 can blame the
   candidate.
3. Comparison, at the end of a step: the candidate received enough requests and fails more often
   than stable, beyond what chance explains.

Rules 1 and 2 apply at every check and may end a step early.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial

from deploy_action.core.analysis.counts import NO_REQUESTS, Counts
from deploy_action.core.analysis.significance import (
    fisher_tail,
    upper_bound_without_errors,
    wilson_lower,
)
from deploy_action.core.health import Verdict

_LIMIT_ERRORS = 5  # fewer prove nothing about a rate


class Rule(Enum):
    """Which rule decided."""

    RESTARTS = "restarts"
    LIMIT = "limit"
    SHARED_CAUSE = "shared cause"
    SAMPLE = "minimum sample"
    COMPARISON = "comparison"
    MEASUREMENT = "measurement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a candidate is judged, and when it is bad.

    Args:
        min_requests: the fewest candidate requests that are judged by comparison.
        max_error_rate: the absolute limit, 0 to 1; 1 switches it off.
        min_errors: fewer candidate errors are never evidence.
        min_error_rate: a lower candidate error rate is never bad.
        min_ratio: how many times stable's rate the candidate's must be.
        significance: the largest probability of chance that still counts as proof.
        looks: how often the comparison is made in one step; divides *significance*.
        max_restarts: minutes with restarts that are tolerated.
    """

    min_requests: int = 20
    max_error_rate: float = 0.05
    min_errors: int = 3
    min_error_rate: float = 0.02
    min_ratio: float = 1.5
    significance: float = 0.01
    looks: int = 1
    max_restarts: int = 1

    @property
    def level(self) -> float:
        """The significance level of one comparison, corrected for the number of looks."""
        return self.significance / max(1, self.looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict, the rule that gave it, its four numbers and one sentence."""

    verdict: Verdict
    rule: Rule
    candidate: Counts
    stable: Counts
    reason: str
    baseline: str = "stable"

    @property
    def numbers(self) -> str:
        """Requests and errors of both sides."""
        return f"candidate: {self.candidate}; {self.baseline}: {self.stable}"

    @property
    def sentence(self) -> str:
        """The numbers and what follows from them."""
        return f"{self.numbers}. {self.reason}"


def check_now(
    candidate: Counts,
    stable: Counts,
    thresholds: Thresholds,
    *,
    before: Counts = NO_REQUESTS,
    restarts: int = 0,
) -> Judgement | None:
    """Apply the rules that may end a step early; None while none of them applies.

    Args:
        candidate: the candidate's requests in the window.
        stable: stable's requests in the same window.
        thresholds: see `Thresholds`.
        before: stable's requests in the hour before the deployment; see `judge`.
        restarts: minutes of the window in which a container of the candidate restarted.
    """
    baseline, name = _baseline(stable, before, thresholds)
    conclude = partial(Judgement, candidate=candidate, stable=baseline, baseline=name)
    if restarts > thresholds.max_restarts:
        reason = f"The candidate's containers restarted in {restarts} different minutes."
        return conclude(verdict=Verdict.FAIL, rule=Rule.RESTARTS, reason=reason)
    if not _above_limit(candidate, thresholds):
        return None
    limit = f"{thresholds.max_error_rate:.1%}"
    if _near_limit(baseline, thresholds) or _near_limit(stable, thresholds):
        reason = (
            f"The candidate's error rate is above the limit of {limit}, but stable fails too: the "
            "cause is probably shared, such as a database."
        )
        return conclude(verdict=Verdict.INCONCLUSIVE, rule=Rule.SHARED_CAUSE, reason=reason)
    proven = f"at least {wilson_lower(candidate):.1%} with 95 % confidence"
    reason = f"The candidate's error rate ({proven}) is above the limit of {limit}."
    return conclude(verdict=Verdict.FAIL, rule=Rule.LIMIT, reason=reason)


def judge(
    candidate: Counts,
    stable: Counts,
    thresholds: Thresholds,
    *,
    before: Counts = NO_REQUESTS,
    restarts: int = 0,
) -> Judgement:
    """Judge a whole step.

    Args:
        candidate: the candidate's requests in the window.
        stable: stable's requests in the same window.
        thresholds: see `Thresholds`.
        before: stable's requests in the hour before the deployment; used where stable received
            too few in the window.
        restarts: minutes of the window in which a container of the candidate restarted.
    """
    early = check_now(candidate, stable, thresholds, before=before, restarts=restarts)
    if early and early.verdict is Verdict.FAIL:
        return early
    baseline, name = _baseline(stable, before, thresholds)
    conclude = partial(Judgement, candidate=candidate, stable=baseline, baseline=name)
    enough = candidate.requests >= thresholds.min_requests
    if enough and _clearly_worse(candidate, baseline, thresholds):
        reason = f"The candidate fails more often than stable ({_chance(candidate, baseline)})."
        return conclude(verdict=Verdict.FAIL, rule=Rule.COMPARISON, reason=reason)
    if early:
        return early
    if not enough:
        reason = (
            f"Too few requests to evaluate the candidate: {candidate.requests} of the "
            f"{thresholds.min_requests} required."
        )
        return conclude(verdict=Verdict.INCONCLUSIVE, rule=Rule.SAMPLE, reason=reason)
    if baseline.requests < thresholds.min_requests and _suspicious(candidate, thresholds):
        reason = (
            "The candidate has errors, and stable received too few requests to compare with: "
            f"{baseline.requests} of the {thresholds.min_requests} required."
        )
        return conclude(verdict=Verdict.INCONCLUSIVE, rule=Rule.SAMPLE, reason=reason)
    reason = _why_good(candidate, baseline, thresholds)
    return conclude(verdict=Verdict.PASS, rule=Rule.COMPARISON, reason=reason)


def unreachable(reason: str) -> Judgement:
    """Return the judgement of a check that could not measure anything."""
    return Judgement(
        verdict=Verdict.UNREACHABLE,
        rule=Rule.MEASUREMENT,
        candidate=NO_REQUESTS,
        stable=NO_REQUESTS,
        reason=reason,
    )


def _baseline(stable: Counts, before: Counts, thresholds: Thresholds) -> tuple[Counts, str]:
    weak = stable.requests < thresholds.min_requests <= before.requests
    # If stable fails right now, do not compare with a time when it was healthy.
    if weak and not _above_limit(stable, thresholds):
        return before, "stable in the hour before the deployment"
    return stable, "stable"


def _above_limit(counts: Counts, thresholds: Thresholds) -> bool:
    enough = counts.errors >= _LIMIT_ERRORS
    return enough and wilson_lower(counts) > thresholds.max_error_rate


def _suspicious(candidate: Counts, thresholds: Thresholds) -> bool:
    return candidate.errors >= thresholds.min_errors and candidate.rate >= thresholds.min_error_rate


def _clearly_worse(candidate: Counts, stable: Counts, thresholds: Thresholds) -> bool:
    return (
        _suspicious(candidate, thresholds)
        and candidate.rate >= thresholds.min_ratio * stable.rate
        and fisher_tail(candidate, stable) <= thresholds.level
    )


def _near_limit(stable: Counts, thresholds: Thresholds) -> bool:
    """Whether stable is above the limit, or too near to it to blame the candidate by the limit."""
    near = stable.rate >= thresholds.max_error_rate / 2
    return _above_limit(stable, thresholds) or (near and stable.requests >= thresholds.min_requests)


def _chance(candidate: Counts, stable: Counts) -> str:
    return f"Fisher's exact test, p = {fisher_tail(candidate, stable):.2g}"


def _why_good(candidate: Counts, stable: Counts, thresholds: Thresholds) -> str:
    if not candidate.errors:
        bound = upper_bound_without_errors(candidate.requests)
        return f"The candidate's true error rate is below {bound:.1%} (95 % confidence)."
    if candidate.errors < thresholds.min_errors:
        return f"Fewer than {thresholds.min_errors} errors are not evidence against the candidate."
    if candidate.rate < thresholds.min_error_rate:
        return f"The candidate's error rate is below {thresholds.min_error_rate:.1%}."
    if candidate.rate < thresholds.min_ratio * stable.rate:
        return f"The candidate's error rate is below {thresholds.min_ratio:g} times stable's."
    return f"The difference is not significant ({_chance(candidate, stable)})."
