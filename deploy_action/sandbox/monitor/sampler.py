"""Measures replicas, CPU and memory of all revisions, as the platform does in the background."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from deploy_action.sandbox.interfaces import Usage
from deploy_action.sandbox.world import App, Revision, World
from deploy_action.sandbox.world.meter import minute_of
from deploy_action.sandbox.world.model import ReplicaState

_EVERY_S: Final = 1.0
_USAGE_EVERY_S: Final = 5.0
_LONGEST_GAP: Final = 24 * 60  # minutes that are filled after the clock was advanced
_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class GaugeSampler:
    """Samples the gauges of all apps once a second.

    Args:
        world: what exists.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._last_minute: dict[str, int] = {}
        self._cpu: dict[str, tuple[float, float]] = {}
        self._usage_due = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sample."""
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(_EVERY_S)

    def sample(self) -> None:
        """Sample once; minutes that the clock has skipped get the same values."""
        now = minute_of(self._world.clock.now())
        with_usage = time.monotonic() >= self._usage_due
        if with_usage:
            self._usage_due = time.monotonic() + _USAGE_EVERY_S
        apps = list(self._world.apps.values())
        for app in apps:
            last = max(self._last_minute.get(app.verification, now), now - _LONGEST_GAP)
            for revision in app.revisions.values():
                first = max(min(last + 1, now), minute_of(revision.created))
                self._replicas(app, revision, range(first, now + 1))
                if with_usage:
                    self._usage(app, revision, range(first, now + 1))
        self._last_minute = {app.verification: now for app in apps}
        if with_usage:
            running = {item.replica.name for app in apps for item in _replicas(app)}
            self._cpu = {pod: used for pod, used in self._cpu.items() if pod in running}

    def _replicas(self, app: App, revision: Revision, minutes: range) -> None:
        if revision.active or revision.replicas:
            for minute in minutes:
                count = len(revision.replicas)
                app.meter.peak("Replicas", minute, count, revisionName=revision.name)

    def _usage(self, app: App, revision: Revision, minutes: range) -> None:
        cores, memory = _limits(revision.template)
        for item in revision.replicas:
            pod, usage = item.replica.name, item.replica.usage()
            if usage is None:
                continue
            used = self._cores(pod, usage)
            for minute in minutes:
                both = {"revisionName": revision.name, "podName": pod}
                app.meter.add("WorkingSetBytes", minute, usage.memory, **both)
                app.meter.add("MemoryPercentage", minute, 100 * usage.memory / memory, podName=pod)
                if used is not None:
                    app.meter.add("UsageNanoCores", minute, round(used * 1e9), **both)
                    app.meter.add("CpuPercentage", minute, 100 * used / cores, podName=pod)

    def _cores(self, pod: str, usage: Usage) -> float | None:
        """Return how many cores were busy since the last sample; None for a pod's first one."""
        moment = time.monotonic()
        before = self._cpu.get(pod)
        self._cpu[pod] = (moment, usage.cpu_s)
        if before is None or moment <= before[0] or usage.cpu_s < before[1]:
            return None
        return (usage.cpu_s - before[1]) / (moment - before[0])


def _replicas(app: App) -> Iterator[ReplicaState]:
    for revision in app.revisions.values():
        yield from revision.replicas


def _limits(template: dict[str, Any]) -> tuple[float, float]:
    """Return the cores and the bytes that a replica may use."""
    resources = (template.get("containers") or [{}])[0].get("resources") or {}
    memory = str(resources.get("memory") or "1Gi")
    unit = _UNITS.get(memory[-2:], 1)
    number = memory[:-2] if memory[-2:] in _UNITS else memory
    try:
        return float(resources.get("cpu") or 0.5), float(number) * unit
    except ValueError:
        return 0.5, float(2**30)
