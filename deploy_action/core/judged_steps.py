"""Which steps production traffic judges, how long those last, and what the plan says about it."""

from __future__ import annotations

from dataclasses import replace

from deploy_action.core.amount import amount
from deploy_action.core.analysis import Counts, WindowRule
from deploy_action.core.analysis.expectation import expected_requests
from deploy_action.core.settings.choices import AnalysisMode
from deploy_action.core.settings.schema import Settings
from deploy_action.core.traffic.schedule import Schedule
from deploy_action.core.traffic.split import FULL_TRAFFIC


def with_judged_steps(
    schedule: Schedule, settings: Settings, recent: Counts | None, *, longest_s: float
) -> Schedule:
    """Return *schedule* with the steps that production traffic judges.

    With ``auto`` these are the steps that last long enough. If none does, one is made long enough:
    the first in which the candidate receives enough requests for a verdict, so that a bad one is
    found with as few users as possible; the bake counts as the last.

    Args:
        schedule: the steps and how long the settings let them last.
        settings: what the user configured.
        recent: stable's requests in the last hour; None if metrics were not read.
        longest_s: by how much ``auto`` may make the rollout longer, in seconds.
    """
    rule = WindowRule(lag_s=settings.analysis_lag_s)
    weights = (*schedule.steps, FULL_TRAFFIC)
    judged = replace(schedule, judged_s=rule.shortest_step_s)
    if settings.analysis is AnalysisMode.OFF:
        return schedule
    if settings.analysis is AnalysisMode.REQUIRED:
        return replace(judged, judged_weights=weights)
    if long_enough := tuple(weight for weight in weights if rule.fits(schedule.lasts_s(weight))):
        return replace(judged, judged_weights=long_enough)
    enough = _with_enough_requests(schedule, settings, recent, rule)
    fits = enough and rule.shortest_step_s - schedule.lasts_s(enough[0]) <= longest_s
    return replace(judged, judged_weights=enough[:1]) if fits else schedule


def analysis_lines(
    schedule: Schedule, settings: Settings, recent: Counts | None, *, stable_is_down: bool
) -> tuple[str, ...]:
    """Return which steps production traffic judges, how long they last and why."""
    if settings.analysis is AnalysisMode.OFF:
        return ("analysis: off",)
    if stable_is_down:
        return (
            (
                "analysis: production traffic is not analyzed, because the stable revision does "
                "not serve"
            ),
        )
    rule = WindowRule(lag_s=settings.analysis_lag_s)
    if schedule.judged_weights:
        named = ", ".join(
            "the bake" if weight == FULL_TRAFFIC else f"{weight} %"
            for weight in schedule.judged_weights
        )
        return (f"analysis: production traffic is analyzed at {named}; {rule.explain()}",)
    if recent is None:
        reason = "because the metrics cannot be read"
    elif _with_enough_requests(schedule, settings, recent, rule):
        reason = "because time-limit leaves no time for a longer step"
    else:
        most = max((_expected(recent, weight, rule) for weight in _lasting(schedule)), default=0)
        reason = (
            f"because the candidate would receive at most about {amount(most, 'request')} in a "
            f"step and a verdict requires {settings.analysis_min_requests} (the app received "
            f"{amount(recent.requests, 'request')} in the last hour)"
        )
    need_s = rule.shortest_step_s
    line = (
        f"analysis: production traffic is not analyzed, {reason}. step-interval is "
        f"{schedule.interval_s:.0f} s, bake {schedule.bake_s:.0f} s; {rule.explain()}. To analyze "
        f"it anyway, set step-interval to {need_s:.0f}s or more, or set analysis: required"
    )
    return (line,)


def _lasting(schedule: Schedule) -> tuple[int, ...]:
    """Return the weights of the steps, and 100 for the bake, if they last at all."""
    return tuple(weight for weight in (*schedule.steps, FULL_TRAFFIC) if schedule.lasts_s(weight))


def _with_enough_requests(
    schedule: Schedule, settings: Settings, recent: Counts | None, rule: WindowRule
) -> tuple[int, ...]:
    """Return the weights at which the candidate would receive enough requests for a verdict."""
    if recent is None:
        return ()
    fewest = settings.analysis_min_requests
    return tuple(
        weight for weight in _lasting(schedule) if _expected(recent, weight, rule) >= fewest
    )


def _expected(recent: Counts, weight: int, rule: WindowRule) -> int:
    return expected_requests(recent, weight=weight, minutes=rule.minutes)
