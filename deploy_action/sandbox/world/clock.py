"""The sandbox's clock: scaled delays of Azure, and an unscaled date.

Delays of Azure's own (how long an operation takes) are multiplied by the factor. What real programs
need is not scaled as much: `patience` never runs faster than twenty times real time, or an app that
takes half a second to start would count as failed. `advance` moves both forward.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log
from typing import Final

INSTANT: Final = 0.002
REAL: Final = 1.0
_LEAST_PATIENCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Spread:
    """Duration of an operation on Azure: seconds at the 10th, 50th and 90th percentile."""

    p10: float
    median: float
    p90: float

    def sample(self, chance: random.Random) -> float:
        """Draw one duration: logarithmic between the percentiles, the same slope beyond them."""
        level = min(max(chance.random(), 0.02), 0.98)
        low, middle, high = log(self.p10), log(self.median), log(self.p90)
        slope = (middle - low) / 0.4 if level < 0.5 else (high - middle) / 0.4
        return exp(middle + (level - 0.5) * slope)


class Clock:
    """Scaled delays.

    Args:
        factor: real seconds for one of Azure's; 1 is real time.
        seed: makes the drawn durations repeatable.
    """

    def __init__(self, factor: float = INSTANT, seed: int = 0) -> None:
        self._factor = factor
        self._chance = random.Random(seed)  # noqa: S311  durations are no secrets
        self._advanced = 0.0
        self._elapsed, self._read_at = 0.0, time.monotonic()
        self._changed = asyncio.Event()

    @property
    def factor(self) -> float:
        """Real seconds for one of Azure's."""
        return self._factor

    @property
    def elapsed(self) -> float:
        """Azure's seconds since the start, at the pace of `patience`."""
        moment = time.monotonic()
        self._elapsed += (moment - self._read_at) / max(self._factor, _LEAST_PATIENCE)
        self._read_at = moment
        return self._elapsed + self._advanced

    def now(self) -> datetime:
        """Return the date in UTC: the machine's, and by how much it was advanced."""
        return datetime.now(UTC) + timedelta(seconds=self._advanced)

    @property
    def minute(self) -> int:
        """The minute of the epoch that `now` is in; for each request, so without a date."""
        return int(time.time() + self._advanced) // 60

    def draw(self, spread: Spread) -> float:
        """Draw a duration in Azure's seconds."""
        return spread.sample(self._chance)

    def set_factor(self, factor: float) -> None:
        """Change the factor, also for delays that are running.

        Raises:
            ValueError: *factor* is negative.
        """
        if factor < 0:
            raise ValueError("the factor must be a number, zero or more")
        _ = self.elapsed  # account for the time so far with the old factor
        self._factor = factor
        self._wake()

    def advance(self, seconds: float) -> None:
        """Move the date and all running delays forward by *seconds*.

        Raises:
            ValueError: *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError("time cannot be turned back")
        self._advanced += seconds
        self._wake()

    async def sleep(self, seconds: float) -> None:
        """Wait for a delay of Azure's own."""
        await self._wait(seconds, 0.0)

    async def patience(self, seconds: float) -> None:
        """Wait as long as Azure would wait for a program; scaled at most twenty times."""
        await self._wait(seconds, _LEAST_PATIENCE)

    async def before(
        self, seconds: float, what: Awaitable[object], *, least: float = _LEAST_PATIENCE
    ) -> bool:
        """Return whether *what* ends within *seconds*; cancel it otherwise.

        Args:
            seconds: of Azure's.
            what: the task to wait for.
            least: the smallest factor to use, even if the clock's factor is smaller.
        """
        task = asyncio.ensure_future(what)
        limit = asyncio.ensure_future(self._wait(seconds, least))
        try:
            await asyncio.wait({task, limit}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
                return True
            return False
        finally:
            task.cancel()
            limit.cancel()

    async def _wait(self, seconds: float, least: float) -> None:
        remaining = seconds
        while remaining > 0:
            factor, advanced, began = max(self._factor, least), self._advanced, time.monotonic()
            changed = self._changed
            if factor == 0:
                await asyncio.sleep(0)
                return
            try:
                await asyncio.wait_for(changed.wait(), remaining * factor)
            except TimeoutError:
                return
            remaining -= (time.monotonic() - began) / factor + (self._advanced - advanced)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
