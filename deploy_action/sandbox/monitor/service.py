"""``Microsoft.Insights/metrics`` and ``…/metricDefinitions`` on a container app, through ARM.

Source: "Metrics - List" of the Azure Monitor REST API and recorded answers: both ends of the
timespan are floored to the minute, the running minute is not returned, names of dimensions come
back in lower case, and ten series are returned unless ``top`` is larger.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from deploy_action.sandbox.monitor.catalog import GRAINS, METRICS, NAMESPACE, Metric
from deploy_action.sandbox.monitor.filters import Filter, FilterError, parse_filter
from deploy_action.sandbox.monitor.query import Query, Window
from deploy_action.sandbox.world import App, World
from deploy_action.sandbox.world.meter import minute_of

_MOST_NAMES, _MOST_DAYS, _USUAL_TOP, _HIGHEST_TOP = 20, 30, 10, 2**31 - 1


@dataclass(slots=True, kw_only=True)
class MetricSettings:
    """The delay of Azure Monitor, in seconds of the sandbox's clock.

    Args:
        lag_s: a minute is empty until this long after its end.
        young_s: filters by revisions that are younger are refused; apps that are younger have no
            values.
    """

    lag_s: float = 90.0
    young_s: float = 120.0

    def change(self, body: Mapping[str, Any]) -> None:
        """Change what *body* names.

        Raises:
            ValueError: a field is unknown, or no number from zero up.
        """
        for name, value in body.items():
            if name not in {"lag_s", "young_s"}:
                raise ValueError(f"'{name}' is not a setting; valid settings: lag_s, young_s")
            if float(value) < 0:
                raise ValueError(f"'{name}' must be a number of seconds, zero or more")
        for name, value in body.items():
            setattr(self, name, float(value))


class _BadRequestError(Exception):
    """The request is refused with a body that has no ``error`` around it."""


class Metrics:
    """Answers for the metrics of apps.

    Args:
        world: what exists.
        settings: can be changed at any time.
    """

    def __init__(self, world: World, settings: MetricSettings) -> None:
        self._world = world
        self.settings = settings

    def definitions(self, resource: str) -> web.Response:
        """Return the available metrics."""
        return web.json_response(
            {"value": [metric.definition(resource) for metric in METRICS.values()]}
        )

    def metrics(self, app: App, resource: str, parameters: Mapping[str, str]) -> web.Response:
        """Return the values of metrics.

        Args:
            app: whose metrics.
            resource: its id, as the client wrote it.
            parameters: the query of the request.
        """
        query = {name.lower(): value for name, value in parameters.items()}
        try:
            return web.json_response(self._answer(app, resource, query))
        except _BadRequestError as error:
            body = {"code": "BadRequest", "message": str(error)}
            return web.json_response(body, status=400)

    def _answer(self, app: App, resource: str, query: Mapping[str, str]) -> dict[str, Any]:
        metrics = _named(query.get("metricnames", ""))
        namespace = query.get("metricnamespace", NAMESPACE)
        if namespace.lower() != NAMESPACE.lower():
            raise _BadRequestError(f"The metric namespace {namespace} is not supported.")
        interval = query.get("interval", "PT1M")
        start, end = self._timespan(query.get("timespan", ""))
        window = self._window(app, start, end, interval)
        top = _top(query)
        restricted = _restricted(query.get("$filter", ""), metrics)
        self._check_revisions(app, restricted, metrics[0])
        queries = [
            Query(
                metric=metric,
                window=window,
                aggregations=_aggregations(query.get("aggregation", ""), metric),
                filter=restricted,
                top=top,
                metadata_only=query.get("resulttype", "").lower() == "metadata",
            )
            for metric in metrics
        ]
        minutes = window.end - window.start
        return {
            "cost": max(0, minutes - 1) * len(queries[0].aggregations),
            "timespan": f"{_moment(start)}/{_moment(end)}",
            "interval": interval,
            "namespace": namespace,
            "resourceregion": app.environment.location.lower().replace(" ", ""),
            "value": [self._value(app, resource, item) for item in queries],
        }

    def _value(self, app: App, resource: str, query: Query) -> dict[str, Any]:
        metric = query.metric
        shown: dict[str, Any] = {
            "id": f"{resource}/providers/Microsoft.Insights/metrics/{metric.name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": metric.name, "localizedValue": metric.title},
            "displayDescription": metric.title,
            "unit": metric.unit,
            "timeseries": [],
            "errorCode": "Success",
        }
        if unsupported := query.unsupported():
            text = f"Metric: {metric.name} does not support aggregation {unsupported}."
            return shown | {"errorCode": "InvalidSamplingType", "errorMessage": text}
        return shown | {"timeseries": query.timeseries(app.meter.series(metric.name))}

    def _timespan(self, text: str) -> tuple[datetime, datetime]:
        now = self._world.clock.now()
        if not text:
            return now - timedelta(hours=1), now
        first, _, last = unquote(text).partition("/")  # az quotes it before the URL is quoted
        try:
            start, end = (datetime.fromisoformat(part.replace(" ", "+")) for part in (first, last))
        except ValueError:
            raise _BadRequestError(f"The timespan {text} is not valid.") from None
        start, end = (
            moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            for moment in (start, end)
        )
        if not start < end <= start + timedelta(days=_MOST_DAYS):
            raise _BadRequestError(f"The timespan {text} is empty or longer than 30 days.")
        return start, end

    def _window(self, app: App, start: datetime, end: datetime, interval: str) -> Window:
        if interval.upper() != "FULL" and interval.upper() not in GRAINS:
            text = f"{interval}, supported ones are: {','.join(GRAINS)}"
            raise _BadRequestError(f"Detected invalid time grain input {text}.")
        now = self._world.clock.now()
        return Window(
            start=minute_of(start),
            end=max(minute_of(start), min(minute_of(end), minute_of(now))),
            visible=minute_of(now - timedelta(seconds=self.settings.lag_s)),
            grain=GRAINS.get(interval.upper(), 0),
            born=self._is_old(app.created),
        )

    def _is_old(self, created: datetime) -> bool:
        return (self._world.clock.now() - created).total_seconds() >= self.settings.young_s

    def _check_revisions(self, app: App, restricted: Filter, metric: Metric) -> None:
        """Refuse a filter by a new revision; a name that no revision has matches no series."""
        created = {name.lower(): revision.created for name, revision in app.revisions.items()}
        for name, values in restricted.items():
            if name.lower() != "revisionname":
                continue
            dates = [created[value.lower()] for value in values if value.lower() in created]
            if not all(map(self._is_old, dates)):
                raise _dimensions_error(metric, restricted)


def _named(text: str) -> list[Metric]:
    names = [name.strip() for name in text.split(",") if name.strip()] or ["Requests"]
    unknown = next((name for name in names if name.lower() not in METRICS), "")
    if unknown:
        raise _BadRequestError(
            f"Failed to find metric configuration for provider: Microsoft.App, "
            f"resource Type: containerApps, metric: {unknown}, "
            f"Valid metrics: {','.join(metric.name for metric in METRICS.values())}"
        )
    if len(names) > _MOST_NAMES:
        raise _BadRequestError(f"The request has {len(names)} metric names; at most 20 are taken.")
    return [METRICS[name.lower()] for name in names]


def _aggregations(text: str, metric: Metric) -> list[str]:
    return [name.strip().capitalize() for name in text.split(",") if name.strip()] or [
        metric.primary
    ]


def _top(query: Mapping[str, str]) -> int:
    text = query.get("top") or query.get("$top") or str(_USUAL_TOP)
    if not text.isdecimal() or not 0 < int(text) <= _HIGHEST_TOP:
        raise _BadRequestError(f"The value of top, {text}, is not valid.")
    return int(text)


def _restricted(text: str, metrics: list[Metric]) -> Filter:
    try:
        restricted = parse_filter(text) if text.strip() else {}
    except FilterError as error:
        raise _BadRequestError(f"The filter {text} is not valid: {error}.") from None
    for metric in metrics:
        known = {name.lower() for name in metric.dimensions}
        if any(name.lower() not in known for name in restricted):
            raise _dimensions_error(metric, restricted)
    return restricted


def _dimensions_error(metric: Metric, restricted: Filter) -> _BadRequestError:
    return _BadRequestError(
        f"Metric: {metric.name} does not support requested dimension combination: "
        f"{','.join(name.lower() for name in restricted)}, "
        f"supported ones are: {','.join(metric.dimensions)}, TraceId: {{{uuid.uuid4()}}}"
    )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
