"""One gentle pass over one primary: keys that match go in the round trip of the next question.

A scan may miss keys that come while it runs; a deployment therefore clears once more after the
users have moved. Sizes and pace: measured (single pass, 5000 a question, unlinking piggybacked).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy_action.core.cache_report import SAMPLES
from deploy_action.core.glob import Glob, common_prefix, escaped

_FEWEST, _FIRST, _MOST = 500, 5000, 10_000
_SLOW_S, _QUICK_S = 0.04, 0.01
_TELL_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a clearing ends at the latest.

    Args:
        end: by the monotonic clock.
        keys: how many keys may be removed in all.
    """

    end: float
    keys: int


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
    prefix = escaped(common_prefix(globs))
    remove = _Remover(primary, swept.counts, apart=apart)
    cursor, size, told = 0, _FIRST, time.monotonic()
    while True:
        began = time.monotonic()
        cursor, keys = remove.and_then(
            lambda pipe: pipe.scan(cursor, match=prefix + b"*", count=size)  # noqa: B023  now
        )
        now = time.monotonic()
        size = _next_size(size, now - began)
        swept.seen += len(keys)
        for key in keys:
            for number, glob in enumerate(globs):
                if glob.matches(key):
                    remove.add(number, key)
                    if len(swept.samples[number]) < SAMPLES:
                        swept.samples[number].append(key.decode("utf-8", "replace"))
                    break
        if not cursor:
            remove.rest()
            swept.complete = True
            return swept
        if now > budget.end or sum(swept.counts) + remove.waiting >= budget.keys:
            remove.rest()
            return swept
        if now > told + _TELL_EVERY_S:
            say(f"clearing: {sum(swept.counts)} keys removed so far")
            told = now


class _Remover:
    """Unlinks keys in the round trip of the next question.

    Args:
        client: of one node.
        counts: where removed keys are counted, by pattern.
        apart: one command a key, as a cluster's nodes want it.
    """

    def __init__(self, client: Any, counts: list[int], *, apart: bool) -> None:
        self._client = client
        self._counts = counts
        self._apart = apart
        self._by_pattern: dict[int, list[bytes]] = {}

    def add(self, number: int, key: bytes) -> None:
        """Remove *key*, which pattern *number* matched, next time."""
        self._by_pattern.setdefault(number, []).append(key)

    @property
    def waiting(self) -> int:
        """How many keys go next time."""
        return sum(len(keys) for keys in self._by_pattern.values())

    def and_then(self, ask: Callable[[Any], Any]) -> Any:
        """Remove what was added, ask, and return the answer."""
        pipe = self._client.pipeline(transaction=False)
        numbers = []
        for number, keys in self._by_pattern.items():
            for group in [[key] for key in keys] if self._apart else [keys]:
                pipe.unlink(*group)
                numbers.append(number)
        self._by_pattern = {}
        ask(pipe)
        *removed, answer = pipe.execute()
        for number, count in zip(numbers, removed, strict=True):
            self._counts[number] += int(count)
        return answer

    def rest(self) -> None:
        """Remove what was added last."""
        if self._by_pattern:
            self.and_then(lambda pipe: pipe.ping())


def _next_size(size: int, took: float) -> int:
    """Ask for less when the server was held up, for more when it was quick."""
    if took > _SLOW_S:
        return max(_FEWEST, size // 2)
    return min(_MOST, size * 2) if took < _QUICK_S else size
