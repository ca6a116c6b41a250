"""The ingress: which replica answers a host name, by the traffic weights of its app."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from deploy_action.sandbox.interfaces import Backend, Refusal
from deploy_action.sandbox.world.model import App, Revision
from deploy_action.sandbox.world.world import World

_HOLD_S: Final = 240.0
_HOLD_PACE: Final = 0.1  # so that a slow machine has time to start a program


class Ingress:
    """Routes requests to the replicas of all apps; an `interfaces.Router`.

    Args:
        world: the apps.
        seed: of the random choice by weight.
    """

    def __init__(self, world: World, seed: int = 0) -> None:
        self._world = world
        self._random = random.Random(seed)  # noqa: S311  splits traffic; not a secret

    def serves(self, host: str) -> bool:
        """Whether *host* is a name of one of the environments."""
        return any(host.endswith("." + item.domain) for item in self._world.environments.values())

    async def pick(self, host: str) -> Backend | Refusal:
        """Choose a replica by weight for one request; see `interfaces.Router`."""
        revision = self._revision_for(host)
        if isinstance(revision, Refusal):
            return revision
        revision.requests += 1
        revision.wanted.set()
        ready = revision.ready_replicas
        if not ready and revision.routable:
            if not await self._world.clock.before(
                _HOLD_S, self._until_ready(revision), least=_HOLD_PACE
            ):
                return Refusal(504, "stream timeout", revision.name)
            ready = revision.ready_replicas
        if not ready:
            return Refusal(503, "no healthy upstream", revision.name)
        replica = (ready[0] if len(ready) == 1 else self._random.choice(ready)).replica
        return Backend(revision.name, *replica.address, replica.name)

    async def _until_ready(self, revision: Revision) -> None:
        """Hold a request until a replica listens."""
        while revision.routable and not revision.ready_replicas:
            revision.changed.clear()
            await revision.changed.wait()

    def crash(self, backend: Backend) -> None:
        """Kill a replica; the platform starts it again."""
        for app in self._world.apps.values():
            revision = app.revisions.get(backend.revision)
            for item in revision.replicas if revision else ():
                if item.replica.address == (backend.host, backend.port):
                    self._world.spawn(item.replica.stop(0.0))

    def answered(
        self, host: str, source: Backend | Refusal, status: int, took_s: float = 0.0
    ) -> None:
        """Count one answer; Azure Monitor counts those that belong to a revision."""
        app = self._app_at(host)
        if app is None:
            return
        pod = source.replica if isinstance(source, Backend) else ""
        app.answered[host, source.revision if isinstance(source, Backend) else "", status] += 1
        if source.revision and status:
            app.meter.request(self._world.clock.minute, source.revision, pod, status, took_s * 1000)

    def _app_at(self, host: str) -> App | None:
        first, _, rest = host.partition(".")
        name = first.partition("--")[0]
        domain = rest.removeprefix("internal.")
        for (_, known), app in self._world.apps.items():
            if known == name and app.environment.domain == domain:
                return app
        return None

    def _revision_for(self, host: str) -> Revision | Refusal:
        """Find the revision for a host name: an app's, a revision's or a label's."""
        app = self._app_at(host)
        if app is None or app.ingress is None or host != app.host(host.partition(".")[0]):
            return Refusal(404, "Error 404 - This Container App is stopped or does not exist.\n")
        name = host.partition(".")[0]
        if name == app.name:
            return self._weighted(app)
        label = name.removeprefix(f"{app.name}---") if "---" in name else ""
        if label:
            entries = [entry for entry in app.shares if entry.get("label") == label]
            revision = self._named(app, entries[0]) if entries else None
        else:
            revision = app.revisions.get(name)
        if revision is None or not revision.routable:
            return Refusal(404, "Error 404 - This revision is stopped or does not exist.\n")
        return revision

    def _weighted(self, app: App) -> Revision | Refusal:
        entries = [
            (revision, entry["weight"])
            for entry in app.shares
            if entry["weight"] and (revision := self._named(app, entry))
        ]
        if not entries:
            return Refusal(503, "no healthy upstream")
        if len(entries) == 1:
            return entries[0][0]
        return self._random.choices(
            [revision for revision, _ in entries], [weight for _, weight in entries]
        )[0]

    def _named(self, app: App, entry: Mapping[str, Any]) -> Revision | None:
        """Return the revision that receives an entry's requests: "latest" means the ready one."""
        if entry.get("latestRevision"):
            return app.revisions.get(app.latest_ready or app.latest)
        return app.revisions.get(str(entry.get("revisionName") or ""))
