"""The interfaces between the parts of the sandbox: protocols and values, no logic.

The *front* terminates TLS and looks up the `Service` of a host name. The *plane* gets the replica
for a request from a `Router`. The *world* (ARM's state) turns revisions into running replicas with
`Images` and a `Runtime`. Each part can change without affecting the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web


class Service(Protocol):
    """Answers HTTP for one or more host names (ARM, Entra ID, a registry, blob storage, OIDC)."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; `request.host` is the public host name that the client asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Backend:
    """A replica that can answer: its address, its name, and the name of its revision."""

    revision: str
    host: str
    port: int
    replica: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why no replica answers; the plane responds with this status and text.

    *revision* names the one that was chosen, when it was one that cannot serve.
    """

    status: int
    reason: str
    revision: str = ""


class Router(Protocol):
    """Finds the replica for the host name of an app, revision or label."""

    def serves(self, host: str) -> bool:
        """Whether *host* is a data-plane name of this environment at all."""
        ...

    async def pick(self, host: str) -> Backend | Refusal:
        """Choose a replica for one request, by traffic weight; may wait for a wake-up from zero."""
        ...

    def crash(self, backend: Backend) -> None:
        """Kill a replica; the platform starts it again."""
        ...

    def answered(
        self, host: str, source: Backend | Refusal, status: int, took_s: float = 0.0
    ) -> None:
        """Count one answer: who gave it, with which status, and after how many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a runtime needs it; *digest* is ``sha256:…`` of its manifest."""

    reference: str
    digest: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    stand_in: bool = False  # it replaces a public image, whose commands it does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a replica as a runtime starts it.

    Args:
        name: in the template.
        image: what it runs.
        command: replaces the image's entrypoint and command when not empty.
        arguments: replace the image's command when not empty.
        environment: its variables, secrets put in.
        cpu: its limit in cores.
        memory: its limit, such as ``1Gi``.
    """

    name: str
    image: Image
    command: Sequence[str] = ()
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cpu: float = 0.5
    memory: str = "1Gi"


class ImageNotFound(Exception):  # noqa: N818  its message is the registry's
    """The registry does not have the image; the message is the text that Azure would quote."""


class Images(Protocol):
    """The registries, as used by the platform to pull images."""

    async def resolve(self, reference: str) -> Image:
        """Look up ``host/repository:tag`` or ``…@sha256:…``; raises `ImageNotFound`."""
        ...


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a replica's output, and when it was read."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of a replica: CPU seconds since it started, and current bytes of memory."""

    cpu_s: float
    memory: int


class Replica(Protocol):
    """One running copy of a revision's containers, which share a network."""

    name: str
    address: tuple[str, int]  # where its target port is reached

    def at(self, port: int) -> tuple[str, int]:
        """Return where a port of it is reached."""
        ...

    def may_reach(self, port: int) -> bool:
        """Whether connecting to *port* can reach it and nothing else."""
        ...

    def listening(self) -> Sequence[int]:
        """Return the ports that it listens on for others."""
        ...

    @property
    def exit_code(self) -> int | None:
        """None while all of its containers run; else that of the first one that ended."""
        ...

    @property
    def ended_container(self) -> str:
        """The name of the container that ended, or nothing."""
        ...

    @property
    def written(self) -> int:
        """Number of lines that its first container has written, kept or not."""
        ...

    def logs(self) -> Sequence[LogLine]:
        """Output of its first container (stdout and stderr, newest last, bounded)."""
        ...

    def usage(self) -> Usage | None:
        """Its usage; None if it cannot be measured, or has ended."""
        ...

    async def wait(self) -> int:
        """Wait for its end; return the exit code."""
        ...

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after *grace_s* seconds."""
        ...


class Runtime(Protocol):
    """Starts replicas: as processes, or as containers where a Docker engine answers."""

    async def start(
        self,
        *,
        name: str,
        containers: Sequence[Container],
        target_port: int,
        before: Sequence[Container] = (),
    ) -> Replica:
        """Start one replica; raises `RuntimeError` with the reason when it cannot even start.

        The containers of *before* (init containers) run one after another first, and each must end
        with 0. The replica is reached on *target_port* if it listens there for others. No variable
        tells it which port that is, apart from those that Container Apps sets.
        """
        ...

    async def close(self) -> None:
        """Stop everything that was started and remove what was unpacked."""
        ...


class AppIdentities(Protocol):
    """The managed identities of apps, and what they may read."""

    def complete(self, app_id: str, resource: dict[str, Any]) -> None:
        """Fill in the ids of a resource's ``identity`` block; creates the app's own identity."""
        ...

    def secret(self, resource: Mapping[str, Any], secret: Mapping[str, Any]) -> str | None:
        """Return the value of a Key Vault reference, or None if the app may not read it."""
        ...

    def may_pull(self, resource: Mapping[str, Any], host: str) -> bool:
        """Whether the identity that the app names for a registry may pull from it."""
        ...
