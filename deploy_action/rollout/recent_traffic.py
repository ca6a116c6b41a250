"""The metrics of each active revision in the last ten minutes, for `status`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from deploy_action.adapters.azure_monitor import AzureMonitor, MetricsError, NoMetricsYetError
from deploy_action.core.analysis import Counts, Window
from deploy_action.core.analysis.windows import MINUTE_S
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.status import RecentTraffic
from deploy_action.rollout.step_analysis import AnalysisConfig
from deploy_action.runtime.concurrency import all_of

_MINUTES = 10


def recent_traffic(
    monitor: AzureMonitor, config: AnalysisConfig, revisions: Sequence[Revision]
) -> tuple[dict[str, RecentTraffic], str]:
    """Return the last ten minutes by revision, and why they could not be read, or nothing.

    Args:
        monitor: reads the metrics.
        config: which minutes are complete, and which status classes are errors.
        revisions: inactive ones are left out.
    """
    names = [revision.name for revision in revisions if revision.active]
    try:
        window = _window(monitor, config)
        usage = monitor.usage(names, window)
        if _window(monitor, config) != window:  # the response showed Azure's real time
            window = _window(monitor, config)
            usage = monitor.usage(names, window)
        measured = all_of([partial(_of, monitor, config, name, window) for name in names])
    except MetricsError as error:
        return {}, str(error)
    return {
        name: RecentTraffic(
            requests=counts.requests,
            errors=counts.errors,
            restarts=restarts,
            usage=str(usage[name]) if name in usage else "",
        )
        for name, (counts, restarts) in zip(names, measured, strict=True)
    }, ""


def _window(monitor: AzureMonitor, config: AnalysisConfig) -> Window:
    end_s = (monitor.now_s() - config.windows.lag_s) // MINUTE_S * MINUTE_S
    return Window(start_s=end_s - _MINUTES * MINUTE_S, end_s=end_s)


def _of(
    monitor: AzureMonitor, config: AnalysisConfig, name: str, window: Window
) -> tuple[Counts, int]:
    try:
        classes = monitor.requests_by_class(name, window)
        restarts = monitor.restart_minutes(name, window)
    except NoMetricsYetError:  # a new revision
        return Counts(requests=0, errors=0), 0
    return Counts.from_classes(classes, config.error_classes), restarts
