"""Metrics of one app: counts and measurements by minute, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

Dimensions = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Bucket:
    """The samples of one minute."""

    total: float = 0.0
    count: int = 0
    minimum: float = 0.0
    maximum: float = 0.0

    def add(self, value: float) -> None:
        """Add one sample."""
        if not self.count or value < self.minimum:
            self.minimum = value
        if not self.count or value > self.maximum:
            self.maximum = value
        self.total += value
        self.count += 1

    def merge(self, other: Bucket) -> None:
        """Add the samples of another bucket."""
        if not other.count:
            return
        self.minimum = min(self.minimum, other.minimum) if self.count else other.minimum
        self.maximum = max(self.maximum, other.maximum) if self.count else other.maximum
        self.total += other.total
        self.count += other.count

    @property
    def average(self) -> float:
        """The mean of all samples, 0 without any."""
        return self.total / self.count if self.count else 0.0


@dataclass(slots=True)
class Series:
    """One combination of dimension values; buckets are keyed by the minute of the epoch."""

    dimensions: Mapping[str, str]
    buckets: dict[int, Bucket] = field(default_factory=dict)

    def bucket(self, minute: int) -> Bucket:
        """Return the bucket of a minute; it is created when it is missing."""
        bucket = self.buckets.get(minute)
        if bucket is None:
            bucket = self.buckets[minute] = Bucket()
        return bucket


class Meter:
    """Records the samples of one app."""

    def __init__(self) -> None:
        self._series: defaultdict[str, dict[Dimensions, Series]] = defaultdict(dict)
        self._of_requests: dict[tuple[str, str, int], tuple[Series, Series]] = {}

    def add(self, metric: str, minute: int, value: float, **dimensions: str) -> None:
        """Add one sample to a minute."""
        self._find(metric, dimensions).bucket(minute).add(value)

    def peak(self, metric: str, minute: int, value: float, **dimensions: str) -> None:
        """Record a minute's only sample; the highest value wins."""
        bucket = self._find(metric, dimensions).bucket(minute)
        highest = max(value, bucket.maximum)
        bucket.total = bucket.minimum = bucket.maximum = highest
        bucket.count = 1

    def request(self, minute: int, revision: str, pod: str, status: int, took_ms: float) -> None:
        """Count one answer of the ingress; a connection that broke is counted as 0xx."""
        both = self._of_requests.get((revision, pod, status))
        if both is None:
            code = {"statusCodeCategory": f"{status // 100}xx", "statusCode": str(status)}
            source = {"revisionName": revision, "podName": pod}
            both = self._find("Requests", {**source, **code}), self._find("ResponseTime", code)
            self._of_requests[revision, pod, status] = both
        both[0].bucket(minute).add(1)
        both[1].bucket(minute).add(took_ms)

    def series(self, metric: str) -> Iterator[Series]:
        """Yield the series of a metric, in the order of their first sample."""
        yield from self._series[metric].values()

    def _find(self, metric: str, dimensions: Mapping[str, str]) -> Series:
        key = tuple(dimensions.items())
        known = self._series[metric]
        if key not in known:
            known[key] = Series(dict(dimensions))
        return known[key]


def minute_of(moment: datetime) -> int:
    """Return the minute of the epoch that *moment* is in."""
    return int(moment.timestamp()) // 60
