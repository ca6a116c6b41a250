"""Wait for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Running(Protocol):
    """A process of any kind."""

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""


LIMIT_S = 120.0  # generous: a slow machine must not fail a test


def eventually(probe: Callable[[], Result], what: str, process: Running | None = None) -> Result:
    """Call *probe* until its result is true, and return that result.

    Args:
        probe: cheap, because it is called often.
        what: the expected state, for the message of the failure.
        process: the process that causes it; waiting stops if it exits.
    """
    end = time.monotonic() + LIMIT_S
    while True:
        ended = process is not None and process.poll() is not None
        if result := probe():
            return result
        assert not ended, f"The process ended before: {what}"
        assert time.monotonic() < end, f"Not so within {LIMIT_S:g} s: {what}"
        time.sleep(0.02)
