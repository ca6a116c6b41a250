"""Makes the analysis of a candidate and the diagnosis of its failure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from deploy_action.core.analysis import Thresholds, WindowRule
from deploy_action.core.analysis.latency import LatencyLimits
from deploy_action.core.settings.choices import AnalysisMode, OnInconclusive
from deploy_action.rollout.analysis import Analysis
from deploy_action.rollout.custom_checks import CheckSources
from deploy_action.rollout.diagnosis import Diagnosis
from deploy_action.rollout.step_analysis import AnalysisConfig

if TYPE_CHECKING:
    from deploy_action.adapters.azure_monitor import AzureMonitor
    from deploy_action.adapters.event_stream import EventStream
    from deploy_action.adapters.log_analytics import LogAnalytics
    from deploy_action.core.settings.schema import Settings
    from deploy_action.services import Services


def analysis_config(settings: Settings) -> AnalysisConfig:
    """Return how candidates are judged."""
    off = settings.analysis is AnalysisMode.OFF
    latency = LatencyLimits(
        ratio=settings.analysis_latency_ratio, difference_s=settings.analysis_latency_difference_s
    )
    return AnalysisConfig(
        off=off,
        required=settings.analysis is AnalysisMode.REQUIRED,
        thresholds=Thresholds(
            min_requests=settings.analysis_min_requests,
            max_error_rate=settings.analysis_max_error_rate,
        ),
        windows=WindowRule(lag_s=settings.analysis_lag_s),
        error_classes=frozenset({"5xx", "4xx"} if settings.analysis_count_4xx else {"5xx"}),
        latency=latency if latency.ratio and not off else None,
        checks=() if off else settings.analysis_checks,
        abort_on_inconclusive=settings.on_inconclusive is OnInconclusive.ABORT,
        read_every_s=settings.analysis_interval_s,
    )


def make_analysis(services: Services) -> Analysis:
    """Return the analysis of this run; nothing is read before a step needs it."""
    return Analysis(
        config=analysis_config(services.settings),
        monitor=cache(lambda: make_monitor(services)),
        sources=CheckSources(
            probes=services.probes, shell=services.shell, workspace=_workspace(services)
        ),
        record=services.record,
        subject=services.subject,
    )


def make_diagnosis(services: Services) -> Diagnosis:
    """Return the diagnosis of a failure."""
    return Diagnosis(
        app=services.app,
        stream=cache(lambda: _stream(services)),
        record=services.record,
    )


def make_monitor(services: Services) -> AzureMonitor:
    """Return the reader of the app's metrics."""
    from deploy_action.adapters.azure_monitor import AzureMonitor  # noqa: PLC0415  only on use

    return AzureMonitor(arm=services.resource_manager, app_id=services.app_id)


def _stream(services: Services) -> EventStream:
    from deploy_action.adapters.event_stream import EventStream  # noqa: PLC0415  only on use

    return EventStream(
        arm=services.resource_manager, app_id=services.app_id, on_secret=services.secret
    )


def _workspace(services: Services) -> LogAnalytics | None:
    if not services.settings.analysis_workspace:
        return None
    from deploy_action.adapters.log_analytics import LogAnalytics  # noqa: PLC0415  only on use

    return LogAnalytics(
        arm=services.resource_manager, workspace_id=services.settings.analysis_workspace
    )
