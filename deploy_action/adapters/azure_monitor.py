"""Azure Monitor's platform metrics of one container app, by revision.

Source: "Metrics - List" of the Azure Monitor REST API (2024-02-01) and "Supported metrics for
Microsoft.App/containerApps". Needs the action ``Microsoft.Insights/metrics/read``, which the role
Container Apps Contributor does not contain and Monitoring Reader does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deploy_action.core.analysis.windows import Window
from deploy_action.errors import DeployError

if TYPE_CHECKING:
    from deploy_action.adapters.resource_manager import ResourceManager

API_VERSION = "2024-02-01"
# Azure returns ten series unless asked for more, and the response does not show that it is cut.
_TOP = "1000"


class MetricsError(DeployError):
    """The metrics could not be read."""


class MetricsForbiddenError(MetricsError):
    """This identity has no right to read them."""


class NoMetricsYetError(MetricsError):
    """The refusal that Azure returns for a revision that is too new to have metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Highest CPU and memory of a revision's replicas, in percent of their limits; or None."""

    cpu: float | None = None
    memory: float | None = None

    def __str__(self) -> str:
        parts = [
            f"{name} {value:.0f} %"
            for name, value in (("CPU", self.cpu), ("memory", self.memory))
            if value is not None
        ]
        return ", ".join(parts) or "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureMonitor:
    """Reads metrics; one request per call, never repeated.

    Args:
        arm: sends the requests.
        app_id: the app's resource ID.
    """

    arm: ResourceManager
    app_id: str

    def now_s(self) -> float:
        """Return Azure's time in seconds since 1970."""
        return self.arm.now_s()

    def requests_by_class(self, revision: str, window: Window) -> dict[str, float]:
        """Return the requests of a revision by status class, such as ``{"2xx": 180.0}``.

        Raises:
            MetricsError: they could not be read; see its subclasses.
        """
        totals: defaultdict[str, float] = defaultdict(float)
        condition = f"{_is_revision(revision)} and statusCodeCategory eq '*'"
        for series in self._series("Requests", "Total", window, condition):
            status_class = series.dimensions.get("statuscodecategory", "")
            totals[status_class.lower()] += sum(series.values)
        return dict(totals)

    def restart_minutes(self, revision: str, window: Window) -> int:
        """Return in how many minutes a container of the revision restarted.

        The metric is described as a running total, but a crash loop shows as single minutes with 1.

        Raises:
            MetricsError: they could not be read.
        """
        maxima = self._series("RestartCount", "Maximum", window, _is_revision(revision))
        return max((sum(value > 0 for value in series.values) for series in maxima), default=0)

    def usage(self, revisions: Collection[str], window: Window) -> dict[str, Usage]:
        """Return CPU and memory of revisions, as far as there are values.

        These metrics have no revision, so replicas are recognised by their names, which end in two
        parts of the platform's own: ``<revision>-<hash>-<five characters>``.

        Raises:
            MetricsError: they could not be read.
        """
        highest: defaultdict[str, dict[str, float]] = defaultdict(dict)
        names = "CpuPercentage,MemoryPercentage"
        for series in self._series(names, "Average", window, "podName eq '*'"):
            revision = series.dimensions.get("podname", "").rsplit("-", 2)[0]
            if revision in revisions and series.values:
                before = highest[revision].get(series.metric, 0.0)
                highest[revision][series.metric] = max(before, *series.values)
        return {
            revision: Usage(cpu=of.get("cpupercentage"), memory=of.get("memorypercentage"))
            for revision, of in highest.items()
        }

    def _series(
        self, metrics: str, aggregation: str, window: Window, condition: str
    ) -> Iterator[_Series]:
        query = {
            "api-version": API_VERSION,
            "metricnamespace": "Microsoft.App/containerapps",
            "metricnames": metrics,
            "timespan": f"{_moment(window.start_s)}/{_moment(window.end_s)}",
            "interval": "PT1M",
            "aggregation": aggregation,
            "top": _TOP,
            "$filter": condition,
        }
        response = self.arm.get(f"{self.app_id}/providers/Microsoft.Insights/metrics", query)
        if response.status == 403:
            raise MetricsForbiddenError(
                f"This identity is not allowed to read the app's metrics: {response.problem}",
                hint="Assign it the role Monitoring Reader on the app.",
            )
        if response.status == 400:
            raise NoMetricsYetError(f"Azure refused to read the metrics: {response.problem}")
        if not response.ok:
            raise MetricsError(f"The metrics could not be read: {response.problem}")
        for value in _objects(response.body.get("value")):
            if str(value.get("errorCode") or "Success") != "Success":
                text = value.get("errorMessage") or value["errorCode"]
                raise MetricsError(f"The metrics could not be read: {text}")
            name = str((value.get("name") or {}).get("value", "")).lower()
            for series in _objects(value.get("timeseries")):
                yield _Series.parse(name, series, aggregation.lower(), window)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One time series; dimensions are keyed in lower case, minutes without a value are left out."""

    metric: str
    dimensions: Mapping[str, str]
    values: tuple[float, ...]

    @classmethod
    def parse(
        cls, metric: str, series: Mapping[str, Any], aggregation: str, window: Window
    ) -> _Series:
        pairs = _objects(series.get("metadatavalues"))
        return cls(
            metric=metric,
            dimensions={
                str((pair.get("name") or {}).get("value", "")).lower(): str(pair.get("value") or "")
                for pair in pairs
            },
            values=tuple(
                float(point[aggregation])
                for point in _objects(series.get("data"))
                if isinstance(point.get(aggregation), int | float)
                and _inside(str(point.get("timeStamp") or ""), window)
            ),
        )


def _inside(stamp: str, window: Window) -> bool:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return False
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return window.start_s <= moment.timestamp() < window.end_s


def _is_revision(name: str) -> str:
    escaped = name.replace("'", "''")
    return f"revisionName eq '{escaped}'"


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
