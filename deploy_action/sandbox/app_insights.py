"""Application Insights: one component for each group, its release annotations, its ingestion.

Source: the models of ``azure-mgmt-applicationinsights`` and the exporter of Azure Monitor for
OpenTelemetry. Only annotations of the category ``Deployment`` are drawn on charts; the others are
stored and never shown.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.world.refusals import not_supported, resource_missing

KIND: Final = "Microsoft.Insights/components"
DEFAULT_HOST: Final = "dc.services.visualstudio.com"
_TRACK: Final = ("/v2/track", "/v2.1/track")
_PATH: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Insights"
    r"/components/(?P<name>[^/]+)(?:/(?P<rest>.*))?",
    re.IGNORECASE,
)
_KEPT: Final = 1000
_FIELDS: Final = ("Id", "AnnotationName", "EventTime", "Category", "Properties")


@dataclass(slots=True)
class Component:
    """One component."""

    id: str
    name: str
    group: str
    location: str
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    app: str = field(default_factory=lambda: str(uuid.uuid4()))
    annotations: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The host of its ingestion."""
        return f"{self.location}-0.in.applicationinsights.azure.com"

    @property
    def connection_string(self) -> str:
        """The connection string for clients."""
        return (
            f"InstrumentationKey={self.key};IngestionEndpoint=https://{self.host}/;"
            f"LiveEndpoint=https://{self.location}.livediagnostics.monitor.azure.com/"
        )


class AppInsights:
    """A `interfaces.Service` for the hosts of ingestion; ARM's part is `handle_arm`.

    Args:
        components: those that exist.
    """

    def __init__(self, components: Sequence[Component]) -> None:
        self.components = {
            (component.group.lower(), component.name.lower()): component for component in components
        }
        self._telemetry: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that it answers for."""
        return frozenset(
            {DEFAULT_HOST, *(component.host for component in self.components.values())}
        )

    def telemetry(self) -> list[dict[str, Any]]:
        """Return the items that were accepted, oldest first."""
        return list(self._telemetry)

    # -- Resource Manager ------------------------------------------------------------------------

    async def handle_arm(self, request: web.BaseRequest) -> web.Response | None:
        """Answer a request of this provider; None when the request is for another.

        Raises:
            Refused: the component does not exist.
        """
        address = _PATH.fullmatch(request.path)
        if not address:
            return None
        component = self.components.get((address["group"].lower(), address["name"].lower()))
        if component is None:
            raise resource_missing(KIND, address["name"], address["group"])
        match request.method, [part.lower() for part in (address["rest"] or "").split("/") if part]:
            case "GET", []:
                return web.json_response(_view(component))
            case "GET", ["annotations"]:
                return _list(component, request.query)
            case "PUT", ["annotations"]:
                return _put(component, await request.read())
            case "DELETE", ["annotations", name]:
                component.annotations.pop(name, None)
                return web.Response(status=200)
        raise not_supported(f"{request.method} {request.path}")

    # -- ingestion -------------------------------------------------------------------------------

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Accept telemetry."""
        if request.method != "POST" or request.path.rstrip("/") not in _TRACK:
            return web.Response(status=404)
        items = _items(await request.read())  # aiohttp has unpacked gzip
        if items is None:
            return _received([], [{"index": 0, "statusCode": 400, "message": "Invalid JSON"}], 400)
        keys = {component.key for component in self.components.values()}
        errors = [
            {"index": index, "statusCode": 400, "message": problem}
            for index, item in enumerate(items)
            if (problem := _problem(item, keys))
        ]
        wrong = {error["index"] for error in errors}
        self._telemetry += [item for index, item in enumerate(items) if index not in wrong]
        partial = 400 if len(errors) == len(items) else 206
        return _received(items, errors, partial if errors else 200)


def _view(component: Component) -> dict[str, Any]:
    return {
        "id": component.id,
        "name": component.name,
        "type": KIND,
        "location": component.location,
        "kind": "web",
        "properties": {
            "ApplicationId": component.name,
            "AppId": component.app,
            "Application_Type": "web",
            "InstrumentationKey": component.key,
            "ConnectionString": component.connection_string,
            "provisioningState": "Succeeded",
        },
    }


def _list(component: Component, query: Mapping[str, str]) -> web.Response:
    start, end = (_moment(query.get(name, "")) for name in ("start", "end"))
    if start is None or end is None:
        return _refused("BadRequest", "start and end must be timestamps")
    annotations = [
        annotation
        for annotation in component.annotations.values()
        if start <= (_moment(annotation["EventTime"]) or start) <= end
    ]
    return web.json_response({"value": annotations})


def _put(component: Component, raw: bytes) -> web.Response:
    try:
        body = json.loads(raw)
    except ValueError:
        return _refused("InvalidRequestContent", "the body is not JSON")
    if not isinstance(body, dict) or not str(body.get("AnnotationName") or ""):
        return _refused("BadRequest", "AnnotationName is required")
    annotation = {name: body[name] for name in _FIELDS if name in body}
    if _moment(str(annotation.get("EventTime") or "")) is None:
        return _refused("BadRequest", "EventTime must be a timestamp")
    try:
        properties = json.loads(annotation.get("Properties") or "{}")
    except (ValueError, TypeError):
        properties = None
    if not isinstance(properties, dict):
        return _refused("BadRequest", "Properties must be a string that contains a JSON object")
    annotation.setdefault("Id", str(uuid.uuid4()))
    component.annotations[str(annotation["Id"]).lower()] = annotation
    return web.json_response([annotation])


def _refused(code: str, text: str) -> web.Response:
    inner = {"diagnosticcontext": str(uuid.uuid4()), "time": datetime.now(UTC).isoformat()}
    body = {"code": code, "message": text, "innererror": inner}
    return web.json_response(body, status=400)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _items(raw: bytes) -> list[Any] | None:
    """Read a JSON list, one object, or one object in each line."""
    try:
        text = raw.decode()
        if text.lstrip().startswith("["):
            return list(json.loads(text))
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None


def _problem(item: Any, keys: set[str]) -> str:
    """Return why an item is not accepted."""
    if not isinstance(item, dict):
        return "Field 'envelope' is not an object"
    if item.get("iKey") not in keys:
        return "Invalid instrumentation key"
    data = item.get("data")
    base = data.get("baseData") if isinstance(data, dict) else None
    required: dict[str, Any] = {
        "name": item.get("name"),
        "time": _moment(str(item.get("time"))),
        "data": base,
    }
    if isinstance(base, dict) and item["data"].get("baseType") == "EventData":
        required["baseData.name"] = base.get("name")
    missing = next((name for name, value in required.items() if not value), "")
    return f"Field '{missing}' is required but missing or invalid." if missing else ""


def _received(
    items: Sequence[Any], errors: Sequence[Mapping[str, Any]], status: int
) -> web.Response:
    accepted = len(items) - len(errors) if items else 0
    body = {"itemsReceived": len(items), "itemsAccepted": accepted, "errors": list(errors)}
    return web.json_response(body, status=status)
