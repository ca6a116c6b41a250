"""The traffic shift, and retention of revisions."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.choices import StalePagePolicy, Strategy
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class TrafficSettings:
    """Steps, bake and retention."""

    strategy: Strategy = setting(
        parsers.one_of(Strategy),
        "canary",
        "How traffic shifts after the candidate passes its gates: canary (in traffic-steps, then "
        "bake), blue-green (all at once, then bake) or direct (all at once, without a bake). "
        "blue-green and direct also work in Single revision mode.",
        is_input=True,
    )
    traffic_steps: tuple[int, ...] = setting(
        parsers.percentages,
        "10,50,100",
        "For strategy: canary, the candidate's share of the traffic in percent, step by step.",
        is_input=True,
    )
    step_interval_s: float = setting(parsers.duration, "60s", "How long to monitor each step.")
    bake_s: float = setting(
        parsers.duration,
        "60s",
        "Monitoring time after promotion, with automatic rollback still on.",
    )
    label_live: str = setting(
        parsers.label,
        "",
        "Label that always points to the serving revision. It moves with the promotion, and "
        "back with an abort or a rollback.",
    )
    label_candidate: str = setting(
        parsers.label,
        "",
        "Label that points to the candidate from its creation until its promotion.",
    )
    stale_pages: StalePagePolicy = setting(
        parsers.one_of(StalePagePolicy),
        "warn",
        "What to do if the old revision serves the new version's URLs with headers that "
        "allow browsers to cache them: warn, cut-over (shift all traffic at once) or off. Requires "
        "manifest-path.",
    )
    keep_revisions: int = setting(
        parsers.integer(1, 100),
        "3",
        "Number of newest revisions to keep for a rollback, the serving one included. Older ones "
        "are deactivated. Inactive revisions count, because a rollback activates them again.",
    )
    keep_active_s: float = setting(
        parsers.duration,
        "1h",
        "How long a revision stays active after the promotion of its successor. The next "
        "deployment, or a scheduled repair, deactivates it. 0s deactivates it in the same run.",
    )
    drain_time_s: float = setting(
        parsers.duration, "30s", "Time to wait before a revision without traffic is deactivated."
    )
    convert_mode: bool = setting(
        parsers.boolean,
        "false",
        "Whether to switch an app in Single revision mode to Multiple.",
    )
