"""The query API of Log Analytics, through Resource Manager and at ``api.loganalytics.io``.

Source: "Log Analytics query API" and its list of errors. A table that never got a row does not
exist, so a query of it is refused.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.log_analytics.kql import KqlError, Result, Row, run
from deploy_action.sandbox.world import App, World
from deploy_action.sandbox.world.refusals import not_supported, resource_missing

HOST: Final = "api.loganalytics.io"
AUDIENCE: Final = "https://api.loganalytics.io"
KIND: Final = "Microsoft.OperationalInsights/workspaces"
_PATH: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.OperationalInsights"
    r"/workspaces/(?P<name>[^/]+)(?P<rest>/.*)?",
    re.IGNORECASE,
)
_LAG_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace; it has the logs of the apps of one environment, or of none."""

    id: str
    name: str
    group: str
    location: str
    environment: str
    customer: str = field(default_factory=lambda: str(uuid.uuid4()))
    key: str = field(default_factory=lambda: secrets.token_urlsafe(64))


class LogAnalytics:
    """A `interfaces.Service` for `HOST`; ARM's part is `handle_arm`.

    Args:
        world: whose logs are stored.
        workspaces: those that exist.
        allowed: whether a bearer token is valid for `AUDIENCE`.
    """

    def __init__(
        self, world: World, workspaces: Sequence[Workspace], *, allowed: Callable[[str], bool]
    ) -> None:
        self._world = world
        self._workspaces = list(workspaces)
        self._allowed = allowed

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a query of the data plane."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self._allowed(token):
            code = "InvalidTokenError" if token else "AuthorizationRequiredError"
            return _refused(
                401 if not token else 403, code, "Valid authentication was not provided"
            )
        match = re.fullmatch(r"/v1/workspaces/([^/]+)/query", request.path)
        workspace = next(
            (item for item in self._workspaces if match and item.customer == match[1].lower()), None
        )
        if workspace is None or request.method != "POST":
            return _refused(404, "PathNotFoundError", "The requested path does not exist")
        return self._answer(workspace, await request.read())

    async def handle_arm(self, request: web.BaseRequest) -> web.Response | None:
        """Answer a request of this provider; None when the request is for another.

        Raises:
            Refused: the workspace does not exist.
        """
        address = _PATH.fullmatch(request.path)
        if not address:
            return None
        if request.method == "PUT" and not address["rest"]:
            return self._put(request.path, address, await request.read())
        key = (address["group"].lower(), address["name"].lower())
        for workspace in self._workspaces:
            if (workspace.group.lower(), workspace.name.lower()) == key:
                match request.method, (address["rest"] or "").lower():
                    case "GET", "":
                        return web.json_response(_view(workspace))
                    case "POST", "/sharedkeys":
                        keys = dict.fromkeys(
                            ("primarySharedKey", "secondarySharedKey"), workspace.key
                        )
                        return web.json_response(keys)
                    case "POST", "/api/query":
                        return self._answer(workspace, await request.read())
                raise not_supported(f"{request.method} {request.path}")
        raise resource_missing(KIND, address["name"], address["group"])

    def connect(self, customer: str, environment: str) -> None:
        """Store the logs of an environment in the workspace with this customer id."""
        self._workspaces = [
            replace(workspace, environment=environment)
            if workspace.customer == customer.lower()
            else workspace
            for workspace in self._workspaces
        ]

    def _put(self, path: str, match: re.Match[str], raw: bytes) -> web.Response:
        """Create a workspace; an existing one stays as it is."""
        group, name = self._world.group(match["group"]), match["name"]
        for workspace in self._workspaces:
            if workspace.id.lower() == path.lower():
                return web.json_response(_view(workspace))
        location = str(json.loads(raw).get("location") or "")
        made = Workspace(path, name, group, location, environment="")
        self._workspaces.append(made)
        return web.json_response(_view(made), status=201)

    def _answer(self, workspace: Workspace, raw: bytes) -> web.Response:
        try:
            body = json.loads(raw)
            text, span = str(body["query"]), str(body.get("timespan") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _refused(400, "BadArgumentError", "The request had some invalid properties")
        now = self._world.clock.now()
        try:
            result = run(text, self._tables(workspace, _since(span, now)), now)
        except KqlError as error:
            return _invalid_query(error)
        return web.json_response({"tables": [_table(result)]})

    def _tables(self, workspace: Workspace, since: datetime) -> dict[str, list[Row]]:
        """Return the rows that have arrived; a table exists once it has had one."""
        until = self._world.clock.now() - timedelta(seconds=_LAG_S)
        system: list[Row] = []
        console: list[Row] = []
        for app in self._world.apps.values():
            if app.environment.name == workspace.environment:
                system += _system_rows(app)
                console += _console_rows(app)
        return {
            name: [row for row in sorted(rows, key=_time) if since <= _time(row) <= until]
            for name, rows in (
                ("ContainerAppSystemLogs_CL", system),
                ("ContainerAppConsoleLogs_CL", console),
            )
        }


def _time(row: Row) -> datetime:
    moment: datetime = row["TimeGenerated"]
    return moment


def _system_rows(app: App) -> list[Row]:
    return [
        {
            "TimeGenerated": event.at,
            "Log_s": event.text,
            "Reason_s": event.reason,
            "Type_s": event.kind,
            "EventSource_s": event.source,
            "RevisionName_s": event.revision,
            "ReplicaName_s": event.replica,
            "ContainerAppName_s": app.name,
            "EnvironmentName_s": app.environment.name,
        }
        for event in app.events
    ]


def _console_rows(app: App) -> list[Row]:
    return [
        {
            "TimeGenerated": line.at,
            "Log_s": line.text,
            "Stream_s": "stdout",
            "ContainerName_s": copy.container,
            "ContainerGroupName_s": copy.replica.name,
            "RevisionName_s": revision.name,
            "ContainerAppName_s": app.name,
            "EnvironmentName_s": app.environment.name,
        }
        for revision in app.revisions.values()
        for copy in revision.replicas
        for line in copy.lines
    ]


def _since(span: str, now: datetime) -> datetime:
    """Read a timespan like ``PT1800S``, ``PT30M`` or ``P1D``; everything without one."""
    match = re.fullmatch(
        r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", span, re.IGNORECASE
    )
    if not match or not any(match.groups()):
        return datetime.min.replace(tzinfo=UTC)
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return now - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _table(result: Result) -> dict[str, Any]:
    first = result.rows[0] if result.rows else {}
    kinds = {datetime: "datetime", int: "long", float: "real"}
    return {
        "name": "PrimaryResult",
        "columns": [
            {"name": name, "type": kinds.get(type(first.get(name)), "string")}
            for name in result.columns
        ],
        "rows": [[_cell(row[name]) for name in result.columns] for row in result.rows],
    }


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


def _view(workspace: Workspace) -> dict[str, Any]:
    return {
        "id": workspace.id,
        "name": workspace.name,
        "type": KIND,
        "location": workspace.location,
        "properties": {
            "customerId": workspace.customer,
            "provisioningState": "Succeeded",
            "retentionInDays": 30,
            "sku": {"name": "PerGB2018"},
        },
    }


def _invalid_query(error: KqlError) -> web.Response:
    number = "SYN0002" if error.code == "SyntaxError" else "SEM0100"
    kind = "syntax" if error.code == "SyntaxError" else "semantic"
    inner = {
        "code": error.code,
        "message": f"A recognition error occurred in the query: {kind} error.",
        "innererror": {"code": number, "message": str(error)},
    }
    text = "The request had some invalid properties"
    return _refused(400, "BadArgumentError", text, innererror=inner)


def _refused(status: int, code: str, text: str, **more: Mapping[str, Any]) -> web.Response:
    error = {"message": text, "code": code, "correlationId": str(uuid.uuid4()), **more}
    return web.json_response({"error": error}, status=status)
