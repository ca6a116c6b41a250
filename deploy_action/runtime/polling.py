"""Waiting and polling: every wait has a deadline and a description, and can be interrupted.

A signal interrupts a wait: it raises `CancelledError` (see `signals`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from deploy_action.errors import DeployError

Found = TypeVar("Found")

monotonic = time.monotonic


class PollTimeoutError(DeployError):
    """A wait reached its deadline; the message has its subject and the last state."""


class Deadline:
    """A point in time that several waits share.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - monotonic())

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining == 0.0


_descriptions: list[Callable[[], str]] = []  # of the waits in progress, the newest last


@contextmanager
def waiting(describe: Callable[[], str]) -> Iterator[None]:
    """Name what the block waits for, for the log's lines of progress.

    Args:
        describe: returns the present state, such as "health: 3 of 5 checks passed".
    """
    _descriptions.append(describe)
    try:
        yield
    finally:
        _descriptions.remove(describe)


def waits_for() -> str:
    """Return what the process waits for now; empty if that is unknown."""
    newest = _descriptions[-1:]  # another thread may remove it at any moment
    return newest[0]() if newest else ""


def now_utc() -> float:
    """Return seconds since 1970, for journals that other machines read."""
    return time.time()


def in_utc(moment: float) -> str:
    """Return seconds since 1970 as ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def pause(seconds: float) -> None:
    """Wait; a signal ends it at once by raising `CancelledError`."""
    if seconds > 0:
        time.sleep(seconds)


def backoff(first: float, most: float) -> Iterator[float]:
    """Yield pauses in seconds that double up to *most*, each with up to a quarter of jitter."""
    length = first
    while True:
        yield length * random.uniform(0.75, 1.0)  # noqa: S311  jitter, not a secret
        length = min(length * 2, most)


def poll_until(
    probe: Callable[[], tuple[Found | None, str]],
    *,
    what: str,
    deadline: Deadline,
    first: float = 0.1,
    most: float = 2.0,
) -> Found:
    """Call *probe* until it returns a result, and return that.

    Args:
        probe: returns the result or None, and a description of the current state.
        what: the subject of the wait; completes "waiting for …".
        deadline: when to give up.
        first: the first pause in seconds; the following ones double.
        most: the longest pause in seconds.

    Raises:
        PollTimeoutError: with the last description.
    """
    state = ""
    with waiting(lambda: f"waiting for {what}" + (state and f": {state}")):
        for length in backoff(first, most):
            result, state = probe()
            if result is not None:
                return result
            if deadline.passed:
                raise PollTimeoutError(
                    f"Timed out after {deadline.seconds:.0f} s waiting for {what}: {state}."
                )
            pause(min(length, deadline.remaining))
    raise AssertionError("pauses never run out")
