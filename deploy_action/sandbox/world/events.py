"""The system events of one app: what the platform records about its revisions and replicas.

Reasons, types and texts after recorded records of the event stream: a failed pull and a wrong port
are of type Normal, so readers have to match on the reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

CONTROLLER: Final = "ContainerAppController"
KEDA: Final = "KEDA"
_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """One record."""

    at: datetime
    reason: str
    text: str
    revision: str = ""
    replica: str = ""
    kind: str = "Normal"
    source: str = CONTROLLER
    count: int = 1


class EventLog:
    """The newest records of one app, oldest first."""

    def __init__(self) -> None:
        self._events: deque[SystemEvent] = deque(maxlen=_KEPT)
        self.count = 0

    def __iter__(self) -> Iterator[SystemEvent]:
        return iter(self._events)

    def add(self, event: SystemEvent) -> None:
        """Add a record."""
        self._events.append(event)
        self.count += 1

    def after(self, number: int) -> list[SystemEvent]:
        """Return the records that came after the first *number*, as far as they are kept."""
        fresh = min(self.count - number, len(self._events))
        return list(self._events)[-fresh:] if fresh > 0 else []
