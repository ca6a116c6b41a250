"""Log streams: the console of a replica, and the system events of an app or an environment.

Source: what ``az containerapp logs show`` requests from ``<region>.azurecontainerapps.dev``, and
recorded records: two lines about the connection come first, and their times have another form.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.interfaces import LogLine
from deploy_action.sandbox.world import App, Environment, Refused, World
from deploy_action.sandbox.world.events import CONTROLLER, SystemEvent

_GROUP: Final = (
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)(?:/providers/Microsoft\.App)?"
)
_CONSOLE: Final = re.compile(
    _GROUP + r"/containerApps/(?P<app>[^/]+)/revisions/(?P<revision>[^/]+)"
    r"/replicas/(?P<replica>[^/]+)/containers/(?P<container>[^/]+)/logstream",
    re.IGNORECASE,
)
_EVENTS: Final = re.compile(
    _GROUP + r"/(?P<kind>containerApps|managedEnvironments)/(?P<name>[^/]+)/eventstream",
    re.IGNORECASE,
)
_TAIL, _MOST, _EVERY_S = 20, 300, 0.1


class _RefusedStreamError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class LogStreams:
    """A `interfaces.Service`.

    Args:
        world: contains the replicas.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens: dict[str, str] = {}

    def token(self, owner: App | Environment) -> dict[str, str]:
        """Return a token for the streams of *owner*, and when it expires."""
        token = secrets.token_urlsafe(40)
        self._tokens[token] = owner.name.lower()
        ends = self._world.clock.now() + timedelta(hours=1)
        return {"token": token, "expires": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            if console := _CONSOLE.fullmatch(request.path):
                self._authenticate(request, console["app"])
                return await self._console(request, console)
            if events := _EVENTS.fullmatch(request.path):
                self._authenticate(request, events["name"])
                return await self._system(request, events)
        except _RefusedStreamError as refused:
            return web.Response(status=refused.status, text=f"{refused}\n")
        except Refused as refused:
            return web.Response(status=404, text=str(refused))
        text = "the sandbox supports only the log streams of containers, apps and environments\n"
        return web.Response(status=501, text=text)

    def _authenticate(self, request: web.BaseRequest, owner: str) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, "") != owner.lower():
            raise _RefusedStreamError(401, f"the token is not one of '{owner}'")

    # -- the console of a container --------------------------------------------------------------

    async def _console(self, request: web.BaseRequest, match: re.Match[str]) -> web.StreamResponse:
        app = self._world.app(match["group"], match["app"])
        replicas = self._world.revision(app, match["revision"]).replicas
        copy = next((item for item in replicas if item.replica.name == match["replica"]), None)
        if copy is None or copy.container.lower() != match["container"].lower():
            raise _RefusedStreamError(
                404, "there is no such replica, or it is not its first container"
            )
        tail = _tail(request, _TAIL)
        as_json = request.query.get("output", "json").lower() == "json"
        where = f"[Revision: '{match['revision']}', Replica: '{copy.replica.name}']"
        name = copy.container
        opening = [
            f"Connecting to the container '{name}'...",
            f"Successfully Connected to container: '{name}' {where}",
        ]
        response = await _begin(request)
        for text in opening:
            await response.write(_opening_line(self._world.clock.now(), text, as_json=as_json))
        sent = 0

        def fresh() -> Sequence[bytes]:
            nonlocal sent
            lines, total = copy.lines, copy.written
            new = lines[-min(total - sent, len(lines)) :] if total > sent else []
            sent = total
            return [_console_line(line, as_json=as_json) for line in new]

        def over() -> bool:
            return copy.supervision is None or copy.supervision.done()

        return await _stream(request, response, tail, fresh, over)

    # -- the events of the platform --------------------------------------------------------------

    async def _system(self, request: web.BaseRequest, match: re.Match[str]) -> web.StreamResponse:
        if match["kind"].lower() == "containerapps":
            apps = [self._world.app(match["group"], match["name"])]
        else:
            group, name = match["group"].lower(), match["name"].lower()
            apps = [
                app
                for app in self._world.apps.values()
                if (app.environment.group.lower(), app.environment.name.lower()) == (group, name)
            ]
        tail = _tail(request, _MOST)
        response = await _begin(request)
        now = self._world.clock.now()
        await response.write(_chatter(now, "StartingGettingEvents", "Starting to get events..."))
        await response.write(_chatter(now, "ConnectedToEventsServer", "Connected to the events."))
        sent = dict.fromkeys((app.name for app in apps), 0)

        def fresh() -> Sequence[bytes]:
            events: list[tuple[datetime, bytes]] = []
            for app in apps:
                new = app.events.after(sent[app.name])
                sent[app.name] = app.events.count
                events += [(event.at, _system_line(app, event)) for event in new]
            return [line for _, line in sorted(events, key=lambda pair: pair[0])]

        return await _stream(request, response, tail, fresh, lambda: False)


async def _begin(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    return response


async def _stream(
    request: web.BaseRequest,
    response: web.StreamResponse,
    tail: int,
    fresh: Callable[[], Sequence[bytes]],
    over: Callable[[], bool],
) -> web.StreamResponse:
    """Send the last lines and, if the client follows, new ones."""
    lines = fresh()
    for line in lines[len(lines) - tail :] if tail < len(lines) else lines:
        await response.write(line)
    while request.query.get("follow", "").lower() == "true" and not over():
        await asyncio.sleep(_EVERY_S)
        for line in fresh():
            await response.write(line)
    await response.write_eof()
    return response


def _tail(request: web.BaseRequest, usual: int) -> int:
    text = request.query.get("tailLines") or str(usual)
    if not text.isdecimal() or int(text) > _MOST:
        raise _RefusedStreamError(400, "tailLines must be a number from 0 to 300")
    return int(text)


def _opening_line(moment: datetime, text: str, *, as_json: bool) -> bytes:
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return _json({"TimeStamp": stamp, "Log": text}) if as_json else f"{stamp} {text}\n".encode()


def _console_line(line: LogLine, *, as_json: bool) -> bytes:
    stamp = line.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    if as_json:
        return _json({"TimeStamp": stamp, "Log": f"F {line.text}"})
    return f"{stamp} stdout F {line.text}\n".encode()


def _chatter(moment: datetime, reason: str, text: str) -> bytes:
    return _json(
        {
            "TimeStamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Type": "Normal",
            "ContainerAppName": None,
            "RevisionName": None,
            "ReplicaName": None,
            "Msg": text,
            "Reason": reason,
            "EventSource": CONTROLLER,
            "Count": 1,
        }
    )


def _system_line(app: App, event: SystemEvent) -> bytes:
    return _json(
        {
            "TimeStamp": event.at.strftime("%Y-%m-%d %H:%M:%S.%f") + "0 +0000 UTC",
            "Type": event.kind,
            "ContainerAppName": app.name,
            "RevisionName": event.revision,
            "ReplicaName": event.replica,
            "Msg": event.text,
            "Reason": event.reason,
            "EventSource": event.source,
            "Count": event.count,
        }
    )


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"
