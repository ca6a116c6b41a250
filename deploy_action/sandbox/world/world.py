"""All state of the local Azure and its transitions.

After recorded traffic of Microsoft.App: an operation ends asynchronously and before the revision is
ready, a second change meanwhile is refused, declared weight is not served weight, and almost
nothing is guarded.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import random
import time
from collections.abc import Coroutine, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from deploy_action.sandbox.seams import Backend, ImageNotFound, Images, Refusal, Runtime
from deploy_action.sandbox.world.change import checked, effective, merged, what_changes
from deploy_action.sandbox.world.clock import Clock, Spread
from deploy_action.sandbox.world.life import Lives
from deploy_action.sandbox.world.meter import minute_of
from deploy_action.sandbox.world.model import App, Environment, Operation, Revision
from deploy_action.sandbox.world.notes import record
from deploy_action.sandbox.world.refusals import (
    Problem,
    group_missing,
    image_missing,
    invalid,
    operation_running,
    resource_missing,
    revision_missing,
    suffix_taken,
)

PUT: Final = Spread(6, 9, 20)
PATCH_TEMPLATE: Final = Spread(7, 11, 20)
PATCH_CONFIGURATION: Final = Spread(7, 9, 17)
DELETE: Final = Spread(7, 13, 23)
# How the operation that a request begins is to end, if not by itself: a scripted fault.
DOOM: ContextVar[Mapping[str, str] | None] = ContextVar("DOOM", default=None)
_MOST_INACTIVE: Final = 100
_WAKE_S: Final = 60.0
_APP: Final = "Microsoft.App/containerApps"


class World:
    """All apps of all resource groups; also the ingress' `seams.Directory`.

    Args:
        environments: the managed environments that exist.
        images: where the platform pulls.
        runtime: where replicas run.
        clock: scales delays.
        seed: of the routing's chance.
        silent_suffix: whether a suffix that is taken is accepted and deploys nothing, as in 2023.
    """

    def __init__(
        self,
        *,
        environments: Iterable[Environment],
        images: Images,
        runtime: Runtime,
        clock: Clock,
        seed: int = 0,
        silent_suffix: bool = False,
    ) -> None:
        self.environments = {item.id.lower(): item for item in environments}
        self.groups = {item.group.lower(): item.group for item in self.environments.values()}
        self.apps: dict[tuple[str, str], App] = {}
        self.operations: dict[str, Operation] = {}
        self.clock = clock
        self._silent_suffix = silent_suffix
        self._images = images
        self._chance = random.Random(seed)  # noqa: S311  traffic is split, nothing is kept secret
        self._tasks: set[asyncio.Task[None]] = set()
        self._lives = Lives(
            images=images, runtime=runtime, clock=clock, became_ready=self._became_ready
        )

    async def close(self) -> None:
        """End all operations and lives."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        revisions = [item for app in self.apps.values() for item in app.revisions.values()]
        await asyncio.gather(*(self._lives.stop(item) for item in revisions))

    # -- looking -------------------------------------------------------------------------------

    def group(self, name: str) -> str:
        """Return a resource group's name as it was first written.

        Raises:
            Refused: there is none.
        """
        if name.lower() not in self.groups:
            raise group_missing(name)
        return self.groups[name.lower()]

    def app(self, group: str, name: str) -> App:
        """Return an app.

        Raises:
            Refused: the group or the app does not exist.
        """
        known = self.group(group)
        found = self.apps.get((group.lower(), name.lower()))
        if found is None:
            raise resource_missing(_APP, name, known)
        return found

    def environment(self, group: str, name: str) -> Environment:
        """Return a managed environment.

        Raises:
            Refused: the group or the environment does not exist.
        """
        known = self.group(group)
        for item in self.environments.values():
            if (item.group, item.name.lower()) == (known, name.lower()):
                return item
        raise resource_missing("Microsoft.App/managedEnvironments", name, known)

    def revision(self, app: App, name: str) -> Revision:
        """Return one revision.

        Raises:
            Refused: there is none of that name.
        """
        found = {key.lower(): item for key, item in app.revisions.items()}.get(name.lower())
        if found is None:
            raise revision_missing(app.name, name)
        return found

    # -- changes -------------------------------------------------------------------------------

    def put(
        self, subscription: str, group: str, name: str, body: Mapping[str, Any]
    ) -> tuple[App, Operation]:
        """Accept a whole app; the operation goes on by itself.

        Raises:
            Refused: it cannot be meant, or another operation runs.
        """
        known = self.group(group)
        app = self.apps.get((group.lower(), name.lower()))
        self._must_be_free(app)
        wanted = checked(
            name, body, app.resource if app else None, app.revisions if app else frozenset()
        )
        environment = self._environment(wanted["properties"])
        if app is None:
            app = App(name, known, subscription, wanted, environment, self.clock.now())
            self.apps[group.lower(), name.lower()] = app
        return app, self._begin(app, wanted, PUT, "the whole app")

    def patch(self, group: str, name: str, body: Mapping[str, Any]) -> tuple[App, Operation]:
        """Accept a merge patch; the operation goes on by itself.

        Raises:
            Refused: it cannot be meant, or another operation runs.
        """
        app = self.app(group, name)
        self._must_be_free(app)
        wanted = checked(app.name, merged(app.resource, body), app.resource, app.revisions)
        template = "template" in (body.get("properties") or {})
        length = PATCH_TEMPLATE if template else PATCH_CONFIGURATION
        return app, self._begin(app, wanted, length, ", ".join(what_changes(body)))

    def delete(self, group: str, name: str) -> tuple[App, Operation] | None:
        """Accept a deletion; None if there is no such app.

        Raises:
            Refused: another operation runs.
        """
        self.group(group)
        app = self.apps.get((group.lower(), name.lower()))
        if app is None:
            return None
        self._must_be_free(app)
        app.state = "Deleting"
        operation = self._operation(app, "deletion")
        self._spawn(self._delete(app, operation))
        return app, operation

    def activate(self, app: App, name: str) -> None:
        """Activate a revision; nothing is guarded.

        Raises:
            Refused: there is none of that name.
        """
        revision = self.revision(app, name)
        if not revision.active:
            self._lives.begin(app, revision)

    def deactivate(self, app: App, name: str) -> None:
        """Deactivate a revision; nothing is guarded, not even the one that serves.

        Raises:
            Refused: there is none of that name.
        """
        revision = self.revision(app, name)
        if revision.active:
            text = f"Deactivating old revision {revision.name}"
            self._note(app, revision.name, "RevisionDeactivating", text)
            self._lives.end(revision)
            self._purge(app)

    def restart(self, app: App, name: str) -> None:
        """Restart a revision's replicas one after another.

        Raises:
            Refused: there is none of that name.
        """
        self._spawn(self._lives.restart(app, self.revision(app, name)))

    def _environment(self, properties: Mapping[str, Any]) -> Environment:
        given = str(properties.get("environmentId") or properties.get("managedEnvironmentId") or "")
        found = self.environments.get(given.lower())
        if found is None:
            raise invalid("environmentId", f"'{given}' is no managed environment")
        return found

    def _must_be_free(self, app: App | None) -> None:
        if app and app.operation and app.operation.runs:
            raise operation_running(app.name, app.operation.id)

    def _operation(self, app: App, what: str) -> Operation:
        location = app.environment.location.lower().replace(" ", "")
        operation = Operation(location, app.name, self.clock.now(), subject=app, what=what)
        self.operations[operation.id] = app.operation = operation
        return operation

    def _begin(self, app: App, wanted: dict[str, Any], length: Spread, what: str) -> Operation:
        operation = self._operation(app, what)
        operation.asked = wanted
        app.state, app.modified = "InProgress", operation.started
        before = app.template if app.born else None
        self._spawn(self._carry_out(app, operation, wanted, before, length))
        return operation

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- operations ----------------------------------------------------------------------------

    async def _carry_out(
        self,
        app: App,
        operation: Operation,
        wanted: dict[str, Any],
        before: Mapping[str, Any] | None,
        length: Spread,
    ) -> None:
        """Half of the time passes before the change takes place, half of it after."""
        half = self.clock.draw(length) / 2
        await self.clock.sleep(half)
        template = wanted["properties"]["template"]
        problem = None
        if before is None or effective(template) != effective(before):
            problem = await self._new_revision(app, wanted, template)
        if problem is None:
            app.resource = wanted
            self._hand_over(app)
        await self.clock.sleep(half)
        if doom := DOOM.get():
            code = doom.get("code", "ContainerAppOperationError")
            problem = Problem(200, code, doom.get("message", "The operation failed."))
        operation.problem, operation.ended = problem, time.monotonic()
        ending = "Failed" if problem else "Succeeded"
        app.state = operation.status = doom["status"] if doom else ending
        if problem is None and app.ingress:
            self._note_traffic(app)

    def _note_traffic(self, app: App) -> None:
        for entry in app.traffic:
            name = str(entry.get("revisionName") or app.latest)
            text = f"Setting traffic weight of '{entry.get('weight')}%' for revision '{name}'"
            self._note(app, name, "RevisionUpdate", text)

    def _note(self, app: App, revision: str, reason: str, text: str) -> None:
        record(app, self.clock.now(), reason, text, revision=revision)

    async def _new_revision(
        self, app: App, wanted: dict[str, Any], template: Mapping[str, Any]
    ) -> Problem | None:
        suffix = str(template.get("revisionSuffix") or f"{app.born + 1:07d}")
        name = f"{app.name}--{suffix}"
        if name in app.revisions:
            if not self._silent_suffix:
                return suffix_taken(app.name, suffix)
            app.resource = wanted
            return None
        for container in template["containers"]:
            try:
                await self._images.resolve(container["image"])
            except ImageNotFound as error:
                return image_missing(app.name, container["name"], container["image"], str(error))
        app.resource = wanted
        app.born += 1
        revision = Revision(name, copy.deepcopy(dict(template)), self.clock.now())
        app.revisions[name] = revision
        app.latest = name
        if not app.latest_ready:
            app.latest_ready = name  # recorded: the very first one is named there at once
        self._note(app, name, "RevisionCreation", f"Creating a new revision: {name}")
        self._lives.begin(app, revision)
        self._purge(app)
        return None

    async def _delete(self, app: App, operation: Operation) -> None:
        await self.clock.sleep(self.clock.draw(DELETE))
        await asyncio.gather(*(self._lives.stop(item) for item in app.revisions.values()))
        self.apps.pop((app.group.lower(), app.name.lower()), None)
        operation.subject, operation.ended = None, time.monotonic()
        operation.status = "Succeeded"

    def _became_ready(self, app: App, revision: Revision) -> None:
        name = revision.name
        self._note(app, name, "RevisionReady", f"Successfully provisioned revision '{name}'")
        order = list(app.revisions)
        if app.latest_ready in order and order.index(app.latest_ready) > order.index(revision.name):
            return
        app.latest_ready = revision.name
        self._hand_over(app)

    def _hand_over(self, app: App) -> None:
        """In Single mode the others go once the newest one is ready."""
        latest = app.revisions.get(app.latest)
        if app.single and latest and latest.serves:
            for revision in app.revisions.values():
                if revision.active and revision is not latest:
                    self._lives.end(revision)

    def _purge(self, app: App) -> None:
        """Forget the oldest inactive revisions beyond what the app keeps."""
        most = int(app.configuration.get("maxInactiveRevisions") or _MOST_INACTIVE)
        inactive = [name for name, item in app.revisions.items() if not item.active]
        for name in inactive[: max(0, len(inactive) - most)]:
            self._spawn(self._lives.stop(app.revisions.pop(name)))

    # -- the data plane: seams.Directory -------------------------------------------------------

    def serves(self, host: str) -> bool:
        """Whether *host* is a name of one of the environments."""
        return any(host.endswith("." + item.domain) for item in self.environments.values())

    async def pick(self, host: str) -> Backend | Refusal:
        """Choose a replica by weight for one request; see `seams.Directory`."""
        found = self._meant(host)
        if isinstance(found, Refusal):
            return found
        found.wanted.set()
        if found.dozing:
            await self._woken(found)
        ready = [
            item.replica
            for item in found.copies
            if item.ready and item.replica.exit_code is None and found.active
        ]
        if not ready:
            return Refusal(503, "no healthy upstream", found.name)
        replica = ready[0] if len(ready) == 1 else self._chance.choice(ready)
        return Backend(found.name, *replica.address, replica.name)

    async def _woken(self, revision: Revision) -> None:
        """Hold a request until the replica that it wakes is ready, or its time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WAKE_S):
                await revision.awake.wait()

    def crash(self, backend: Backend) -> None:
        """Kill a replica; the platform starts it again."""
        for app in self.apps.values():
            found = app.revisions.get(backend.revision)
            for item in found.copies if found else ():
                if item.replica.address == (backend.host, backend.port):
                    self._spawn(item.replica.stop(0.0))

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
            minute = minute_of(self.clock.now())
            app.meter.request(minute, source.revision, pod, status, took_s * 1000)

    def _app_at(self, host: str) -> App | None:
        first, _, rest = host.partition(".")
        name = first.partition("--")[0]
        domain = rest.removeprefix("internal.")
        for (_, known), app in self.apps.items():
            if known == name and app.environment.domain == domain:
                return app
        return None

    def _meant(self, host: str) -> Revision | Refusal:
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
        if revision is None or not revision.active:
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
        return self._chance.choices(
            [revision for revision, _ in entries], [weight for _, weight in entries]
        )[0]

    def _named(self, app: App, entry: Mapping[str, Any]) -> Revision | None:
        """Return the revision that receives an entry's requests: "latest" means the ready one."""
        if entry.get("latestRevision"):
            return app.revisions.get(app.latest_ready or app.latest)
        return app.revisions.get(str(entry.get("revisionName") or ""))
