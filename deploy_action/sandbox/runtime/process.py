"""Replicas as ordinary processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil

from deploy_action.sandbox.interfaces import Container, Image, LogLine, Usage
from deploy_action.sandbox.registry import Registry
from deploy_action.sandbox.registry.archives import UnsafeArchive, unpack_layers
from deploy_action.sandbox.runtime.addresses import (
    Address,
    free_address,
    listening,
    lowest_port,
    outer,
)
from deploy_action.sandbox.runtime.translate import Translation, argv_of, wrappers
from deploy_action.sandbox.services.children import Child, Leash, start_child

_SITE: Final = str(Path(__file__).with_name("loopback"))


class ProcessReplica:
    """The processes of one replica; a `interfaces.Replica`.

    Args:
        name: of the replica.
        children: its containers' processes by the containers' names, the first one first.
        address: where it listens.
        target_port: the port that the ingress sends requests to.
        home: its folder, removed when it stops.
    """

    def __init__(
        self,
        name: str,
        children: Mapping[str, Child],
        address: Address,
        target_port: int,
        home: Path,
    ) -> None:
        self.name = name
        self._children = dict(children)
        self._first = next(iter(self._children.values()))
        self._address = address
        self._home = home
        self.address = self.at(target_port)
        self._reached: set[int] = set()
        self.stopped = False

    def at(self, port: int) -> tuple[str, int]:
        """Return the address at which a port of the replica is reachable."""
        return self._address.ip, outer(port)

    def may_reach(self, port: int) -> bool:
        """Whether it listens on *port*; other processes could listen at its address, too."""
        if port not in self._reached and port in self.listening():
            self._reached.add(port)  # the check takes milliseconds on a busy machine
        return port in self._reached and self.exit_code is None

    def listening(self) -> Sequence[int]:
        """Return the ports that it listens on for others."""
        if self.exit_code is not None:
            return ()
        return listening(self._address.ip, [child.pid for child in self._children.values()])

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a signal counts as 128 plus its number, as in a container."""
        for child in self._children.values():  # asked for each request: no generator
            if (code := child.exit_code) is not None:
                return code
        return None

    @property
    def ended_container(self) -> str:
        """The name of the container that ended, or nothing."""
        for name, child in self._children.items():
            if child.exit_code is not None:
                return name
        return ""

    @property
    def written(self) -> int:
        """Number of lines that its first container has written, kept or not."""
        return self._first.written

    def logs(self) -> Sequence[LogLine]:
        """Return the last lines of its first container, newest last."""
        return tuple(self._first.log)

    def usage(self) -> Usage | None:
        """Return what the processes of the replica have used; None once it has ended."""
        try:
            processes = [
                process
                for child in self._children.values()
                for process in _with_descendants(psutil.Process(child.pid))
            ]
            times = [process.cpu_times() for process in processes]
            memory = sum(process.memory_info().rss for process in processes)
        except psutil.Error:
            return None
        return Usage(sum(time.user + time.system for time in times), memory)

    async def wait(self) -> int:
        """Wait for the end of a container; return its exit code."""
        waiting = [asyncio.ensure_future(child.wait()) for child in self._children.values()]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in waiting:
                task.cancel()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after *grace_s* seconds; its log stays readable."""
        await asyncio.gather(*(child.stop(grace_s=grace_s) for child in self._children.values()))
        self._address.release()
        await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)
        self.stopped = True


def _with_descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that it has started.

    Raises:
        psutil.Error: it has ended.
    """
    tasks = Path("/proc", str(process.pid), "task")
    if not tasks.exists():
        return [process, *process.children(recursive=True)]
    # psutil reads the tables of all processes of the machine, many times as slowly.
    texts = []
    with contextlib.suppress(OSError):  # a thread has ended meanwhile
        texts = [file.read_text("ascii") for file in tasks.glob("*/children")]
    processes = [process]
    for pid in " ".join(texts).split():
        with contextlib.suppress(psutil.NoSuchProcess):
            processes += _with_descendants(psutil.Process(int(pid)))
    return processes


class ProcessRuntime:
    """Runs images of *images* as processes; a `interfaces.Runtime`.

    Args:
        directory: where images are unpacked, once for each digest; removed by `close`.
        images: the registries to pull from.
        now: the date that lines of output are stamped with.
    """

    def __init__(self, *, directory: Path, images: Registry, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._images = images
        self._now = now
        self._leash = Leash()
        self._replicas: list[ProcessReplica] = []
        self._unpacking: dict[str, asyncio.Task[Path]] = {}
        self._started = 0

    async def start(
        self,
        *,
        name: str,
        containers: Sequence[Container],
        target_port: int,
        before: Sequence[Container] = (),
    ) -> ProcessReplica:
        """Start one replica; see `interfaces.Runtime.start`.

        Raises:
            RuntimeError: it cannot even start.
        """
        self._started += 1
        home = self._directory / "replicas" / str(self._started)
        home.mkdir(parents=True)
        address, children = free_address(), dict[str, Child]()
        try:
            for container in before:
                children[container.name] = await self._child(name, container, address, home)
                _succeeded(container, await children[container.name].wait())
                del children[container.name]
            for number, container in enumerate(containers, 1):
                child = await self._child(name, container, address, home, number)
                children[container.name] = child
        except BaseException:
            await asyncio.gather(*(child.stop(grace_s=0.0) for child in children.values()))
            address.release()
            raise
        replica = ProcessReplica(name, children, address, target_port, home)
        self._replicas = [*(known for known in self._replicas if not known.stopped), replica]
        return replica

    async def _child(
        self, replica: str, container: Container, address: Address, home: Path, number: int = 0
    ) -> Child:
        image = container.image
        root = await self._unpacked(image)
        cwd = root / image.working_directory.lstrip("/")
        cwd.mkdir(parents=True, exist_ok=True)
        words = Translation(root, self._wrappers(), image.environment.get("PATH", ""))
        argv = words.argv(argv_of(image, container.command, container.arguments), cwd)
        inner = words.environment(image.environment, container.environment, home)
        variables = {
            "HOSTNAME": replica,
            **inner,
            "LOCAL_AZURE_ADDRESS": f"{address.ip} {lowest_port()}",
            "LOCAL_AZURE_CONTAINER": str(number),
            "PYTHONPATH": os.pathsep.join([_SITE, *filter(None, [inner.get("PYTHONPATH")])]),
            "NODE_OPTIONS": f"--require={_SITE}/listen.cjs {inner.get('NODE_OPTIONS', '')}".strip(),
        }
        try:
            return await start_child(
                argv, leash=self._leash, cwd=cwd, environment=variables, now=self._now
            )
        except OSError as error:
            raise RuntimeError(f"failed to start container process: {error.strerror}") from error

    async def close(self) -> None:
        """Stop everything that was started and remove what was unpacked."""
        await asyncio.gather(*(replica.stop(grace_s=0.0) for replica in self._replicas))
        for task in self._unpacking.values():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, RuntimeError):
                await task
        await self._leash.close()
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def _wrappers(self) -> Path:
        directory = self._directory / "bin"
        if not directory.exists():
            wrappers(directory)
        return directory

    async def _unpacked(self, image: Image) -> Path:
        """Return the image's folder; the first caller unpacks it, the others wait."""
        task = self._unpacking.get(image.digest)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._unpack(image))
            self._unpacking[image.digest] = task
        return await asyncio.shield(task)

    async def _unpack(self, image: Image) -> Path:
        host_and_name = image.reference.partition("@")[0]
        pulled = await self._images.pull(f"{host_and_name}@{image.digest}")
        root = self._directory / "images" / image.digest.partition(":")[2][:16]
        try:
            await asyncio.to_thread(unpack_layers, pulled.layers, root)
        except UnsafeArchive as error:
            raise RuntimeError(f"failed to unpack image: {error}") from error
        return root


def _succeeded(container: Container, exit_code: int) -> None:
    """Refuse an init container that failed.

    Raises:
        RuntimeError: it did.
    """
    if exit_code:
        raise RuntimeError(f"init container {container.name} exited with code {exit_code}")
