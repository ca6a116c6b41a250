"""Signals: the first one becomes a `CancelledError`, raised where the main thread is.

GitHub's runner sends SIGINT, after 7.5 s SIGTERM, after 10 s SIGKILL. The first signal interrupts
whatever waits. While changes are reverted, and from the first signal on, further ones are only
noted, so that they cannot interrupt the reverting.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from deploy_action.errors import CancelledError, TimeLimitExceededError

# All signals that users may send and that would end the process. SIGALRM is the time limit.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGPWR")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_AGAIN_S = 0.05


@contextmanager
def deferred() -> Iterator[None]:
    """Deliver signals after the body, for a few steps that must not be interrupted.

    Keep the body short: unlike in `SignalGuard.shielded`, a signal is delayed, not just recorded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only interrupt the main thread
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    handled = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in handled:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


class SignalGuard:
    """Installed once per process by `cli`; given to what must not be interrupted."""

    def __init__(self) -> None:
        self.signal_number = 0
        self._shielded = False

    @property
    def cancelled(self) -> bool:
        """Whether a signal was received, raised or only recorded."""
        return self.signal_number != 0

    def install(self) -> None:
        """Handle all signals of `SIGNALS`; only the main thread may."""
        for number in SIGNALS:
            # nohup ignores SIGHUP on purpose.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._cancel)
        self._report_swallowed, sys.unraisablehook = sys.unraisablehook, self._swallowed

    def ignore(self) -> None:
        """Ignore all signals until the process has ended: its exit code is decided."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def limit(self, seconds: float) -> None:
        """Raise `TimeLimitExceededError` after *seconds*; 0 removes the limit."""
        signal.signal(signal.SIGALRM, self._late)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Record signals instead of raising while the body runs."""
        before, self._shielded = self._shielded, True
        try:
            yield
        finally:
            self._shielded = before

    def _late(self, number: int, _frame: FrameType | None) -> None:
        if not self._shielded:
            self._shielded = True
            raise TimeLimitExceededError(number)

    def _cancel(self, number: int, _frame: FrameType | None) -> None:
        first = not self.cancelled
        self.signal_number = self.signal_number or number
        if first and not self._shielded:
            self._shielded = True
            raise CancelledError(number)

    def _swallowed(self, occurrence: Any) -> None:
        """Resend a signal if Python dropped its exception, as in a finalizer."""
        if not isinstance(occurrence.exc_value, CancelledError):
            self._report_swallowed(occurrence)
            return
        number = occurrence.exc_value.signal_number
        self._shielded, self.signal_number = False, 0
        main = threading.main_thread().ident
        if main is not None:
            threading.Timer(_AGAIN_S, signal.pthread_kill, (main, number)).start()
