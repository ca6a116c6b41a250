"""Messages to the receivers, for tests."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from aiohttp import web

_KEPT: Final = 500
_HEADERS: Final = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One request to a receiver.

    Args:
        channel: ``slack``, ``teams`` or ``webhook``.
        path: with the query: the whole address is the secret.
        status: what was answered.
        problem: why it was refused, or for Teams why nothing is shown; empty if all is well.
        body: read as JSON where that is possible, else text.
        headers: those that matter, in lower case.
    """

    channel: str
    host: str
    path: str
    status: int
    problem: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Inbox:
    """The newest messages, oldest first."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=_KEPT)

    def keep(
        self, channel: str, request: web.BaseRequest, raw: bytes, status: int, problem: str
    ) -> None:
        """Keep one request and what was answered."""
        self._messages.append(
            Message(
                channel=channel,
                host=request.host,
                path=request.path_qs,
                status=status,
                problem=problem,
                body=read_json(raw, otherwise=raw.decode("utf-8", "replace")),
                headers={
                    name: request.headers[name] for name in _HEADERS if name in request.headers
                },
            )
        )

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()

    def describe(self) -> list[dict[str, Any]]:
        """Return all messages."""
        return [asdict(message) for message in self._messages]


def read_json(raw: bytes, *, otherwise: Any = None) -> Any:
    """Return what *raw* is as JSON, or *otherwise*."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return otherwise
