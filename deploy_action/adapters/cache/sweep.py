"""One gentle pass over one primary: keys that match go in the round trip of the next question.

A scan may miss keys that come while it runs; a deployment therefore clears once more after the
users have moved. Sizes and pace: measured (single pass, 5000 a question, unlinking piggybacked).
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
        end: by the monotonic clock.
        keys: how many keys may be removed in all.
        tell_every_s: how often progress is told, in seconds.
    """

    end: float
    keys: int
    tell_every_s: float


@dataclass(slots=True)
class Swept:
    """What one pass found so far, by pattern; *complete* once it came to its end."""

    counts: list[int]
    samples: list[list[str]]
    complete: bool = False
    seen: int = 0

    @classmethod
    def nothing(cls, patterns: int) -> Swept:
        """Return it for so many patterns."""
        return cls([0] * patterns, [[] for _ in range(patterns)])


def sweep(
    primary: Any, globs: list[Glob], budget: Budget, *, apart: bool, say: Callable[[str], None]
) -> Swept:
    """Scan one primary to its end, or to the end of the budget.

    Args:
        primary: a client of that one node.
        globs: a key goes for the first that matches it.
        budget: time and number of keys.
        apart: one command a key, as a cluster's nodes want it.
        say: told about progress from time to time.
    """
    swept = Swept.nothing(len(globs))
    which = which_of(globs)
    trips = _Trips(primary, escaped(common_prefix(globs)) + b"*", swept.counts, apart=apart)
    told, link_s = time.monotonic(), trips.link()
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
        if now >= told + budget.tell_every_s:
            say(f"clearing: {count} of {swept.seen} keys removed so far")
            told = now
        if not cursor or now > budget.end or count >= budget.keys:
            trips.unlink(going)
            swept.complete = not cursor
            return swept


class _Trips:
    """Round trips to one node: keys that are to go, and the question for the next ones.

    Args:
        client: of the node.
        pattern: what all keys in question match.
        counts: where removed keys are counted, by the number of their pattern.
        apart: one command a key, as a cluster's nodes want it; found out where it is not known.
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
        """Remove *keys* and ask for more; return the next cursor, what was found, and seconds."""
        began = time.monotonic()
        pipe, groups = self._with(keys)
        pipe.scan(cursor, match=self._pattern, count=size)
        *removed, (cursor, found) = self._sent(pipe)
        took = time.monotonic() - began
        self._count(groups, removed)
        return cursor, found, took

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
    """Ask for less when the server was held up, for more when it was quick.

    Args:
        size: how many keys it was asked to look at.
        took: seconds, without those of the link.
        link_s: seconds of the link; where they are many, questions are few.
    """
    if took > _SLOW_S:
        return max(_FEWEST, size // 2)
    most = _MOST_NEAR if link_s < _NEAR_S else _MOST_FAR
    return min(most, size * 2)
