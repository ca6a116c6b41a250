"""All state of the local Azure and its transitions.

After recorded traffic of Microsoft.App: an operation ends asynchronously and before the revision is
ready, a second change meanwhile is refused, declared weight is not served weight, and almost
nothing is validated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from deploy_action.sandbox.interfaces import (
    AppIdentities,
    ImageNotFound,
    Images,
    Runtime,
)
from deploy_action.sandbox.world.change import checked, effective, merged, what_changes
from deploy_action.sandbox.world.clock import Clock, Spread
from deploy_action.sandbox.world.json_copy import copied
from deploy_action.sandbox.world.life import Lifecycles
from deploy_action.sandbox.world.model import App, Environment, Operation, Revision
from deploy_action.sandbox.world.notes import record, scalers_stopped
from deploy_action.sandbox.world.references import References
from deploy_action.sandbox.world.refusals import (
    Problem,
    environment_not_ready,
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
# The scripted result of the operation that the current request starts, if any.
DOOM: ContextVar[Mapping[str, str] | None] = ContextVar("DOOM", default=None)
_MOST_INACTIVE: Final = 100
_APP: Final = "Microsoft.App/containerApps"


class World:
    """All apps of all resource groups.

    Args:
        environments: the managed environments that exist.
        images: the registries to pull from.
        runtime: where replicas run.
        clock: scales delays.
        silent_suffix: whether a suffix that is taken is accepted and deploys nothing, as in 2023.
        identities: the managed identities of apps.
    """

    def __init__(
        self,
        *,
        environments: Iterable[Environment],
        images: Images,
        runtime: Runtime,
        clock: Clock,
        silent_suffix: bool = False,
        identities: AppIdentities,
    ) -> None:
        self.environments = {item.id.lower(): item for item in environments}
        self.groups = {item.group.lower(): item.group for item in self.environments.values()}
        self.group_locations = {
            item.group.lower(): item.location for item in self.environments.values()
        }
        self.apps: dict[tuple[str, str], App] = {}
        self.operations: dict[str, Operation] = {}
        self.clock = clock
        self._silent_suffix = silent_suffix
        self._references = References(identities, clock)
        self._images = images
        self._tasks: set[asyncio.Task[None]] = set()
        self._lifecycles = Lifecycles(
            images=images,
            runtime=runtime,
            clock=clock,
            became_ready=self._became_ready,
            require_pull=lambda app, image: self._references.require_pull(app.resource, image),
        )

    async def close(self) -> None:
        """End all operations and stop all replicas."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        revisions = [item for app in self.apps.values() for item in app.revisions.values()]
        await asyncio.gather(*(self._lifecycles.stop(item) for item in revisions))

    # -- reading -------------------------------------------------------------------------------

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
        app = self.apps.get((group.lower(), name.lower()))
        if app is None:
            raise resource_missing(_APP, name, known)
        return app

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
        revision = {key.lower(): item for key, item in app.revisions.items()}.get(name.lower())
        if revision is None:
            raise revision_missing(app.name, name)
        return revision

    # -- changes -------------------------------------------------------------------------------

    def put(
        self, subscription: str, group: str, name: str, body: Mapping[str, Any]
    ) -> tuple[App, Operation]:
        """Accept a whole app; the operation goes on by itself.

        Raises:
            Refused: it is invalid, or another operation runs.
        """
        known = self.group(group)
        app = self.apps.get((group.lower(), name.lower()))
        self._must_be_free(app)
        environment = self._environment(body.get("properties") or {})
        desired = checked(
            name,
            body,
            app.resource if app else None,
            app.revisions if app else frozenset(),
            environment.storages,
        )
        self._references.prepare(subscription, known, name, desired, app)
        if app is None:
            app = App(name, known, subscription, desired, environment, self.clock.now())
            self.apps[group.lower(), name.lower()] = app
            self.spawn(self._references.keep_in_sync(app, self._lifecycles.restart))
        return app, self._begin(app, desired, PUT, "the whole app")

    def patch(self, group: str, name: str, body: Mapping[str, Any]) -> tuple[App, Operation]:
        """Accept a merge patch; the operation goes on by itself.

        Raises:
            Refused: it is invalid, or another operation runs.
        """
        app = self.app(group, name)
        self._must_be_free(app)
        desired = checked(
            app.name,
            merged(app.resource, body),
            app.resource,
            app.revisions,
            app.environment.storages,
        )
        self._references.prepare(app.subscription, app.group, app.name, desired, app)
        template = "template" in (body.get("properties") or {})
        length = PATCH_TEMPLATE if template else PATCH_CONFIGURATION
        operation = self._begin(app, desired, length, ", ".join(what_changes(body)))
        app.patched = operation.id
        return app, operation

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
        previous = app.patched
        operation = self._operation(app, "deletion")
        if previous:  # recorded: a deletion has the id of the app's last PATCH
            self.operations[previous] = self.operations.pop(operation.id)
            operation.id = previous
        self.spawn(self._delete(app, operation))
        return app, operation

    def activate(self, app: App, name: str) -> None:
        """Activate a revision, without any check.

        Raises:
            Refused: there is none of that name.
        """
        revision = self.revision(app, name)
        if not revision.routable:
            self._lifecycles.begin(app, revision)

    def deactivate(self, app: App, name: str) -> None:
        """Deactivate a revision without any check, even if it serves.

        Raises:
            Refused: there is none of that name.
        """
        revision = self.revision(app, name)
        if revision.active:
            text = f"Deactivating old revision {revision.name}"
            self._note(app, revision.name, "RevisionDeactivating", text)
            scalers_stopped(app, revision, self.clock.now())
            self._lifecycles.end(revision)
            self._purge(app)

    def restart(self, app: App, name: str) -> None:
        """Restart a revision's replicas one after another.

        Raises:
            Refused: there is none of that name.
        """
        self.spawn(self._lifecycles.restart(app, self.revision(app, name)))

    def _environment(self, properties: Mapping[str, Any]) -> Environment:
        environment_id = str(
            properties.get("environmentId") or properties.get("managedEnvironmentId") or ""
        )
        environment = self.environments.get(environment_id.lower())
        if environment is None:
            raise invalid("environmentId", f"'{environment_id}' is not a managed environment")
        if environment.state != "Succeeded":
            raise environment_not_ready(environment.name, environment.state)
        return environment

    def _must_be_free(self, app: App | None) -> None:
        if app and app.operation and app.operation.runs:
            raise operation_running(app.name, app.operation.id)

    def _operation(self, app: App, what: str) -> Operation:
        location = app.environment.location.lower().replace(" ", "")
        operation = Operation(location, app.name, self.clock.now(), subject=app, what=what)
        self.operations[operation.id] = app.operation = operation
        return operation

    def _begin(self, app: App, desired: dict[str, Any], length: Spread, what: str) -> Operation:
        operation = self._operation(app, what)
        operation.asked = desired
        app.state, app.modified = "InProgress", operation.started
        template = desired["properties"]["template"]
        if not app.born or effective(template) != effective(app.template):
            operation.revision = f"{app.name}--{_suffix(app, template)}"
        self.spawn(self._carry_out(app, operation, desired, length, DOOM.get()))
        return operation

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* in the background; it ends with the world."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- operations ----------------------------------------------------------------------------

    async def _carry_out(
        self,
        app: App,
        operation: Operation,
        desired: dict[str, Any],
        length: Spread,
        doom: Mapping[str, str] | None,
    ) -> None:
        """Apply the change halfway through the operation.

        An operation that fails changes nothing, unless a scripted fault says ``effect: kept``.
        """
        half = self.clock.draw(length) / 2
        await self.clock.sleep(half)
        problem = None
        if doom is None or doom.get("effect") == "kept":
            problem = self._references.resolve(app, desired)
            if problem is None and operation.revision:
                problem = await self._new_revision(app, desired, operation.revision)
            if problem is None:
                app.resource = desired
                self._hand_over(app)
        await self.clock.sleep(half)
        if doom:
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

    async def _new_revision(self, app: App, desired: dict[str, Any], name: str) -> Problem | None:
        template = desired["properties"]["template"]
        if name in app.revisions:
            if not self._silent_suffix:
                return suffix_taken(app.name, app.revisions[name].suffix)
            app.resource = desired
            return None
        for container in (*(template.get("initContainers") or ()), *template["containers"]):
            try:
                self._references.require_pull(desired, container["image"])
                await self._images.resolve(container["image"])
            except ImageNotFound as error:
                return image_missing(app.name, container["name"], container["image"], str(error))
        app.resource = desired
        app.born += 1
        revision = Revision(name, copied(dict(template)), self.clock.now())
        app.revisions[name] = revision
        app.latest = name
        if not app.latest_ready:
            app.latest_ready = name  # recorded: the very first one is named there at once
        self._note(app, name, "RevisionCreation", f"Creating a new revision: {name}")
        self._lifecycles.begin(app, revision)
        self._purge(app)
        return None

    async def _delete(self, app: App, operation: Operation) -> None:
        await self.clock.sleep(self.clock.draw(DELETE))
        await asyncio.gather(*(self._lifecycles.stop(item) for item in app.revisions.values()))
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
        """In Single mode the newest revision replaces the others once it is ready."""
        latest = app.revisions.get(app.latest)
        if app.single and latest and latest.serves:
            for revision in app.revisions.values():
                if revision.routable and revision is not latest:
                    self._lifecycles.replace(revision)

    def _purge(self, app: App) -> None:
        """Delete the oldest inactive revisions beyond the app's limit."""
        most = int(app.configuration.get("maxInactiveRevisions") or _MOST_INACTIVE)
        inactive = [name for name, item in app.revisions.items() if not item.active]
        for name in inactive[: max(0, len(inactive) - most)]:
            self.spawn(self._lifecycles.stop(app.revisions.pop(name)))


def _suffix(app: App, template: Mapping[str, Any]) -> str:
    """Return the suffix of the revision that a template creates."""
    return str(template.get("revisionSuffix") or f"{app.born + 1:07d}")
