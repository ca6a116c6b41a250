"""The data of the page: snapshots of the state, and the events between them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

_FRAMES: Final = 2400  # 20 minutes of change at two a second
_EVENTS: Final = 2000


class _Tail:
    """The newest entries of a list that only grows; numbered from its beginning."""

    def __init__(self, most: int) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=most)
        self.count = 0

    def add(self, entry: dict[str, Any]) -> None:
        self._kept.append(entry)
        self.count += 1

    def since(self, number: int) -> list[dict[str, Any]]:
        fresh = self.count - max(number, self.count - len(self._kept))
        return list(self._kept)[-fresh:] if fresh > 0 else []


class History:
    """Snapshots and events, newest last; bounded."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._frames = _Tail(_FRAMES)
        self._events = _Tail(_EVENTS)
        self._last: Mapping[str, Any] = {}
        self.operations: list[dict[str, Any]] = []

    def now(self) -> float:
        """Return the seconds since it began."""
        return self.at(time.monotonic())

    def at(self, moment: float) -> float:
        """Convert a time of the monotonic clock to seconds since the start."""
        return round(moment - self._began, 3)

    def add_frame(self, state: Mapping[str, Any]) -> None:
        """Record a snapshot of the state if it has changed."""
        if state != self._last:
            self._frames.add({"t": self.now(), **state})
            self._last = state

    def add_event(self, kind: str, text: str, **about: Any) -> None:
        """Record an event.

        Args:
            kind: ``chapter``, ``say``, ``run``, ``phase``, ``revision``, ``commit``, ``fault``,
                ``title``, ``result`` (with ``outcome``: ``deployed``, ``aborted`` or ``failed``)
                or ``summary`` (with ``html``).
            text: one line.
            about: more fields for the page.
        """
        self._events.add({"t": self.now(), "kind": kind, "text": text, **about})

    def since(self, frame: int = 0, event: int = 0) -> dict[str, Any]:
        """Return the frames and events after the given numbers, and all operations."""
        return {
            "now": self.now(),
            "frames": self._frames.since(frame),
            "frame": self._frames.count,
            "events": self._events.since(event),
            "event": self._events.count,
            "operations": self.operations,
        }
