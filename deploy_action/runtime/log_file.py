"""The log as a file: time, level and component before each line."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path


class LogFile:
    """Appends lines to a file, which it creates with the first one; never raises.

    Args:
        path: returns the file; may raise `OSError`.
        on_failure: called once with the cause if the file cannot be written.
    """

    def __init__(self, path: Callable[[], Path], on_failure: Callable[[str], None]) -> None:
        self._path = path
        self._on_failure = on_failure
        self._lock = threading.RLock()  # a signal handler may log in the middle of a line
        self._file: io.FileIO | None = None
        self._broken = False

    def write(self, level: str, component: str, lines: list[str]) -> None:
        """Append *lines*, without those that are empty."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        begin = f"{now} {level:<7} {component:<9} "
        text = "".join(f"{begin}{line}\n" for line in lines if line.strip())
        with self._lock:
            if self._broken or not text:
                return
            try:
                if self._file is None:
                    self._file = self._path().open("ab", buffering=0)
                self._file.write(text.encode("utf-8", "replace"))
            except OSError as error:
                self._broken = True
                cause = error.strerror or type(error).__name__
            else:
                return
        self._on_failure(cause)

    def close(self) -> None:
        """Close the file."""
        with self._lock, suppress(OSError):
            if self._file:
                self._file.close()
