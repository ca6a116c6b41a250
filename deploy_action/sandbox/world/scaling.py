"""Scaling between minReplicas and maxReplicas, by requests, CPU, memory and schedules.

Source: "Set scaling rules in Azure Container Apps": an app with an ingress and no rules has an HTTP
rule of 10 concurrent requests; their number is that of the last 15 seconds, divided by 15. The
highest rule decides. The app scales up at once, down after 300 seconds below the target, and to
zero after the cool-down. Other rules (queues, topics) never add a replica here.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deploy_action.sandbox.interfaces import ImageNotFound
from deploy_action.sandbox.world.clock import Clock
from deploy_action.sandbox.world.cron import between
from deploy_action.sandbox.world.model import SCALED_TO_ZERO, App, ReplicaState, Revision
from deploy_action.sandbox.world.notes import scaled_to_zero

WINDOW_S: Final = 15.0
STABLE_S: Final = 300.0
COOL_DOWN_S: Final = 300.0  # KEDA's default, which Container Apps documents
_LEAST_STEP: Final = 4
_DEFAULT_RULES: Final[tuple[dict[str, Any], ...]] = ({"http": {"metadata": {}}},)
_UNITS: Final = {"Gi": 2**30, "Mi": 2**20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The inputs of the scale rules.

    Args:
        concurrency: requests of the last 15 seconds, divided by 15.
        cpu: percent of the requested CPU that is in use, the average of all replicas.
        memory: likewise of the memory.
        replicas: how many there are.
        now: the date.
    """

    concurrency: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    replicas: int = 1
    now: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """The least and the most replicas, and the seconds without load before zero."""

    least: int
    most: int
    cool_down_s: float

    @classmethod
    def of(cls, template: Mapping[str, Any]) -> Limits:
        """Read a template's scale."""
        scale = template.get("scale") or {}
        return cls(
            int(scale.get("minReplicas") or 0),
            max(1, int(scale.get("maxReplicas") or 10)),
            float(scale.get("cooldownPeriod") or COOL_DOWN_S),
        )


def desired(template: Mapping[str, Any], load: Load, *, has_ingress: bool) -> int:
    """Return how many replicas the rules require, within the limits of the template."""
    scale, limits = template.get("scale") or {}, Limits.of(template)
    rules = scale.get("rules") or (_DEFAULT_RULES if has_ingress else ())
    count = max((_by_rule(rule, load) for rule in rules), default=0)
    return min(max(count, limits.least), limits.most)


def _by_rule(rule: Mapping[str, Any], load: Load) -> int:
    if (http := rule.get("http") or rule.get("tcp")) is not None:
        metadata = http.get("metadata") or {}
        target = metadata.get("concurrentRequests") or metadata.get("concurrentConnections")
        return math.ceil(load.concurrency / max(1.0, float(target or 10)))
    custom = rule.get("custom") or {}
    metadata = custom.get("metadata") or {}
    match str(custom.get("type", "")).lower():
        case "cpu":
            return _by_usage(load.cpu, metadata, load)
        case "memory":
            return _by_usage(load.memory, metadata, load)
        case "cron":
            return _by_schedule(metadata, load)
    return 0


def _by_usage(percent: float, metadata: Mapping[str, Any], load: Load) -> int:
    """At least one: KEDA cannot scale to zero by CPU or memory."""
    target = float(metadata.get("value") or 80)
    return max(1, math.ceil(load.replicas * percent / max(1.0, target)))


def _by_schedule(metadata: Mapping[str, Any], load: Load) -> int:
    try:
        moment = load.now.astimezone(ZoneInfo(str(metadata.get("timezone") or "UTC")))
        if between(str(metadata.get("start")), str(metadata.get("end")), moment):
            return int(metadata.get("desiredReplicas") or 1)
    except (ValueError, ZoneInfoNotFoundError):
        pass  # KEDA logs it and ignores the rule
    return 0


class Scaler:
    """Adds and removes the replicas of one revision.

    Args:
        app: whose revision it is.
        revision: the revision to scale.
        clock: scales delays.
        add: starts a replica.
        remove: stops one in the background, after its running requests.
    """

    def __init__(
        self,
        app: App,
        revision: Revision,
        *,
        clock: Clock,
        add: Callable[[], Awaitable[ReplicaState]],
        remove: Callable[[ReplicaState], None],
    ) -> None:
        self._app = app
        self._revision = revision
        self._clock = clock
        self._add = add
        self._remove = remove
        self._limits = Limits.of(revision.template)
        self._counted = revision.requests
        self._cpu: tuple[float, float] | None = None
        self._below_since = self._busy_at = clock.elapsed

    async def run(self) -> None:
        """Evaluate the rules every 15 seconds, and when a request wakes a revision from zero."""
        revision = self._revision
        while True:
            looked_at = self._clock.elapsed
            if revision.requests == self._counted:
                revision.wanted.clear()
            if revision.running_state == SCALED_TO_ZERO:
                await self._clock.before(WINDOW_S, revision.wanted.wait())
            else:
                await self._clock.patience(WINDOW_S)
            load = self._load(self._clock.elapsed - looked_at)
            count = desired(revision.template, load, has_ingress=self._app.ingress is not None)
            if revision.running_state == SCALED_TO_ZERO:
                if count:
                    await self._wake()
            elif revision.health_state == "Healthy":
                await self._to(count)

    async def _to(self, count: int) -> None:
        revision, now = self._revision, self._clock.elapsed
        current = len(revision.replicas)
        if count:
            self._busy_at = now
        if count >= current:
            self._below_since = now
        if count > current:
            await self._grow(min(count, current + max(_LEAST_STEP, current)))
        elif count == 0 and now - self._busy_at >= self._limits.cool_down_s:
            scaled_to_zero(self._app, revision, self._clock.now())
            revision.running_state, revision.health_state = SCALED_TO_ZERO, "None"
            self._shrink(0)
        elif count < current and now - self._below_since >= STABLE_S:
            self._shrink(max(1, count))

    async def _grow(self, count: int) -> None:
        with contextlib.suppress(RuntimeError, ImageNotFound):
            while len(self._revision.replicas) < count:
                self._revision.replicas.append(await self._add())
        self._revision.changed.set()

    def _shrink(self, count: int) -> None:
        for item in self._revision.replicas[count:]:
            self._remove(item)
        self._revision.changed.set()

    async def _wake(self) -> None:
        self._revision.running_state = "Activating"
        self._below_since = self._busy_at = self._clock.elapsed
        await self._grow(1)

    def _load(self, window_s: float) -> Load:
        revision = self._revision
        new, self._counted = revision.requests - self._counted, revision.requests
        cpu, memory = self._usage()
        return Load(
            concurrency=new / max(window_s, 1.0),
            cpu=cpu,
            memory=memory,
            replicas=len(revision.replicas),
            now=self._clock.now(),
        )

    def _usage(self) -> tuple[float, float]:
        """Return percent of CPU and memory; real programs use real seconds."""
        rules = (self._revision.template.get("scale") or {}).get("rules") or ()
        kinds = {str((rule.get("custom") or {}).get("type", "")).lower() for rule in rules}
        if not kinds & {"cpu", "memory"} or not self._revision.replicas:
            return 0.0, 0.0
        usages = [usage for item in self._revision.replicas if (usage := item.replica.usage())]
        moment, used = time.monotonic(), sum(usage.cpu_s for usage in usages)
        before, self._cpu = self._cpu, (moment, used)
        cores, memory = _requested(self._revision.template)
        percent = 0.0
        if before and used >= before[1] and moment > before[0]:
            percent = 100 * (used - before[1]) / (moment - before[0]) / cores / len(usages)
        total = sum(usage.memory for usage in usages)
        return percent, 100 * total / memory / max(1, len(usages))


def _requested(template: Mapping[str, Any]) -> tuple[float, float]:
    """Return the cores and bytes that a replica's containers request."""
    cores = size = 0.0
    for container in template["containers"]:
        resources = container.get("resources") or {}
        memory = str(resources.get("memory") or "1Gi")
        cores += float(resources.get("cpu") or 0.5)
        size += float(memory.rstrip("GiM")) * _UNITS.get(memory[-2:], 1)
    return cores, size
