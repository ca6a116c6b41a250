"""The metrics of ``Microsoft.App/containerApps`` that the sandbox measures.

Source: "Supported metrics for Microsoft.App/containerApps", and recorded answers for what an empty
minute looks like: counters are filled with zeros, gauges have no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

NAMESPACE: Final = "Microsoft.App/containerApps"
ALL: Final = ("Average", "Total", "Maximum", "Minimum")
GRAINS: Final[Mapping[str, int]] = {
    "PT1M": 1,
    "PT5M": 5,
    "PT15M": 15,
    "PT30M": 30,
    "PT1H": 60,
    "PT6H": 360,
    "PT12H": 720,
    "P1D": 1440,
}
_REVISION: Final = ("revisionName",)
_POD: Final = ("revisionName", "podName")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric; *primary* is the aggregation that is returned by default."""

    name: str
    title: str
    unit: str
    primary: str
    dimensions: Sequence[str]
    counter: bool

    def definition(self, resource: str) -> dict[str, Any]:
        """Return its entry in the list of metric definitions."""
        return {
            "id": f"{resource}/providers/microsoft.insights/metricdefinitions/{self.name}",
            "resourceId": resource,
            "namespace": NAMESPACE,
            "name": {"value": self.name, "localizedValue": self.title},
            "displayDescription": self.title,
            "isDimensionRequired": False,
            "unit": self.unit,
            "primaryAggregationType": self.primary,
            "supportedAggregationTypes": list(ALL),
            "metricAvailabilities": [
                {"timeGrain": grain, "retention": "P93D"} for grain in (*GRAINS, "FULL")
            ],
            "dimensions": [{"value": name, "localizedValue": name} for name in self.dimensions],
        }


_METRICS: Final = (
    Metric(
        name="Requests",
        title="Requests",
        unit="Count",
        primary="Total",
        dimensions=(*_POD, "statusCodeCategory", "statusCode"),
        counter=True,
    ),
    Metric(
        name="ResponseTime",
        title="Average Response Time",
        unit="MilliSeconds",
        primary="Average",
        dimensions=("statusCodeCategory", "statusCode"),
        counter=False,
    ),
    Metric(
        name="Replicas",
        title="Replica Count",
        unit="Count",
        primary="Maximum",
        dimensions=_REVISION,
        counter=True,
    ),
    Metric(
        name="RestartCount",
        title="Replica Restart Count",
        unit="Count",
        primary="Maximum",
        dimensions=_POD,
        counter=True,
    ),
    Metric(
        name="UsageNanoCores",
        title="CPU Usage",
        unit="NanoCores",
        primary="Average",
        dimensions=_POD,
        counter=False,
    ),
    Metric(
        name="WorkingSetBytes",
        title="Memory Working Set Bytes",
        unit="Bytes",
        primary="Average",
        dimensions=_POD,
        counter=False,
    ),
    Metric(
        name="CpuPercentage",
        title="CPU Usage Percentage (Preview)",
        unit="Percent",
        primary="Average",
        dimensions=("podName",),
        counter=False,
    ),
    Metric(
        name="MemoryPercentage",
        title="Memory Percentage (Preview)",
        unit="Percent",
        primary="Average",
        dimensions=("podName",),
        counter=False,
    ),
)
METRICS: Final[Mapping[str, Metric]] = {metric.name.lower(): metric for metric in _METRICS}
