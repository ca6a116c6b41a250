"""A circuit breaker, as a value: after some failures in a row nothing is tried for a while.

States and names as in Nygard, "Release It!", chapter 5: closed, open, half-open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

FAILURES = 3
COOL_DOWN_S = 30.0


class State(Enum):
    """Whether the next call is let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One breaker; times are seconds of any clock that only goes forward.

    Args:
        failures: in a row until now.
        opened_at: when it opened; None while it is closed.
        refused: calls that were not tried because it was open.
    """

    failures: int = 0
    opened_at: float | None = None
    refused: int = 0

    def state(self, now: float) -> State:
        """Return its state at *now*; after the cool-down one call is let through."""
        if self.opened_at is None:
            return State.CLOSED
        return State.OPEN if now < self.opened_at + COOL_DOWN_S else State.HALF_OPEN

    def succeeded(self) -> Breaker:
        """Return it after a call that worked."""
        return replace(self, failures=0, opened_at=None)

    def failed(self, now: float) -> Breaker:
        """Return it after a call that failed."""
        count = self.failures + 1
        opened = now if count >= FAILURES or self.opened_at is not None else None
        return replace(self, failures=count, opened_at=opened)

    def refusing(self) -> Breaker:
        """Return it after a call that it did not let through."""
        return replace(self, refused=self.refused + 1)
