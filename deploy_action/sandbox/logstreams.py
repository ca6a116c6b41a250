"""The log streams of replicas: what ``<region>.azurecontainerapps.dev`` answers.

Source: what ``az containerapp logs show`` asks for: a token of the app, then its replica's stream
with ``follow``, ``tailLines`` and ``output``.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from datetime import timedelta
from typing import Final

from aiohttp import web

from deploy_action.sandbox.world import App, Refused, World
from deploy_action.sandbox.world.model import Copy

_PATH: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.App)?/containerApps/(?P<app>[^/]+)/revisions/(?P<revision>[^/]+)"
    r"/replicas/(?P<replica>[^/]+)/containers/[^/]+/logstream",
    re.IGNORECASE,
)
_TAIL, _LOOK_EVERY_S = 20, 0.1


class LogStreams:
    """A `seams.Service`.

    Args:
        world: whose replicas write.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens: dict[str, str] = {}

    def token(self, app: App) -> dict[str, str]:
        """Return a token for the streams of *app*, and when it ends."""
        token = secrets.token_urlsafe(40)
        self._tokens[token] = app.name
        ends = self._world.clock.now() + timedelta(hours=1)
        return {"token": token, "expires": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        found = _PATH.fullmatch(request.path)
        if not found:
            return web.Response(status=501, text="only log streams of containers are imitated\n")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, "").lower() != found["app"].lower():
            return web.Response(status=401, text="the token is not one of this app\n")
        try:
            app = self._world.app(found["group"], found["app"])
            copies = self._world.revision(app, found["revision"]).copies
        except Refused as refused:
            return web.Response(status=404, text=str(refused))
        copy = next((item for item in copies if item.replica.name == found["replica"]), None)
        if copy is None:
            return web.Response(status=404, text="there is no such replica\n")
        return await self._stream(request, copy)

    async def _stream(self, request: web.BaseRequest, copy: Copy) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        tail = int(request.query.get("tailLines") or _TAIL)
        lines = copy.log
        sent = len(lines) - tail if len(lines) > tail else 0
        follow = request.query.get("follow", "").lower() == "true"
        as_json = request.query.get("output", "json") == "json"
        while True:
            for line in copy.log[sent:]:
                await response.write(self._line(line, as_json=as_json))
            sent = max(sent, len(copy.log))
            if not follow or copy.care is None or copy.care.done():
                await response.write_eof()
                return response
            await asyncio.sleep(_LOOK_EVERY_S)

    def _line(self, text: str, *, as_json: bool) -> bytes:
        stamp = self._world.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
        if as_json:
            return json.dumps({"TimeStamp": stamp, "Log": f"F {text}"}).encode() + b"\n"
        return f"{stamp} stdout F {text}\n".encode()
