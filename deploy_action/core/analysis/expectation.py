"""Predicts how many requests a step will get, and how likely they reveal a bad candidate."""

from __future__ import annotations

from math import exp, lgamma, log

from deploy_action.core.analysis.counts import Counts
from deploy_action.core.analysis.verdicts import Thresholds, judge
from deploy_action.core.health import Verdict


def expected_requests(before: Counts, *, weight: int, minutes: int) -> int:
    """Return how many requests the candidate will receive.

    Args:
        before: the app's requests of the last hour.
        weight: the candidate's share of the traffic, 0 to 100.
        minutes: how many whole minutes of the step are judged.
    """
    return round(before.requests / 60 * weight / 100 * minutes)


def detection_probability(
    requests: int, stable_requests: int, error_rate: float, thresholds: Thresholds
) -> float:
    """Return the probability that a candidate with *error_rate* fails, if stable has no errors.

    Args:
        requests: the candidate's requests in the window.
        stable_requests: stable's.
        error_rate: the candidate's true error rate, 0 to 1.
        thresholds: see `Thresholds`.
    """
    stable = Counts(requests=stable_requests, errors=0)
    # More errors are never a better verdict, so the fewest that fail decide.
    low, high = 0, requests + 1
    while low < high:
        middle = (low + high) // 2
        failed = judge(Counts(requests=requests, errors=middle), stable, thresholds)
        if failed.verdict is Verdict.FAIL:
            high = middle
        else:
            low = middle + 1
    return sum(binomial(requests, x, error_rate) for x in range(low, requests + 1))


def binomial(n: int, k: int, p: float) -> float:
    """Return the probability of *k* errors in *n* requests at a true rate of *p*."""
    if p in {0.0, 1.0}:
        return float(k == n * p)
    choices = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return exp(choices + k * log(p) + (n - k) * log(1 - p))
