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
from deploy_action.sandbox.seams import Image, LogLine, Usage
from deploy_action.sandbox.services.children import Child, Leash, start_child

_SITE: Final = str(Path(__file__).with_name("loopback"))


class ProcessReplica:
    """One running copy of an image; a `seams.Replica`."""

    def __init__(
        self, name: str, child: Child, address: Address, target_port: int, home: Path
    ) -> None:
        self.name = name
        self._child = child
        self._address = address
        self._home = home
        self.address = self.at(target_port)
        self.stopped = False

    def at(self, port: int) -> tuple[str, int]:
        """Return where a port of it is reached."""
        return self._address.ip, outer(port)

    def listening(self) -> Sequence[int]:
        """Return the ports that it listens on for others."""
        return listening(self._address.ip, self._child.pid) if self.exit_code is None else ()

    @property
    def pid(self) -> int:
        """The process id, also that of its group."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a signal counts as 128 plus its number, as in a container."""
        return self._child.exit_code

    @property
    def written(self) -> int:
        """How many lines it has written, kept or not."""
        return self._child.written

    def logs(self) -> Sequence[LogLine]:
        """Return its last lines, newest last."""
        return tuple(self._child.log)

    def usage(self) -> Usage | None:
        """Return what the processes of the replica have used; None once it has ended."""
        try:
            family = psutil.Process(self.pid)
            processes = [family, *family.children(recursive=True)]
            times = [process.cpu_times() for process in processes]
            memory = sum(process.memory_info().rss for process in processes)
        except psutil.Error:
            return None
        return Usage(sum(time.user + time.system for time in times), memory)

    async def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return await self._child.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after *grace_s* seconds; its log stays readable."""
        await self._child.stop(grace_s=grace_s)
        self._address.release()
        shutil.rmtree(self._home, ignore_errors=True)
        self.stopped = True


class ProcessRuntime:
    """Runs images of *images* as processes; a `seams.Runtime`.

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
        image: Image,
        command: Sequence[str],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        target_port: int,
    ) -> ProcessReplica:
        """Start one replica; see `seams.Runtime.start`.

        Raises:
            RuntimeError: it cannot even start.
        """
        root = await self._unpacked(image)
        self._started += 1
        home = self._directory / "replicas" / str(self._started)
        home.mkdir(parents=True)
        cwd = root / image.working_directory.lstrip("/")
        cwd.mkdir(parents=True, exist_ok=True)
        words = Translation(root, self._wrappers(), image.environment.get("PATH", ""))
        argv = words.argv(argv_of(image, command, arguments), cwd)
        inner = words.environment(image.environment, environment, home)
        address = free_address()
        variables = {
            "HOSTNAME": name,
            **inner,
            "LOCAL_AZURE_ADDRESS": f"{address.ip} {lowest_port()}",
            "PYTHONPATH": os.pathsep.join([_SITE, *filter(None, [inner.get("PYTHONPATH")])]),
            "NODE_OPTIONS": f"--require={_SITE}/listen.cjs {inner.get('NODE_OPTIONS', '')}".strip(),
        }
        try:
            child = await start_child(
                argv, leash=self._leash, cwd=cwd, environment=variables, now=self._now
            )
        except OSError as error:
            address.release()
            raise RuntimeError(f"failed to start container process: {error.strerror}") from error
        replica = ProcessReplica(name, child, address, target_port, home)
        self._replicas = [*(one for one in self._replicas if not one.stopped), replica]
        return replica

    async def close(self) -> None:
        """Stop everything that was started and remove what was unpacked."""
        await asyncio.gather(*(one.stop(grace_s=0.0) for one in self._replicas))
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
        """Return the image's folder; whoever comes first unpacks, the others wait."""
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
