"""Analysis of a candidate by production traffic, latency and the user's own checks."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.analysis.checks import CustomCheck
from deploy_action.core.settings import checks, parsers
from deploy_action.core.settings.choices import AnalysisMode, OnInconclusive
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings:
    """When a candidate is judged, and when it is bad."""

    analysis: AnalysisMode = setting(
        parsers.one_of(AnalysisMode),
        "auto",
        "Analysis of production traffic with Azure's metrics for each revision: auto (analyzes "
        "steps of at least 6 minutes; if there are none, extends the first step with enough "
        "requests), required (extends every step, and refuses the deployment if a permission is "
        "missing) or off. See docs/analysis.md.",
    )
    on_inconclusive: OnInconclusive = setting(
        parsers.one_of(OnInconclusive),
        "continue",
        "What to do when a step had too little traffic or could not be measured: continue (with a "
        "warning) or abort.",
    )
    analysis_lag_s: float = setting(
        parsers.duration, "3m", "Delay until Azure's metrics for a minute are complete."
    )
    analysis_interval_s: float = setting(
        parsers.duration, "15s", "Interval between reads of the metrics."
    )
    analysis_min_requests: int = setting(
        parsers.integer(1, 1_000_000),
        "20",
        "Minimum number of requests to the candidate in a step for a comparison.",
    )
    analysis_max_error_rate: float = setting(
        parsers.percentage,
        "5%",
        "Maximum error rate of the candidate, regardless of the stable revision's. 100% disables "
        "this limit.",
    )
    analysis_count_4xx: bool = setting(
        parsers.boolean, "false", "Whether 4xx responses also count as errors."
    )
    analysis_latency_ratio: float = setting(
        parsers.decimal,
        "1.5",
        "Ratio of median latencies (candidate / stable) that fails the candidate, measured with "
        "health requests. 0 disables it.",
    )
    analysis_latency_difference_s: float = setting(
        parsers.duration,
        "0.1s",
        "Minimum latency difference that fails the candidate, in addition to "
        "analysis-latency-ratio.",
    )
    analysis_workspace: str = setting(
        parsers.text, "", "Resource ID of the Log Analytics workspace for KQL checks."
    )
    analysis_checks: tuple[CustomCheck, ...] = setting(
        parsers.list_of(checks.parse),
        "",
        "Custom checks to run in each step: KQL queries, HTTPS endpoints or commands. See "
        "docs/analysis.md.",
        block=checks.block,
        schema=checks.SCHEMA,
    )
