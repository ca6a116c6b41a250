"""Evaluates one metric of a request against what was recorded; pure, no clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from deploy_action.sandbox.monitor.catalog import ALL, Metric
from deploy_action.sandbox.monitor.filters import ANY, Filter
from deploy_action.sandbox.world.meter import Bucket, Series

_READ: Final = {
    "Total": lambda bucket: bucket.total,
    "Average": lambda bucket: bucket.average,
    "Maximum": lambda bucket: bucket.maximum,
    "Minimum": lambda bucket: bucket.minimum,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The requested minutes, counted from the epoch.

    Args:
        start: the first one.
        end: the first one that is not returned any more.
        visible: the first minute whose data has not reached Azure Monitor.
        grain: minutes in one point; 0 for one point in all.
        born: whether the app is old enough to have metrics at all.
    """

    start: int
    end: int
    visible: int
    grain: int
    born: bool

    def points(self) -> list[range]:
        """Return the minutes of each point."""
        size = self.grain or max(1, self.end - self.start)
        return [
            range(start, min(start + size, self.end)) for start in range(self.start, self.end, size)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request for one metric."""

    metric: Metric
    window: Window
    aggregations: Sequence[str]
    filter: Filter
    top: int
    metadata_only: bool = False

    def unsupported(self) -> str:
        """Return the first aggregation that the metric does not have, or nothing."""
        return next((name for name in self.aggregations if name not in ALL), "")

    def timeseries(self, recorded: Iterable[Series]) -> list[dict[str, Any]]:
        """Return the series of the answer."""
        names = {name.lower(): name for name in self.metric.dimensions}
        filters = {names[name.lower()]: values for name, values in self.filter.items()}
        groups: defaultdict[tuple[str, ...], list[Series]] = defaultdict(list)
        for series in recorded:
            is_reported = any(
                minute < min(self.window.visible, self.window.end) for minute in series.buckets
            )
            if is_reported and _meets(series.dimensions, filters):
                groups[tuple(series.dimensions[name] for name in filters)].append(series)
        if not filters:
            groups[()]
        elif self.top:
            groups = defaultdict(list, list(groups.items())[: self.top])
        return [
            {
                "metadatavalues": [
                    {
                        "name": {"value": name.lower(), "localizedValue": name.lower()},
                        "value": value,
                    }
                    for name, value in zip(filters, values, strict=True)
                ],
                **({} if self.metadata_only else {"data": self._data(members)}),
            }
            for values, members in groups.items()
        ]

    def _data(self, members: Sequence[Series]) -> list[dict[str, Any]]:
        return [self._point(minutes, members) for minutes in self.window.points()]

    def _point(self, minutes: range, members: Sequence[Series]) -> dict[str, Any]:
        merged = Bucket()
        for minute in minutes:
            if minute < self.window.visible:
                for series in members:
                    merged.merge(series.buckets.get(minute, Bucket()))
        point: dict[str, Any] = {"timeStamp": stamp(minutes.start)}
        if self.window.born and (merged.count or self.metric.counter):
            for name in self.aggregations:
                point[name.lower()] = float(_READ[name](merged))
        return point


def stamp(minute: int) -> str:
    """Format the start of a minute as Azure Monitor does."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _meets(dimensions: Mapping[str, str], filters: Mapping[str, Sequence[str]]) -> bool:
    return all(
        ANY in values or dimensions[name].lower() in {value.lower() for value in values}
        for name, values in filters.items()
    )
