"""The three statistical tests behind the verdicts, and the upper bound without errors.

Sources: Wilson, "Probable inference, the law of succession, and statistical inference" (1927);
Fisher, "The Design of Experiments" (1935); Mann and Whitney, "On a test of whether one of two
random variables is stochastically larger than the other" (1947).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import comb, exp, lgamma, sqrt

from deploy_action.core.analysis.counts import Counts

# The 95 % point of the normal distribution: the lower end of a two-sided 90 % interval.
Z_90 = 1.645


def wilson_lower(counts: Counts, z: float = Z_90) -> float:
    """Return the lower Wilson bound of the error rate; 0 without requests."""
    n = counts.requests
    if not n:
        return 0.0
    p = counts.errors / n
    centre = p + z * z / (2 * n)
    spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - spread) / (1 + z * z / n))


def fisher_tail(candidate: Counts, stable: Counts) -> float:
    """Return the one-sided Fisher probability that chance alone gives the candidate its errors.

    Computed with `lgamma`: exact integers take seconds at 100,000 requests.
    """
    errors = candidate.errors + stable.errors
    total = candidate.requests + stable.requests
    whole = _log_comb(total, candidate.requests)
    most = min(candidate.requests, errors)
    tail = sum(
        exp(_log_comb(errors, x) + _log_comb(total - errors, candidate.requests - x) - whole)
        for x in range(candidate.errors, most + 1)
        if candidate.requests - x <= total - errors
    )
    return min(1.0, tail)


def mann_whitney_tail(candidate: Sequence[float], stable: Sequence[float]) -> float:
    """Return the exact one-sided probability that chance alone makes the candidate so much slower.

    Ties count half and are rounded in the candidate's favour. Without samples on both sides the
    probability is 1.
    """
    if not candidate or not stable:
        return 1.0
    ordered = sorted(stable)
    below = sum(bisect_left(ordered, value) for value in candidate)
    ties = sum(bisect_right(ordered, v) - bisect_left(ordered, v) for v in candidate)
    u = below + ties // 2
    n, m = len(candidate), len(stable)
    return sum(_arrangements(n, m)[u:]) / comb(n + m, n)


def upper_bound_without_errors(requests: int) -> float:
    """Return the highest error rate that *requests* without an error still allow, at 95 %."""
    return 1 - 0.05 ** (1 / requests) if requests else 1.0


def _log_comb(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _arrangements(n: int, m: int) -> list[int]:
    """Return how many orders of n and m values give each statistic from 0 to n·m.

    These are the coefficients of the Gaussian binomial: the product of (1 - x^(m+i)) / (1 - x^i).
    """
    counts = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, n * m + 1):
            counts[u] += counts[u - i]
    return counts
