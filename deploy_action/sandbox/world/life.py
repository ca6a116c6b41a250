"""The life cycle of a revision: Processing, Activating, Running, and how that can fail.

Replicas are real: a crashing app really crashes, a wrong port is really not listening. The states
and their times are recorded ones (a crash makes Failed, a wrong port stays Activating for a quarter
of an hour and ends as ActivationFailed).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from deploy_action.sandbox.interfaces import (
    Container,
    Image,
    ImageNotFound,
    Images,
    Replica,
    Runtime,
)
from deploy_action.sandbox.world.clock import Clock, Spread
from deploy_action.sandbox.world.meter import minute_of
from deploy_action.sandbox.world.model import App, ReplicaState, Revision
from deploy_action.sandbox.world.notes import Notes, port_mismatch, scalers_started
from deploy_action.sandbox.world.probing import Probe
from deploy_action.sandbox.world.scaling import Limits, Scaler
from deploy_action.sandbox.world.template_rules import require_activatable

PROCESSING: Final = Spread(6, 9, 20)
ACTIVATING: Final = Spread(3, 6, 15)
DRAINING_S: Final = 30.0
REPLACED_S: Final = 60.0  # recorded: longer than 40 s
ACTIVATION_LIMIT_S: Final = 870.0
CRASHES_TO_FAIL: Final = 3
_BACKOFF_S, _LONGEST_BACKOFF_S = 2.0, 300.0
_GRACE_S: Final = 30.0
_NOT_READY: Final = "Deployment Progress Deadline Exceeded. 0/1 replicas ready."


class Lifecycles:
    """Starts, monitors and stops the replicas of revisions.

    Args:
        images: the registries to pull from.
        runtime: where replicas run.
        clock: scales delays.
        became_ready: called with an app and its revision when that can serve.
        require_pull: raises `ImageNotFound` if an app may not pull an image.
    """

    def __init__(
        self,
        *,
        images: Images,
        runtime: Runtime,
        clock: Clock,
        became_ready: Callable[[App, Revision], None],
        require_pull: Callable[[App, str], None],
    ) -> None:
        self._images = images
        self._runtime = runtime
        self._clock = clock
        self._became_ready = became_ready
        self._require_pull = require_pull
        self._ending: set[asyncio.Task[None]] = set()

    def begin(self, app: App, revision: Revision) -> None:
        """Start *revision*; returns at once.

        Replicas that still drain from a deactivation are stopped and serve nothing.
        """
        if revision.life:
            revision.life.cancel()
        self._stop_replicas(revision, revision.replicas)
        revision.active, revision.leaving, revision.last_active = True, False, None
        revision.provisioning_state, revision.running_state = "Provisioning", "Processing"
        revision.health_state, revision.details = "None", ""
        revision.life = asyncio.ensure_future(self._run(app, revision))

    def end(self, revision: Revision) -> None:
        """Deactivate *revision*: no new requests, running ones may finish; returns at once."""
        if revision.life:
            revision.life.cancel()
        revision.active = revision.leaving = False
        revision.changed.set()
        revision.last_active = self._clock.now()
        revision.running_state = "Deprovisioning" if revision.replicas else "Stopped"
        revision.life = asyncio.ensure_future(self._drain(revision, DRAINING_S))

    def replace(self, revision: Revision) -> None:
        """Single mode: stop *revision* after a newer one took over; it stays active meanwhile."""
        if revision.life:
            revision.life.cancel()
        revision.leaving = True
        revision.changed.set()
        revision.running_state = "Deprovisioning"
        revision.life = asyncio.ensure_future(self._drain(revision, REPLACED_S))

    async def restart(self, app: App, revision: Revision) -> None:
        """Replace each replica by a fresh one, new ones first.

        If its image cannot be pulled or started, the old ones stay.
        """
        old, revision.replicas = list(revision.replicas), list(revision.replicas)
        for item in old:
            try:
                fresh = await self._create_replica(app, revision)
            except (RuntimeError, ImageNotFound):
                return
            revision.replicas.append(fresh)
            while not fresh.ready and fresh.replica.exit_code is None:
                await self._clock.patience(1.0)
            await self._remove_replica(revision, item)

    async def stop(self, revision: Revision) -> None:
        """End everything of *revision* now."""
        if revision.life:
            revision.life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await revision.life
        revision.active = False
        revision.changed.set()
        replicas, revision.replicas = revision.replicas, []
        for item in replicas:
            if item.supervision:
                item.supervision.cancel()
        await asyncio.gather(*(item.replica.stop(0.0) for item in replicas))

    # -- coming up -----------------------------------------------------------------------------

    async def _run(self, app: App, revision: Revision) -> None:
        await self._clock.sleep(self._clock.draw(PROCESSING))
        revision.provisioning_state, revision.running_state = "Provisioned", "Activating"
        scalers_started(app, revision, self._clock.now())
        limits = Limits.of(revision.template)
        limit = asyncio.ensure_future(self._clock.patience(ACTIVATION_LIMIT_S))
        scaling: asyncio.Future[None] | None = None
        reporting = asyncio.ensure_future(self._report_port(app, revision))
        try:
            require_activatable(revision.template)
            for _ in range(max(1, limits.least)):
                revision.replicas.append(await self._create_replica(app, revision))
            await self._clock.sleep(self._clock.draw(ACTIVATING))
            limit.add_done_callback(lambda _: revision.changed.set())
            scaling = asyncio.ensure_future(self._scaler(app, revision).run())
            while True:
                revision.changed.clear()
                overdue = limit.done() and not limit.cancelled()
                self._update_state(app, revision, limits, overdue=overdue)
                if revision.health_state == "Healthy":  # the limit is for the first start only
                    limit.cancel()
                await revision.changed.wait()
        except (RuntimeError, ImageNotFound) as error:
            self._failed(revision, f"{error}")
        finally:
            limit.cancel()
            reporting.cancel()
            if scaling:
                scaling.cancel()

    async def _report_port(self, app: App, revision: Revision) -> None:
        """Name a wrong port in the details for a third of the time, as recorded."""
        while True:
            await self._clock.patience(10.0)
            if revision.running_state == "Activating":
                revision.details = _port_mismatch(app, revision)
                if revision.details:
                    port_mismatch(app, revision, self._clock.now())
                await self._clock.patience(5.0)
                if revision.running_state == "Activating":
                    revision.details = ""

    def _scaler(self, app: App, revision: Revision) -> Scaler:
        return Scaler(
            app,
            revision,
            clock=self._clock,
            add=lambda: self._create_replica(app, revision),
            remove=lambda item: self._stop_replicas(revision, [item]),
        )

    def _update_state(self, app: App, revision: Revision, limits: Limits, *, overdue: bool) -> None:
        """Derive the state of the revision from its replicas.

        A replica that scaling has just added counts once it has been ready.
        """
        replicas = revision.replicas
        ready = [item for item in replicas if item.ready]
        restarts = max((item.restarts for item in replicas), default=0)
        at_work = revision.health_state == "Healthy"
        counted = (
            [item for item in replicas if item.served or item.restarts] if at_work else replicas
        )
        if ready and len(ready) == len(counted):
            running = "RunningAtMaxScale" if len(replicas) >= limits.most else "Running"
            if revision.running_state != running:
                fresh = revision.running_state not in {"Running", "RunningAtMaxScale"}
                revision.provisioning_state, revision.provisioning_error = "Provisioned", ""
                revision.running_state, revision.health_state = running, "Healthy"
                revision.details = ""
                if fresh:
                    self._became_ready(app, revision)
        elif restarts >= CRASHES_TO_FAIL and not ready:
            container = next(
                (item.culprit or item.container for item in replicas if item.restarts), ""
            )
            self._failed(revision, f"Failed:{container}ContainerCrashing")
        elif at_work:
            revision.running_state = "Degraded"
            revision.health_state = "Healthy" if ready else "Unhealthy"
        elif overdue and not ready and revision.running_state == "Activating":
            revision.running_state = "ActivationFailed"
            revision.details = _port_mismatch(app, revision) or _NOT_READY
            self._stop_replicas(revision, revision.replicas)

    def _failed(self, revision: Revision, error: str) -> None:
        revision.provisioning_state = revision.running_state = "Failed"
        revision.health_state = "Unhealthy"
        revision.provisioning_error = error
        revision.details = f"1/{max(1, len(revision.replicas))} {error}"

    # -- one replica ---------------------------------------------------------------------------

    async def _create_replica(self, app: App, revision: Revision) -> ReplicaState:
        """Start one replica and supervise it from then on."""
        container = revision.template["containers"][0]
        names = ("initContainers", "containers")
        images: dict[str, Image] = {}
        name = f"{revision.name}-{secrets.token_hex(5)}-{secrets.token_hex(3)[:5]}"
        note = Notes(app, revision, name, str(container["name"]), self._clock.now)
        note.assigned()
        for spec in (item for key in names for item in revision.template.get(key) or ()):
            images[spec["image"]] = await self._pull(app, str(spec["image"]), note)

        async def start() -> Any:
            with note.creation():
                return await self._start(app, revision, images, name)

        item = ReplicaState(await start(), self._clock.now(), str(container["name"]), note.stopped)
        item.supervision = asyncio.ensure_future(
            self._supervise(app, revision, container, item, start)
        )
        return item

    async def _pull(self, app: App, reference: str, note: Notes) -> Image:
        note.pulling(reference)
        began = time.monotonic()
        try:
            self._require_pull(app, reference)
        except ImageNotFound:
            note.unauthorized()
            raise
        try:
            image = await self._images.resolve(reference)
        except ImageNotFound:
            note.not_pulled(reference)
            raise
        note.pulled(reference, time.monotonic() - began)
        return image

    async def _supervise(
        self,
        app: App,
        revision: Revision,
        container: Mapping[str, Any],
        item: ReplicaState,
        start: Callable[[], Any],
    ) -> None:
        """Probe a replica, and start it again whenever it ends."""
        note = Notes(app, revision, item.replica.name, item.container, self._clock.now)
        while True:
            probing = asyncio.ensure_future(self._probe(app, note, container, item))
            ended = asyncio.ensure_future(item.replica.wait())
            try:
                await asyncio.wait({probing, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                probing.cancel()
                ended.cancel()
            item.started = item.ready = False
            item.culprit = item.replica.ended_container
            item.restarts += 1
            minute = minute_of(self._clock.now())
            pod = item.replica.name
            app.meter.peak("RestartCount", minute, 1, revisionName=revision.name, podName=pod)
            revision.changed.set()
            note.ended(item.replica.exit_code)
            with contextlib.suppress(Exception):
                await item.replica.stop(0.0)
            backoff = min(_BACKOFF_S * 2 ** (item.restarts - 1), _LONGEST_BACKOFF_S)
            await self._clock.patience(backoff)
            with contextlib.suppress(RuntimeError):
                fresh = await start()
                item.past, item.past_written = item.lines, item.written
                item.replica = fresh

    async def _probe(
        self, app: App, note: Notes, container: Mapping[str, Any], item: ReplicaState
    ) -> None:
        """Return when the replica must be started again."""
        revision = note.revision
        port, replica, clock = app.probed_port, item.replica, self._clock
        startup = Probe.of(container, "Startup", port)
        readiness = Probe.of(container, "Readiness", port)
        liveness = Probe.of(container, "Liveness", port)
        await clock.patience(startup.initial_delay)
        misses = 0
        while code := await startup.ask(replica, clock):
            misses += 1
            note.probe_failed("StartUp", code, misses)
            if misses >= startup.failures:
                note.startup_failed()
                return
            await clock.patience(startup.period)
        item.started = True

        async def ready() -> None:
            await clock.patience(readiness.initial_delay)
            hits = misses = 0
            while True:
                code = await readiness.ask(replica, clock)
                hits, misses = (0, misses + 1) if code else (hits + 1, 0)
                note.probe_failed("Readiness", code, misses)
                now_ready = hits >= readiness.successes or (
                    item.ready and misses < readiness.failures
                )
                if now_ready != item.ready:
                    item.ready = now_ready
                    item.served = item.served or now_ready
                    revision.changed.set()
                await clock.patience(readiness.period)

        watching = asyncio.ensure_future(ready())
        try:
            await clock.patience(liveness.initial_delay)
            misses = 0
            while misses < liveness.failures:
                code = await liveness.ask(replica, clock)
                misses = misses + 1 if code else 0
                note.probe_failed("Liveness", code, misses)
                await clock.patience(liveness.period)
        finally:
            watching.cancel()

    async def _start(
        self, app: App, revision: Revision, images: Mapping[str, Image], name: str
    ) -> Replica:
        environment = {
            "CONTAINER_APP_NAME": app.name,
            "CONTAINER_APP_REVISION": revision.name,
            "CONTAINER_APP_REPLICA_NAME": name,
            "CONTAINER_APP_ENV_DNS_SUFFIX": app.environment.domain,
            "CONTAINER_APP_HOSTNAME": app.host(revision.name),
            "CONTAINER_APP_PORT": str(app.target_port),
        }
        secret_values = {
            item["name"]: str(item.get("value") or app.vault_values.get(item["name"], ""))
            for item in app.configuration.get("secrets") or ()
        }

        def container(item: Mapping[str, Any]) -> Container:
            variables = {
                variable["name"]: secret_values.get(variable.get("secretRef", ""), "")
                or str(variable.get("value") or "")
                for variable in item.get("env") or ()
            }
            resources = item.get("resources") or {}
            return Container(
                name=str(item.get("name") or app.name),
                image=images[item["image"]],
                command=item.get("command") or (),
                arguments=item.get("args") or (),
                environment={**variables, **environment},
                cpu=float(resources.get("cpu") or 0.5),
                memory=str(resources.get("memory") or "1Gi"),
            )

        return await self._runtime.start(
            name=name,
            containers=[container(item) for item in revision.template["containers"]],
            before=[container(item) for item in revision.template.get("initContainers") or ()],
            target_port=app.target_port,
        )

    # -- stopping ---------------------------------------------------------------------------------

    async def _drain(self, revision: Revision, draining_s: float) -> None:
        await self._clock.patience(draining_s)
        for item in list(revision.replicas):
            await self._remove_replica(revision, item)
        if revision.leaving:
            revision.active = revision.leaving = False
            revision.last_active = self._clock.now()
        revision.running_state, revision.health_state = "Stopped", "Healthy"

    async def _remove_replica(self, revision: Revision, item: ReplicaState) -> None:
        await self._stop_replica(revision, item)
        revision.replicas.remove(item)

    async def _stop_replica(self, revision: Revision, item: ReplicaState) -> None:
        item.on_stop()
        if item.supervision:
            item.supervision.cancel()
        grace = revision.template.get("terminationGracePeriodSeconds") or _GRACE_S
        await item.replica.stop(float(grace))

    def _stop_replicas(self, revision: Revision, replicas: Iterable[ReplicaState]) -> None:
        """Stop replicas, which no longer belong to the revision; returns at once."""
        for item in list(replicas):
            revision.replicas.remove(item)
            task = asyncio.ensure_future(self._stop_replica(revision, item))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _port_mismatch(app: App, revision: Revision) -> str:
    """Describe a program that listens on another port than the target port."""
    ports = [port for item in revision.replicas for port in item.replica.listening()]
    if not app.ingress or not ports or app.target_port in ports:
        return ""
    return f"The TargetPort {app.target_port} does not match the listening port {ports[0]}."
