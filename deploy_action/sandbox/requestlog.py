"""The log of all requests to the sandbox, so that tests can limit their number."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any, Final

_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request: seconds since the log started, host, method, path and status."""

    at: float
    host: str
    method: str
    path: str
    status: int


class RequestLog:
    """The newest requests, and counts of all."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._newest: deque[LoggedRequest] = deque(maxlen=_KEPT)
        self._counts: Counter[str] = Counter()

    def add(self, host: str, method: str, path: str, status: int) -> None:
        """Log one request; status 0 means that there was no response."""
        at = round(time.monotonic() - self._began, 4)
        self._newest.append(LoggedRequest(at, host, method, path, status))
        self._counts[host] += 1

    def counts(self) -> dict[str, int]:
        """Return the number of requests to each host."""
        return dict(self._counts)

    def newest(self) -> list[dict[str, Any]]:
        """Return the newest requests, oldest first."""
        return [asdict(item) for item in self._newest]
