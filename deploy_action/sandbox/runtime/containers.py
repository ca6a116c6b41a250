"""Replicas as containers of a Docker engine, each with a network, a user and limits of its own.

Images are loaded into the engine from the sandbox's registries, so the engine needs no access to
them. Public images are pulled by the engine. The containers of one replica share the network of the
first one. Needs an engine on this machine whose containers can be reached by their address (Linux).
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import tarfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import docker
import psutil
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from deploy_action.sandbox.interfaces import Container, Image, LogLine, Usage
from deploy_action.sandbox.registry import Registry
from deploy_action.sandbox.runtime.addresses import listening_in

_LABEL: Final = "local-azure.pid"
_LOG_LINES: Final = 1000
_NOWHERE: Final = "0.0.0.1"  # an address that nothing answers at: the container has ended already
_CONNECTIONS: Final = 256  # each replica keeps some open: its output, its end
_UNITS: Final = {"Gi": 2**30, "Mi": 2**20}


class ContainerReplica:
    """The containers of one replica; a `interfaces.Replica`.

    Args:
        name: of the replica.
        containers: by their names in the template, the first one first.
        target_port: the port that the ingress sends requests to.
        now: the date that lines of output are stamped with.
    """

    def __init__(
        self,
        name: str,
        containers: Mapping[str, Any],
        target_port: int,
        now: Callable[[], datetime],
    ) -> None:
        self.name = name
        self._containers = dict(containers)
        self._first = next(iter(containers.values()))
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[tuple[str, int]] = self._loop.create_future()
        self._log: deque[LogLine] = deque(maxlen=_LOG_LINES)
        self.written = 0
        self._ip = _ip_of(self._first)
        self.address = self.at(target_port)
        self._pid = int(self._first.attrs["State"].get("Pid") or 0)

    def follow(self) -> None:
        """Begin to read the output and to wait for the end."""
        threading.Thread(target=self._read, daemon=True).start()
        for name, container in self._containers.items():
            threading.Thread(target=self._wait_for, args=(name, container), daemon=True).start()

    def at(self, port: int) -> tuple[str, int]:
        """Return the address at which a port of the replica is reachable."""
        return self._ip, port

    def may_reach(self, port: int) -> bool:
        """Whether connecting to *port* is worth trying: only the attempt shows it."""
        return port > 0 and self.exit_code is None

    def listening(self) -> Sequence[int]:
        """Return the ports that it listens on, where this machine can inspect its network."""
        return listening_in(self._pid) if self.exit_code is None else ()

    @property
    def exit_code(self) -> int | None:
        """None while all of its containers run."""
        return self._ended.result()[1] if self._ended.done() else None

    @property
    def ended_container(self) -> str:
        """The name of the container that ended, or nothing."""
        return self._ended.result()[0] if self._ended.done() else ""

    def logs(self) -> Sequence[LogLine]:
        """Return the last lines of its first container, newest last."""
        return tuple(self._log)

    def usage(self) -> Usage | None:
        """Return what the first container's processes have used; None once it has ended."""
        try:
            first = psutil.Process(self._pid)
            processes = [first, *first.children(recursive=True)]
            times = [process.cpu_times() for process in processes]
            memory = sum(process.memory_info().rss for process in processes)
        except (psutil.Error, ValueError):
            return None
        return Usage(sum(time.user + time.system for time in times), memory)

    async def wait(self) -> int:
        """Wait for the end of a container; return its exit code."""
        return (await asyncio.shield(self._ended))[1]

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after *grace_s* seconds; its log stays readable."""

        def stop(container: Any) -> None:
            with contextlib.suppress(NotFound, APIError):
                container.stop(timeout=int(grace_s))
                container.remove(force=True)

        stopping = (asyncio.to_thread(stop, name) for name in self._containers.values())
        await asyncio.gather(*stopping)

    def _read(self) -> None:
        rest = b""
        with contextlib.suppress(DockerException, OSError):
            for piece in self._first.logs(stream=True, follow=True):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._tell(self._add, line)
        if rest:
            self._tell(self._add, rest)

    def _add(self, line: bytes) -> None:
        self.written += 1
        self._log.append(LogLine(self._now(), line.decode("utf-8", "replace")))

    def _wait_for(self, name: str, container: Any) -> None:
        code = 137  # as after SIGKILL, when the container was removed meanwhile
        with contextlib.suppress(DockerException, OSError):
            code = int(container.wait()["StatusCode"])
        self._tell(self._end, (name, code))

    def _end(self, ended: tuple[str, int]) -> None:
        if not self._ended.done():
            self._ended.set_result(ended)

    def _tell(self, what: Callable[..., None], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the sandbox has ended
            self._loop.call_soon_threadsafe(what, value)


class ContainerRuntime:
    """Runs images of *images* as containers; a `interfaces.Runtime`.

    Args:
        images: the registries to load from.
        now: the date that lines of output are stamped with.

    Raises:
        RuntimeError: no engine answers.
    """

    def __init__(self, *, images: Registry, now: Callable[[], datetime]) -> None:
        self._images = images
        self._now = now
        self._loading: dict[str, asyncio.Task[str]] = {}
        try:
            self._engine = docker.from_env(max_pool_size=_CONNECTIONS)
            self._remove(lambda pid: not psutil.pid_exists(pid))
        except DockerException as error:
            raise RuntimeError(f"no Docker engine responds: {error}") from None

    async def start(
        self,
        *,
        name: str,
        containers: Sequence[Container],
        target_port: int,
        before: Sequence[Container] = (),
    ) -> ContainerReplica:
        """Start one replica; see `interfaces.Runtime.start`.

        Raises:
            RuntimeError: it cannot even start.
        """
        for container in before:
            first = await self._created(name, container)
            await asyncio.to_thread(_start, first)
            code = (await asyncio.to_thread(first.wait))["StatusCode"]
            await asyncio.to_thread(first.remove, force=True)
            if code:
                raise RuntimeError(f"init container {container.name} exited with code {code}")
        started: dict[str, Any] = {}
        try:
            for container in containers:
                beside = next(iter(started.values()), None)
                made = await self._created(name, container, beside)
                started[container.name] = made
                await asyncio.to_thread(_start, made)
        except BaseException:
            for made in started.values():
                await asyncio.to_thread(made.remove, force=True)
            raise
        replica = ContainerReplica(name, started, target_port, self._now)
        replica.follow()
        return replica

    async def close(self) -> None:
        """Remove every container that was started."""
        await asyncio.to_thread(self._remove, lambda pid: pid == os.getpid())
        self._engine.close()

    async def _created(self, replica: str, container: Container, beside: Any = None) -> Any:
        image = await self._loaded(container.image)
        options: dict[str, Any] = {
            "command": [*container.arguments] or None,
            "environment": dict(container.environment),
            "labels": {_LABEL: str(os.getpid())},
            "nano_cpus": int(container.cpu * 1e9),
            "mem_limit": _bytes(container.memory),
        }
        if container.command:
            options |= {"entrypoint": [*container.command], "command": [*container.arguments]}
        if beside:
            options["network_mode"] = f"container:{beside.id}"
        else:
            options["hostname"] = replica[:63]
        try:
            return await asyncio.to_thread(self._engine.containers.create, image, **options)
        except DockerException as error:
            raise RuntimeError(f"failed to create container: {error}") from error

    async def _loaded(self, image: Image) -> str:
        """Return the engine's name of an image; the first caller loads it."""
        task = self._loading.get(image.digest)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._load(image))
            self._loading[image.digest] = task
        return await asyncio.shield(task)

    async def _load(self, image: Image) -> str:
        if image.stand_in:
            return await asyncio.to_thread(self._pull, image.reference)
        pulled = await self._images.pull(f"{image.reference.partition('@')[0]}@{image.digest}")
        name = f"local-azure/{image.digest.partition(':')[2][:24]}:latest"
        archive = await asyncio.to_thread(_archive, name, pulled)
        await asyncio.to_thread(self._engine.images.load, archive)
        return name

    def _pull(self, reference: str) -> str:
        with contextlib.suppress(ImageNotFound):
            self._engine.images.get(reference)
            return reference
        try:
            self._engine.images.pull(reference)
        except DockerException as error:
            raise RuntimeError(f"failed to pull {reference}: {error}") from None
        return reference

    def _remove(self, belongs: Callable[[int], bool]) -> None:
        for container in self._engine.containers.list(all=True, filters={"label": _LABEL}):
            if belongs(int(container.labels[_LABEL])):
                with contextlib.suppress(NotFound, APIError):
                    container.remove(force=True)


def _start(container: Any) -> None:
    try:
        container.start()
    except DockerException as error:
        raise RuntimeError(f"failed to start container: {error}") from error
    container.reload()


def _archive(name: str, pulled: Any) -> bytes:
    """Return an image as ``docker load`` takes it."""
    out = io.BytesIO()
    layers = [f"{number}.tar" for number in range(len(pulled.layers))]
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": layers}]
    with tarfile.open(fileobj=out, mode="w") as archive:
        for file, layer in zip(layers, pulled.layers, strict=True):
            archive.add(layer.path, file)
        for file, document in (("config.json", pulled.config), ("manifest.json", manifest)):
            content = json.dumps(document).encode()
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _ip_of(container: Any) -> str:
    networks = container.attrs["NetworkSettings"].get("Networks") or {}
    addresses = (network.get("IPAddress") for network in networks.values())
    return next((str(ip) for ip in addresses if ip), _NOWHERE)


def _bytes(memory: str) -> int:
    unit = _UNITS.get(memory[-2:], 1)
    return int(float(memory.removesuffix("Gi").removesuffix("Mi")) * unit)
