"""The log of all requests to the sandbox, so that tests can limit their number."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any, Final

_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
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
        self._newest: deque[Asked] = deque(maxlen=_KEPT)
        self._counts: Counter[str] = Counter()

    def seen(self, host: str, method: str, path: str, status: int) -> None:
        """Note one answer; status 0 means that there was none."""
        at = round(time.monotonic() - self._began, 4)
        self._newest.append(Asked(at, host, method, path, status))
        self._counts[host] += 1

    def counts(self) -> dict[str, int]:
        """Return how many requests each host has got."""
        return dict(self._counts)

    def newest(self) -> list[dict[str, Any]]:
        """Return the newest requests, oldest first."""
        return [asdict(item) for item in self._newest]
