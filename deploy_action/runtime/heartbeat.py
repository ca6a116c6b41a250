"""Keeps the log from being silent: a line of progress whenever nothing was written for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable

EVERY_S = 12.0  # people expect a line every 15 s


class Heartbeat:
    """Writes a line from a thread of its own while the log is silent.

    Args:
        write: writes a line to the log.
        silence_s: returns for how long the log has been silent, in seconds.
        describe: returns what the process is doing.
        every_s: the longest silence, in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        silence_s: Callable[[], float],
        describe: Callable[[], str],
        every_s: float = EVERY_S,
    ) -> None:
        self._write = write
        self._silence_s = silence_s
        self._describe = describe
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")

    @classmethod
    def each_second(cls, write: Callable[[str], None], describe: Callable[[], str]) -> Heartbeat:
        """Return one for a terminal, whose changing line is written each second."""
        return cls(write, silence_s=lambda: 1.0, describe=describe, every_s=1.0)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; no line follows."""
        self._stopped.set()
        self._thread.join(1.0)  # it may hang while it writes to a log that is not read

    def _run(self) -> None:
        wait_s = self._every_s
        while not self._stopped.wait(wait_s):
            silence_s = self._silence_s()
            if silence_s >= self._every_s:
                self._write(self._describe())
                silence_s = 0.0
            wait_s = self._every_s - silence_s
