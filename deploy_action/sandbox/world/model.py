"""State of the local Azure: apps, revisions, operations. Plain values, no behaviour."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from deploy_action.sandbox.interfaces import LogLine, Replica
from deploy_action.sandbox.world.events import EventLog
from deploy_action.sandbox.world.json_copy import copied
from deploy_action.sandbox.world.meter import Meter
from deploy_action.sandbox.world.refusals import Problem

LOG_LINES: Final = 300  # as many as Azure's stream gives at most


@dataclass(slots=True)
class Operation:
    """One long operation of Azure's.

    Args:
        location: the region in its address.
        app: the app's name.
        started: when it was accepted.
        subject: the app that it changes; None after a deletion.
        asked: the requested resource; GET shows it until the operation ends.
        revision: the name of the revision that it creates, if any.
        what: a description of the change.
        began: by the monotonic clock.
        ended: likewise; None while it runs.
    """

    location: str
    app: str
    started: datetime
    id: str = field(default_factory=lambda: str(_guid()))
    status: str = "InProgress"
    problem: Problem | None = None
    subject: App | None = None
    asked: dict[str, Any] | None = None
    revision: str = ""
    what: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.status == "InProgress"


@dataclass(slots=True)
class ReplicaState:
    """One replica of a revision with what its probes found.

    Args:
        replica: the running replica.
        created: when.
        container: the name of its container.
        on_stop: called before the platform stops it.
        past: its output from before the last restart.
        past_written: how many lines that were.
    """

    replica: Replica
    created: datetime
    container: str
    on_stop: Callable[[], None]
    started: bool = False
    ready: bool = False
    served: bool = False  # has been ready
    restarts: int = 0
    culprit: str = ""  # the container that ended last
    past: list[LogLine] = field(default_factory=list)
    past_written: int = 0
    supervision: asyncio.Task[None] | None = None

    @property
    def lines(self) -> list[LogLine]:
        """Its output, newest last, including the time before a restart."""
        return [*self.past, *self.replica.logs()][-LOG_LINES:]

    @property
    def written(self) -> int:
        """Number of lines that it has written since it was created."""
        return self.past_written + self.replica.written

    @property
    def log(self) -> list[str]:
        """The text of `lines`."""
        return [line.text for line in self.lines]


SCALED_TO_ZERO = "ScaledToZero"
_TO_LATEST: Final = ({"weight": 100, "latestRevision": True},)


@dataclass(slots=True)
class Revision:
    """One revision; the four state words are Azure's."""

    name: str
    template: dict[str, Any]
    created: datetime
    active: bool = True
    provisioning_state: str = "Provisioning"
    health_state: str = "None"
    running_state: str = "Processing"
    details: str = ""
    provisioning_error: str = ""
    last_active: datetime | None = None
    replicas: list[ReplicaState] = field(default_factory=list)
    life: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)  # a request for it came
    requests: int = 0
    leaving: bool = False  # Single mode: a newer one has replaced it, and it still counts as active

    @property
    def routable(self) -> bool:
        """Whether the ingress sends requests to it, ready or not."""
        return self.active and not self.leaving

    @property
    def ready_replicas(self) -> list[ReplicaState]:
        """The replicas that can answer requests."""
        if not self.routable:
            return []
        return [item for item in self.replicas if item.ready and item.replica.exit_code is None]

    @property
    def serves(self) -> bool:
        """Whether requests may be sent to it."""
        return bool(self.ready_replicas)

    @property
    def replica_count(self) -> int:
        """The number of replicas as Azure reports it: at least 1 while it starts."""
        starts = self.running_state in {"Processing", "Activating"}
        return max(1, len(self.replicas)) if starts else len(self.replicas)

    @property
    def suffix(self) -> str:
        """The part after the app's name."""
        return self.name.partition("--")[2]


@dataclass(slots=True)
class Environment:
    """A managed environment; apps have host names in its domain."""

    id: str
    name: str
    group: str
    location: str
    domain: str
    created: datetime
    storages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by lower-case name
    state: str = "Succeeded"  # the provisioning state
    properties: dict[str, Any] = field(default_factory=dict)  # as requested


@dataclass(slots=True)
class App:
    """One container app.

    Args:
        name: as it was first written.
        group: its resource group, likewise.
        subscription: likewise.
        resource: what ARM stores of it (``location``, ``tags``, ``properties`` …), secrets' values
            included.
        environment: its managed environment.
        created: when.
    """

    name: str
    group: str
    subscription: str
    resource: dict[str, Any]
    environment: Environment
    created: datetime
    state: str = "InProgress"
    revisions: dict[str, Revision] = field(default_factory=dict)
    born: int = 0
    operation: Operation | None = None
    patched: str = ""  # id of the last PATCH operation
    latest: str = ""
    latest_ready: str = ""
    modified: datetime = field(init=False)
    verification: str = field(default_factory=lambda: secrets.token_hex(32).upper())
    answered: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    vault_values: dict[str, str] = field(default_factory=dict)  # of secrets that name a vault
    meter: Meter = field(default_factory=Meter)
    events: EventLog = field(default_factory=EventLog)

    def __post_init__(self) -> None:
        self.modified = self.created

    @property
    def shown(self) -> dict[str, Any]:
        """The resource as GET shows it: while an operation runs, as requested."""
        running = self.operation and self.operation.runs and self.operation.asked
        return running or self.resource

    @property
    def shown_latest(self) -> str:
        """`latestRevisionName` as GET shows it, named as soon as the write is accepted."""
        running = self.operation and self.operation.runs and self.operation.revision
        return running or self.latest

    @property
    def configuration(self) -> Mapping[str, Any]:
        """Its effective configuration."""
        configuration: Mapping[str, Any] = self.resource["properties"].get("configuration") or {}
        return configuration

    @property
    def template(self) -> dict[str, Any]:
        """Its template as stored."""
        return dict(self.resource["properties"].get("template") or {})

    @property
    def single(self) -> bool:
        """Whether only one revision is to be active at a time."""
        return self.configuration.get("activeRevisionsMode") != "Multiple"

    @property
    def ignores_weights(self) -> bool:
        """Whether the latest revision that is ready receives everything, as in Single mode."""
        return self.configuration.get("activeRevisionsMode") == "Single"

    @property
    def ingress(self) -> Mapping[str, Any] | None:
        """Its ingress as stored, or None."""
        return self.configuration.get("ingress")

    @property
    def target_port(self) -> int:
        """The port on which its containers are expected to listen."""
        return int((self.ingress or {}).get("targetPort") or 80)

    @property
    def probed_port(self) -> int:
        """The port of the platform's own probes; 0 without ingress, where there are none."""
        return self.target_port if self.ingress else 0

    @property
    def traffic(self) -> list[dict[str, Any]]:
        """The split as stored; Azure fills in "all to the latest"."""
        return copied((self.ingress or {}).get("traffic") or [*_TO_LATEST])

    @property
    def shares(self) -> list[dict[str, Any]]:
        """The effective split without copying, for each request; do not modify."""
        stored = None if self.ignores_weights else (self.ingress or {}).get("traffic")
        return stored or [*_TO_LATEST]

    def host(self, name: str = "") -> str:
        """Return the address of the app, or of a revision of that name."""
        external = (self.ingress or {}).get("external", True)
        inner = "" if external else ".internal"
        return f"{name or self.name}{inner}.{self.environment.domain}"

    def weight(self, revision: str) -> int:
        """Return the declared weight of a revision: "latest" means the newest, ready or not."""
        return sum(
            int(entry.get("weight") or 0)
            for entry in self._declared()
            if revision == self._at(entry)
        )

    def labels(self, revision: str) -> list[str]:
        """Return the labels that point at a revision."""
        return [
            str(entry["label"])
            for entry in self._declared()
            if entry.get("label") and revision == self._at(entry)
        ]

    def _declared(self) -> list[dict[str, Any]]:
        configuration = self.shown["properties"].get("configuration") or {}
        ingress = configuration.get("ingress") or {}
        ignored = configuration.get("activeRevisionsMode") == "Single"
        return (None if ignored else ingress.get("traffic")) or [*_TO_LATEST]

    def _at(self, entry: Mapping[str, Any]) -> str:
        if entry.get("latestRevision"):
            return self.shown_latest
        return str(entry.get("revisionName") or "")


def _guid() -> str:
    raw = secrets.token_hex(16)
    return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
