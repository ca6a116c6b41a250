"""Whether the candidate answers our own requests more slowly than stable.

Bad only if the median ratio, the absolute difference and the rank test agree: a ratio alone
blames fast pages, a difference alone blames slow ones, and a test alone blames any real but tiny
difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from deploy_action.core.analysis.significance import mann_whitney_tail
from deploy_action.core.health import Verdict

# With five samples on each side the rank test can reach a probability of 0.004, with four 0.014.
FEWEST_SAMPLES = 5
# The exact test grows with the product of both numbers; the newest samples decide.
MOST_SAMPLES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimits:
    """When the candidate is too slow; all three must hold.

    Args:
        ratio: candidate's median divided by stable's.
        difference_s: candidate's median minus stable's, in seconds.
        significance: the largest probability of chance that still counts as proof.
    """

    ratio: float = 1.5
    difference_s: float = 0.1
    significance: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyJudgement:
    """A verdict on the candidate's latency and one sentence."""

    verdict: Verdict
    reason: str


def judge_latency(
    candidate_s: Sequence[float], stable_s: Sequence[float], limits: LatencyLimits
) -> LatencyJudgement:
    """Compare the durations of requests that were made alternately to both revisions.

    Args:
        candidate_s: seconds of each of the candidate's responses.
        stable_s: seconds of each of stable's.
        limits: see `LatencyLimits`.
    """
    candidate_s, stable_s = candidate_s[-MOST_SAMPLES:], stable_s[-MOST_SAMPLES:]
    fewest = min(len(candidate_s), len(stable_s))
    if fewest < FEWEST_SAMPLES:
        return LatencyJudgement(
            verdict=Verdict.INCONCLUSIVE,
            reason=f"only {fewest} responses from each revision, {FEWEST_SAMPLES} are required",
        )
    ours, theirs = median(candidate_s), median(stable_s)
    chance = mann_whitney_tail(candidate_s, stable_s)
    slower = (
        ours >= limits.ratio * theirs
        and ours - theirs >= limits.difference_s
        and chance <= limits.significance
    )
    reason = (
        f"median {ours * 1000:.0f} ms of {len(candidate_s)} responses, "
        f"stable {theirs * 1000:.0f} ms of {len(stable_s)}"
    )
    if slower:
        reason += f" (Mann-Whitney test, p = {chance:.2g})"
    return LatencyJudgement(verdict=Verdict.FAIL if slower else Verdict.PASS, reason=reason)
