"""The sandbox's own API, on loopback without TLS: its state, and changes that Azure cannot make.

==============================  ================================================================
GET /                           live page
GET /history                    data of the page, from ``frame`` and ``event`` on; ``?sample=true``
                                samples the state first
GET /healthz                    200 once the sandbox is ready
GET /state                      apps, revisions, weights and responses by revision
GET /requests                   the newest requests; GET /requests/counts counts them by host
POST /images                    build ``context`` and store it as ``reference``
POST /clock                     ``{"advance": seconds}`` or ``{"factor": number}``
POST /faults                    a list of faults to add; GET counts them; DELETE ends them
POST /notes                     ``{"kind": kind, "text": line}``, shown on the page; kinds with a
                                place of their own: ``title``, ``phase``, ``summary`` (Markdown),
                                ``result`` with ``outcome``: ``deployed``, ``aborted``, ``failed``
POST /github                    ``{"name": "OWNER/NAME", "path": bare repository, "protected":
                                [branches]}``: GitHub's API answers for it, too;
                                ``{"name": ..., "ended": number}`` ends one of its workflow runs;
                                ``{"name": ..., "issue": number, "comments": [{"user": login,
                                "body": text}], "writable": bool}`` adds an issue with comments
GET /github/OWNER/NAME          its pull requests
POST /metrics                   ``{"lag_s": seconds, "young_s": seconds}``: how far Azure Monitor is
                                behind, and until when it refuses filters by a revision
POST /permissions               ``{"remove": [actions], "scope": prefix}`` takes permissions away;
                                GET lists what is missing; DELETE gives everything back
POST /identities, /roles        identities and their roles: `identities`; GET /roles lists them
GET /messages                   what Slack, Teams and the signed webhook were sent, and why a
                                message was refused or is not shown; DELETE forgets them
GET /telemetry                  telemetry that Application Insights has received
POST /tokens                    ``{"life_s": seconds}``: how long new Entra tokens are valid
POST /vaults                    creates or changes a key vault: `keyvault.store`
POST /watch                     ``{"repository": path}`` of one whose commits are shown, too
==============================  ================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.acr_tasks import BuildFailed, ImageBuilder
from deploy_action.sandbox.faults import Faults
from deploy_action.sandbox.github_api import GitHubApi
from deploy_action.sandbox.live import Sampler, live_page
from deploy_action.sandbox.live.markdown import summary_page
from deploy_action.sandbox.monitor import MetricSettings
from deploy_action.sandbox.receivers import Inbox
from deploy_action.sandbox.requestlog import RequestLog
from deploy_action.sandbox.tenant import POSTS, Tenant
from deploy_action.sandbox.world import App, World

_POSTS: Final = POSTS | {
    "/clock",
    "/faults",
    "/github",
    "/images",
    "/metrics",
    "/notes",
    "/watch",
}


def _foreign(request: web.BaseRequest) -> str:
    """Return why *request* does not come from this machine's user; empty if it does.

    A web page that is open in the user's browser could send requests to this port, also under a
    host name of its own that resolves to 127.0.0.1 (DNS rebinding).
    """
    transport = request.transport
    port = transport.get_extra_info("sockname")[1] if transport else 0
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if request.host.lower() not in hosts:
        return "the Host header does not name this sandbox"
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
        return "the Origin header does not name this sandbox"
    return ""


class Admin:
    """A `interfaces.Service` for requests to the sandbox itself.

    Args:
        world: the state of the sandbox.
        log: the request log.
        faults: the scripted faults.
        builder: builds images for ``POST /images``.
        sampler: collects the data of the page.
        github: answers for repositories.
        metrics: the delay of Azure Monitor.
        inbox: the notifications that were received.
        telemetry: returns what Application Insights has taken in.
        tenant: identities, roles and vaults.
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
        metrics: MetricSettings,
        inbox: Inbox,
        telemetry: Callable[[], list[dict[str, Any]]],
        tenant: Tenant,
    ) -> None:
        self._world = world
        self._log = log
        self._faults = faults
        self._builder = builder
        self._sampler = sampler
        self._github = github
        self._metrics = metrics
        self._inbox = inbox
        self._telemetry = telemetry
        self._tenant = tenant

    async def handle(  # noqa: C901, PLR0911, PLR0912  a routing table, in one piece
        self, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Answer one request."""
        if reason := _foreign(request):
            return web.json_response({"error": reason}, status=403)
        match request.method, request.path.rstrip("/"):
            case "GET", "":
                return web.Response(text=live_page(), content_type="text/html")
            case "GET", "/history":
                return await self._history(request.query)
            case "GET", "/healthz":
                return web.json_response({"status": "ok"})
            case "GET", "/state":
                return web.json_response({"apps": [_app(a) for a in self._world.apps.values()]})
            case "GET", "/requests":
                return web.json_response({"requests": self._log.newest()})
            case "GET", "/requests/counts":
                return web.json_response({"hosts": self._log.counts()})
            case "GET", "/faults":
                return web.json_response({"faults": self._faults.describe()})
            case "DELETE", "/faults":
                self._faults.clear()
                return web.json_response({"faults": []})
            case "GET", "/messages":
                return web.json_response({"messages": self._inbox.describe()})
            case "DELETE", "/messages":
                self._inbox.clear()
                return web.json_response({"messages": []})
            case "GET", "/telemetry":
                return web.json_response({"telemetry": self._telemetry()})
            case "GET", "/roles" | "/permissions":
                return web.json_response(self._tenant.describe())
            case "DELETE", "/permissions":
                self._tenant.assignments.removals.restore()
                return web.json_response({"removed": []})
            case "POST", path if path in _POSTS:
                return await self._post(path, request)
        if request.method == "GET" and request.path.startswith("/github/"):
            name = request.path.removeprefix("/github/")
            return web.json_response({"pulls": self._github.pulls(name)})
        return web.json_response(
            {"error": f"unknown route: {request.method} {request.path}"}, status=404
        )

    async def _history(self, query: Mapping[str, str]) -> web.Response:
        self._sampler.watched()
        if "sample" in query:
            await self._sampler.sample()
        try:
            since = [int(query.get(name, 0)) for name in ("frame", "event")]
        except ValueError:
            return web.json_response({"error": "frame and event must be numbers"}, status=400)
        return web.json_response(self._sampler.history.since(*since))

    async def _post(self, path: str, request: web.BaseRequest) -> web.Response:
        try:
            body = json.loads(await request.read())
            if path == "/images":
                return await self._image(body)
            return web.json_response(self._change(path, body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    def _change(self, path: str, body: Any) -> dict[str, Any]:
        """Apply one change; return the response body."""
        match path:
            case "/clock":
                return self._clock(body)
            case "/faults":
                self._faults.add(body)
                return {"faults": self._faults.describe()}
            case "/metrics":
                self._metrics.change(body)
                return asdict(self._metrics)
            case _ if path in POSTS:
                return self._tenant.change(path, body)
            case "/notes":
                self._note(str(body["kind"]), str(body["text"]), str(body.get("outcome") or ""))
            case "/watch":
                self._sampler.watched()
                self._sampler.watch(Path(body["repository"]))
            case "/github":
                self._change_github(str(body["name"]), body)
        return {}

    def _change_github(self, name: str, body: Mapping[str, Any]) -> None:
        if "ended" in body:
            self._github.end_run(name, str(body["ended"]))
        elif "issue" in body:
            comments = self._github.comments(name)
            comments.numbers.add(int(body["issue"]))
            comments.writable = bool(body.get("writable", True))
            for item in body.get("comments") or ():
                comments.add(int(body["issue"]), str(item["user"]), str(item["body"]))
        else:
            where, rules = Path(body["path"]), list(body.get("protected") or ())
            self._github.serve(
                name, where, rules, exposes_rules=bool(body.get("exposes_rules", True))
            )

    def _note(self, kind: str, text: str, outcome: str) -> None:
        self._sampler.watched()
        if kind == "summary":
            self._sampler.history.add_event(kind, "", html=summary_page(text))
        else:
            self._sampler.history.add_event(kind, text, outcome=outcome)

    async def _image(self, body: Mapping[str, Any]) -> web.Response:
        try:
            built = await self._builder.build(
                Path(body["context"]),
                str(body["reference"]),
                str(body.get("dockerfile") or "Dockerfile"),
                dict(body.get("arguments") or {}),
            )
        except BuildFailed as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"reference": built.reference, "digest": built.digest})

    def _clock(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if "factor" in body:
            self._world.clock.set_factor(float(body["factor"]))
        if "advance" in body:
            self._world.clock.advance(float(body["advance"]))
        return {"factor": self._world.clock.factor}


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
                "replicas": len(revision.replicas),
                "log": [line for copy in revision.replicas for line in copy.log][-50:],
            }
            for revision in app.revisions.values()
        ],
        "answered": answered,
    }
