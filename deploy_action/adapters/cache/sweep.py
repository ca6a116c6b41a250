"""Scans one primary and deletes matching keys; each delete is pipelined with the next SCAN.

A scan may miss keys that are written while it runs; a deployment therefore clears again after
the promotion. Batch sizes are measured: one pass, 5,000 keys per SCAN, UNLINK pipelined.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ClusterCrossSlotError

from deploy_action.core.cache.patterns import Glob, common_prefix, escaped, which_of
from deploy_action.core.cache.stats import SAMPLES

_FIRST, _FEWEST, _MOST_NEAR, _MOST_FAR = 2000, 500, 2000, 10_000
_NEAR_S, _SLOW_S = 0.002, 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a clearing ends at the latest.

    Args:
        end: deadline by the monotonic clock.
        keys: how many keys may be removed in all.
        progress_interval_s: interval between progress reports, in seconds.
    """

    end: float
    keys: int
    progress_interval_s: float


@dataclass(slots=True)
class Swept:
    """The result of one scan so far, by pattern; *complete* if it reached the end."""

    counts: list[int]
    samples: list[list[str]]
    complete: bool = False
    seen: int = 0

    @classmethod
    def nothing(cls, patterns: int) -> Swept:
        """Return an empty result for *patterns* patterns."""
        return cls([0] * patterns, [[] for _ in range(patterns)])


def sweep(
    primary: Any, globs: list[Glob], budget: Budget, *, apart: bool, say: Callable[[str], None]
) -> Swept:
    """Scan one primary to its end, or to the end of the budget.

    Args:
        primary: a client of that one node.
        globs: a key counts for the first one that matches it.
        budget: time and number of keys.
        apart: whether to send one command per key, as cluster nodes require.
        say: receives progress messages.
    """
    swept = Swept.nothing(len(globs))
    which = which_of(globs)
    trips = _Pipeline(primary, escaped(common_prefix(globs)) + b"*", swept.counts, apart=apart)
    reported_at, link_s = time.monotonic(), trips.link()
    size = _FIRST
    cursor, going = 0, dict[int, list[bytes]]()
    while True:
        cursor, keys, took = trips.scan(cursor, size, going)
        size = _next_size(size, took - link_s, link_s)
        going = {}
        for key in keys:
            number = which(key)
            if number is not None:
                going.setdefault(number, []).append(key)
        for number, some in going.items():
            samples = swept.samples[number]
            samples += [key.decode("utf-8", "replace") for key in some[: SAMPLES - len(samples)]]
        swept.seen += len(keys)
        now, count = time.monotonic(), sum(swept.counts)
        if now >= reported_at + budget.progress_interval_s:
            say(f"clearing: {count} of {swept.seen} keys removed so far")
            reported_at = now
        if not cursor or now > budget.end or count >= budget.keys:
            trips.unlink(going)
            swept.complete = not cursor
            return swept


class _Pipeline:
    """Sends pipelines to one node: UNLINK for found keys, and SCAN for the next ones.

    Args:
        client: of the node.
        pattern: the pattern of the SCAN.
        counts: the number of removed keys by pattern index.
        apart: whether to send one command per key; set when the server requires it.
    """

    def __init__(self, client: Any, pattern: bytes, counts: list[int], *, apart: bool) -> None:
        self._client = client
        self._pattern = pattern
        self._counts = counts
        self._apart = apart

    def link(self) -> float:
        """Return how long a round trip takes, in seconds."""
        self._client.ping()  # connects
        began = time.monotonic()
        self._client.ping()
        return time.monotonic() - began

    def scan(
        self, cursor: int, size: int, keys: dict[int, list[bytes]]
    ) -> tuple[int, list[bytes], float]:
        """Remove *keys* and scan on; return the next cursor, the keys found, and seconds."""
        began = time.monotonic()
        pipe, groups = self._with(keys)
        pipe.scan(cursor, match=self._pattern, count=size)
        *removed, (cursor, matches) = self._sent(pipe)
        took = time.monotonic() - began
        self._count(groups, removed)
        return cursor, matches, took

    def unlink(self, keys: dict[int, list[bytes]]) -> None:
        """Remove *keys*, by the number of their pattern."""
        if keys:
            pipe, groups = self._with(keys)
            self._count(groups, self._sent(pipe))

    def _with(self, keys: dict[int, list[bytes]]) -> tuple[Any, list[tuple[int, list[bytes]]]]:
        groups = [
            (number, group)
            for number, some in keys.items()
            for group in ([[key] for key in some] if self._apart else [some])
        ]
        pipe = self._client.pipeline(transaction=False)
        for _, group in groups:
            pipe.unlink(*group)
        return pipe, groups

    @staticmethod
    def _sent(pipe: Any) -> list[Any]:
        replies = list(pipe.execute(raise_on_error=False))
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, ClusterCrossSlotError):
                raise reply
        return replies

    def _count(self, groups: list[tuple[int, list[bytes]]], removed: list[Any]) -> None:
        refused: dict[int, list[bytes]] = {}
        for (number, group), reply in zip(groups, removed, strict=True):
            if isinstance(reply, ClusterCrossSlotError):
                refused[number] = group
            else:
                self._counts[number] += int(reply)
        if refused:
            self._apart = True  # many slots behind one endpoint: active-active Azure Redis
            self.unlink(refused)


def _next_size(size: int, took: float, link_s: float) -> int:
    """Return a smaller batch size if the server was slow, a larger one if it was fast.

    Args:
        size: the batch size of the last SCAN.
        took: seconds of the last SCAN, without the round trip.
        link_s: seconds of a round trip; a slow link gets larger batches.
    """
    if took > _SLOW_S:
        return max(_FEWEST, size // 2)
    most = _MOST_NEAR if link_s < _NEAR_S else _MOST_FAR
    return min(most, size * 2)
