"""The sandbox's own address, on loopback without TLS: what is going on, and what Azure cannot do.

==============================  ================================================================
GET /                           a page that shows what happens
GET /history                    what the page is drawn from, from ``frame`` and ``event`` on
GET /healthz                    200 once everything answers
GET /state                      apps, revisions, weights and who answered how often
GET /requests                   the newest requests; GET /requests/counts counts them by host
POST /images                    build ``context`` and store it as ``reference``
POST /clock                     ``{"advance": seconds}`` or ``{"factor": number}``
POST /faults                    a list of faults to add; GET counts them; DELETE ends them
POST /notes                     ``{"kind": kind, "text": line}``, shown on the page
POST /github                    ``{"name": "OWNER/NAME", "path": bare repository, "protected":
                                [branches]}``: GitHub's API answers for it, too
GET /github/OWNER/NAME          its pull requests
POST /watch                     ``{"repository": path}`` of one whose commits are shown, too
==============================  ================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from deploy_action.sandbox.acr_tasks import BuildFailed, ImageBuilder
from deploy_action.sandbox.faults import Faults
from deploy_action.sandbox.github_api import GitHubApi
from deploy_action.sandbox.live import PAGE, Sampler
from deploy_action.sandbox.requestlog import RequestLog
from deploy_action.sandbox.world import App, World


class Admin:
    """A `seams.Service` for requests to the sandbox itself.

    Args:
        world: what exists.
        log: what was asked.
        faults: what goes wrong on purpose.
        builder: builds images that were there before anything began.
        sampler: fills what the page shows.
        github: answers for repositories.
    """

    def __init__(
        self,
        *,
        world: World,
        log: RequestLog,
        faults: Faults,
        builder: ImageBuilder,
        sampler: Sampler,
        github: GitHubApi,
    ) -> None:
        self._world = world
        self._log = log
        self._faults = faults
        self._builder = builder
        self._sampler = sampler
        self._github = github

    async def handle(  # noqa: C901, PLR0911  a routing table, in one piece
        self, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Answer one request."""
        match request.method, request.path.rstrip("/"):
            case "GET", "":
                return web.FileResponse(PAGE)
            case "GET", "/history":
                return self._history(request.query)
            case "GET", "/healthz":
                return web.json_response({"status": "ok"})
            case "GET", "/state":
                return web.json_response({"apps": [_app(a) for a in self._world.apps.values()]})
            case "GET", "/requests":
                return web.json_response({"requests": self._log.newest()})
            case "GET", "/requests/counts":
                return web.json_response({"hosts": self._log.counts()})
            case "GET", "/faults":
                return web.json_response({"faults": self._faults.told()})
            case "DELETE", "/faults":
                self._faults.clear()
                return web.json_response({"faults": []})
            case "POST", "/images" | "/clock" | "/faults" | "/notes" | "/watch" | "/github" as path:
                return await self._told(path, request)
        if request.method == "GET" and request.path.startswith("/github/"):
            name = request.path.removeprefix("/github/")
            return web.json_response({"pulls": self._github.pulls(name)})
        return web.json_response({"error": f"no {request.method} {request.path}"}, status=404)

    def _history(self, query: Mapping[str, str]) -> web.Response:
        self._sampler.watched()
        try:
            since = [int(query.get(name, 0)) for name in ("frame", "event")]
        except ValueError:
            return web.json_response({"error": "frame and event are numbers"}, status=400)
        return web.json_response(self._sampler.history.since(*since))

    async def _told(self, path: str, request: web.BaseRequest) -> web.Response:
        try:
            wanted = json.loads(await request.read())
            if path == "/clock":
                return self._clock(wanted)
            if path in {"/notes", "/watch", "/github"}:
                return self._noted(path, wanted)
            if path == "/faults":
                self._faults.add(wanted)
                return web.json_response({"faults": self._faults.told()})
            return await self._image(wanted)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    def _noted(self, path: str, wanted: Mapping[str, Any]) -> web.Response:
        match path:
            case "/notes":
                self._sampler.watched()
                self._sampler.history.happened(str(wanted["kind"]), str(wanted["text"]))
            case "/watch":
                self._sampler.watched()
                self._sampler.watch(Path(wanted["repository"]))
            case _:
                where, rules = Path(wanted["path"]), list(wanted.get("protected") or ())
                told = bool(wanted.get("told", True))
                self._github.serve(str(wanted["name"]), where, rules, told=told)
        return web.json_response({})

    async def _image(self, wanted: Mapping[str, Any]) -> web.Response:
        try:
            built = await self._builder.build(
                Path(wanted["context"]),
                str(wanted["reference"]),
                str(wanted.get("dockerfile") or "Dockerfile"),
                dict(wanted.get("arguments") or {}),
            )
        except BuildFailed as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"reference": built.reference, "digest": built.digest})

    def _clock(self, wanted: Mapping[str, Any]) -> web.Response:
        if "factor" in wanted:
            self._world.clock.set_factor(float(wanted["factor"]))
        if "advance" in wanted:
            self._world.clock.advance(float(wanted["advance"]))
        return web.json_response({"factor": self._world.clock.factor})


def _app(app: App) -> dict[str, Any]:
    answered = [
        {"host": host, "revision": revision, "status": status, "times": times}
        for (host, revision, status), times in app.answered.items()
    ]
    return {
        "name": app.name,
        "group": app.group,
        "url": f"https://{app.host()}" if app.ingress else "",
        "state": app.state,
        "traffic": app.traffic,
        "latest": app.latest,
        "latest_ready": app.latest_ready,
        "tags": app.resource.get("tags") or {},
        "revisions": [
            {
                "name": revision.name,
                "active": revision.active,
                "running": revision.running_state,
                "health": revision.health_state,
                "details": revision.details,
                "weight": app.weight(revision.name),
                "replicas": len(revision.copies),
                "log": [line for copy in revision.copies for line in copy.log][-50:],
            }
            for revision in app.revisions.values()
        ],
        "answered": answered,
    }
