"""Samples the state twice a second; cache and repositories only while the page is open."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from deploy_action.sandbox.faults import Faults
from deploy_action.sandbox.live.history import History
from deploy_action.sandbox.services.git import run_git
from deploy_action.sandbox.world import App, Operation, World

_EVERY_S: Final = 0.5
_WATCHED_S: Final = 15.0  # after the last request of the page, or the last note
_OPERATIONS: Final = 200
_MOST_KEYS: Final = 20_000


class Sampler:
    """Fills a history.

    Args:
        history: receives the samples.
        world: apps and operations.
        faults: the scripted faults.
        redis_url: of the cache.
        repository: the sandbox's own git remote.
    """

    def __init__(
        self, history: History, *, world: World, faults: Faults, redis_url: str, repository: Path
    ) -> None:
        self.history = history
        self._world = world
        self._faults = faults
        self._redis_url = redis_url
        self._heads: dict[Path, str] = {repository: ""}
        self._answered: dict[str, Counter[tuple[str, str]]] = {}
        self._states: dict[tuple[str, str], str] = {}
        self._reported_hits: Counter[tuple[int, str]] = Counter()
        self._commits: set[tuple[Path, str]] = set()
        self._keys: dict[str, int] = {}
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    def start(self) -> None:
        """Start sampling."""
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def watched(self) -> None:
        """Also sample cache and repositories for the next seconds."""
        self._until = time.monotonic() + _WATCHED_S

    def watch(self, repository: Path) -> None:
        """Also sample another remote."""
        self._heads.setdefault(repository, "")

    async def sample(self) -> None:
        """Sample once."""
        async with self._looking:
            if time.monotonic() < self._until:
                await asyncio.gather(self._count_keys(), *map(self._read_log, list(self._heads)))
            self._look_at_operations()
            self._look_at_faults()
            apps = [self._app(app) for app in self._world.apps.values()]
            self.history.add_frame({"apps": apps, "cache": self._keys})

    async def _run(self) -> None:
        while True:
            await self.sample()
            await asyncio.sleep(_EVERY_S)

    # -- Azure ---------------------------------------------------------------------------------

    def _app(self, app: App) -> dict[str, Any]:
        now: Counter[tuple[str, str]] = Counter()
        for (host, who, status), times in app.answered.items():
            kind = "probes" if host != app.host() else "ok" if 0 < status < 500 else "failed"
            now[who, kind] += times
        before = self._answered.get(app.name, Counter())
        self._answered[app.name] = now
        fresh = now - before
        for revision in app.revisions.values():
            where = (app.name, revision.name)
            if self._states.get(where) != revision.running_state:
                self._states[where] = revision.running_state
                self.history.add_event("revision", f"{revision.name}: {revision.running_state}")
        return {
            "name": app.name,
            "url": f"https://{app.host()}" if app.ingress else "",
            "state": app.state,
            "revisions": [
                {
                    "name": revision.name,
                    "active": revision.active,
                    "running": revision.running_state,
                    "health": revision.health_state,
                    "weight": app.weight(revision.name),
                    "labels": app.labels(revision.name),
                    "replicas": len(revision.replicas),
                }
                for revision in app.revisions.values()
            ],
            "answers": [
                {
                    "revision": who,
                    "ok": now[who, "ok"],
                    "failed": now[who, "failed"],
                    "probes": now[who, "probes"],
                    "fresh": fresh[who, "ok"] + fresh[who, "failed"],
                    "fresh_probes": fresh[who, "probes"],
                }
                for who in dict.fromkeys(name for name, _ in now)
            ],
        }

    def _look_at_operations(self) -> None:
        newest = list(self._world.operations.values())[-_OPERATIONS:]
        self.history.operations = [self._operation(operation) for operation in newest]

    def _operation(self, operation: Operation) -> dict[str, Any]:
        return {
            "t": self.history.at(operation.began),
            "app": operation.app,
            "what": operation.what,
            "status": operation.status,
            "problem": operation.problem.message if operation.problem else "",
            "took": None
            if operation.ended is None
            else round(operation.ended - operation.began, 2),
        }

    def _look_at_faults(self) -> None:
        for number, fault in enumerate(self._faults.describe()):
            name = fault["name"] or fault["path"]
            if fault["hits"] > self._reported_hits[number, name]:
                self._reported_hits[number, name] = fault["hits"]
                self.history.add_event(
                    "fault", f"fault '{name}' injected {fault['hits']} times so far"
                )

    # -- the cache and the repositories ----------------------------------------------------------

    async def _count_keys(self) -> None:
        """Count the keys by prefix."""
        from redis import RedisError  # noqa: PLC0415  loaded when the page is opened first
        from redis.asyncio import Redis  # noqa: PLC0415  as above

        kinds: Counter[str] = Counter()
        with contextlib.suppress(RedisError, OSError):
            async with Redis.from_url(self._redis_url) as client:
                async for key in client.scan_iter(count=1000):
                    kinds[bytes(key).partition(b":")[0].decode("utf-8", "replace")] += 1
                    if kinds.total() >= _MOST_KEYS:
                        break
            self._keys = dict(sorted(kinds.items()))

    async def _read_log(self, repository: Path) -> None:
        """Record commits that were on no branch at the last sample."""
        newest = _branches(repository)
        before, self._heads[repository] = self._heads[repository], newest
        if newest == before:
            return
        words = ("log", "--branches", "-n", "20", "--format=%h%x09%an%x09%s")
        _, output, _ = await run_git(repository, *words)
        for line in reversed(output.decode("utf-8", "replace").splitlines()):
            commit, author, subject = line.split("\t", 2)
            if (repository, commit) not in self._commits:
                self._commits.add((repository, commit))
                self.history.add_event("commit", subject, commit=commit, author=author)


def _branches(repository: Path) -> str:
    """Return a value that changes when a branch changes, without running git."""
    loose = [file for file in (repository / "refs" / "heads").rglob("*") if file.is_file()]
    files = [*loose, repository / "packed-refs"]
    return "\n".join(sorted(f"{file} {file.read_text('utf-8')}" for file in files if file.exists()))
