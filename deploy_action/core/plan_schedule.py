"""The traffic schedule of a plan, and the longest duration of the run."""

from __future__ import annotations

from deploy_action.core.analysis import Counts
from deploy_action.core.judged_steps import with_judged_steps
from deploy_action.core.settings.choices import Strategy
from deploy_action.core.settings.schema import Settings
from deploy_action.core.traffic.schedule import Schedule
from deploy_action.errors import InputError

PUBLISH_S = 120.0


def schedule_for(
    settings: Settings,
    recent: Counts | None = None,
    *,
    stable_is_down: bool = False,
    has_traffic: bool = True,
) -> tuple[Schedule, float]:
    """Return the steps of the traffic and the longest duration of the run, in seconds.

    Args:
        settings: what the user configured.
        recent: stable's requests in the last hour; None if metrics were not read.
        stable_is_down: whether no revision can serve now, so that no steps are needed.
        has_traffic: whether the app has an ingress.

    Raises:
        InputError: the run may take longer than its time limit.
    """
    in_steps = settings.strategy is Strategy.CANARY and has_traffic and not stable_is_down
    schedule = Schedule.of(
        settings.traffic_steps if in_steps else (),
        settings.step_interval_s,
        0.0 if settings.strategy is Strategy.DIRECT else settings.bake_s,
    )
    if has_traffic and not stable_is_down:
        spare_s = settings.time_limit_s - _longest_s(schedule, settings)
        schedule = with_judged_steps(schedule, settings, recent, longest_s=spare_s)
    longest_s = _longest_s(schedule, settings)
    if longest_s > settings.time_limit_s:
        raise InputError(
            f"Input time-limit: this plan may take up to {longest_s:.0f} s, but the limit is "
            f"{settings.time_limit_s:.0f} s.",
            hint="Shorten step-interval, bake, gate-timeout or build-timeout, or raise time-limit "
            "(and the job's timeout-minutes).",
        )
    return schedule, longest_s


def _longest_s(schedule: Schedule, settings: Settings) -> float:
    """Return the longest duration of the run, in seconds."""
    waits_s = schedule.longest_s(settings.gate_timeout_s, settings.build_timeout_s)
    return waits_s + PUBLISH_S + settings.drain_time_s
