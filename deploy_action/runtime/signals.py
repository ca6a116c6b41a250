"""SIGINT and SIGTERM become one `CancelledError`, raised where the main thread stands.

GitHub's runner sends SIGINT, after 7.5 s SIGTERM, after 10 s SIGKILL. The first one breaks off
whatever waits; once things are being put back, further ones are only noted, so that they cannot
break off the putting back.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy_action.errors import CancelledError, TimeLimitExceededError


class SignalGuard:
    """Installed once per process by `cli`; handed to what must not be broken off."""

    def __init__(self) -> None:
        self.signal_number = 0
        self._held = False

    @property
    def cancelled(self) -> bool:
        """Whether a signal came, told or held."""
        return self.signal_number != 0

    def install(self) -> None:
        """Take over both signals; only the main thread may."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._came)

    def limit(self, seconds: float) -> None:
        """Break the run off by `TimeLimitExceededError` after *seconds*; 0 takes the limit away."""
        signal.signal(signal.SIGALRM, self._late)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def _late(self, number: int, _frame: FrameType | None) -> None:
        if not self._held:
            self._held = True
            raise TimeLimitExceededError(number)

    def _came(self, number: int, _frame: FrameType | None) -> None:
        first = not self.cancelled
        self.signal_number = self.signal_number or number
        if first and not self._held:
            self._held = True
            raise CancelledError(number)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Note signals instead of raising while the body runs, and from the first one on."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
