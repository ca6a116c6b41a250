"""The last requests, commands and programs of this process, for debugging and for bug reports.

Headers, bodies, keys and values are left out. A path is shown only for hosts whose paths hold no
secret: the address of a webhook is one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

_MOST = 50
_OPEN_HOSTS = (
    "management.azure.com",
    "login.microsoftonline.com",
    "vault.azure.net",
    "azurecr.io",
    "azurecontainerapps.io",
    "api.github.com",
)


class RequestTrace:
    """Keeps the last requests; safe to use from any thread."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_MOST)
        self._lock = threading.Lock()
        self.listener: Callable[[str], None] | None = None  # gets each line at once

    @contextmanager
    def measured(self, what: str) -> Iterator[list[str]]:
        """Record *what* when the block has ended: its duration, and the outcome put in the list.

        An exception that leaves the block is its outcome.
        """
        began, outcome = time.monotonic(), list[str]()
        try:
            yield outcome
        except BaseException as error:
            outcome.append(type(error).__name__)
            raise
        finally:
            milliseconds = (time.monotonic() - began) * 1000
            self.add(f"{what}: {', '.join(outcome) or 'done'}, {milliseconds:.0f} ms")

    def add(self, line: str) -> None:
        """Record a line."""
        with self._lock:  # the log has its own times
            self._lines.append(time.strftime("%H:%M:%SZ ", time.gmtime()) + line)
        if self.listener:
            self.listener(line)

    def recent(self) -> list[str]:
        """Return the last lines, oldest first."""
        with self._lock:
            return list(self._lines)


# One for the process: connections are made in many places.
TRACE = RequestTrace()


def describe_request(method: str, url: str) -> str:
    """Return a request as one line, without anything that may be a secret.

    >>> describe_request("GET", "https://management.azure.com/a?api-version=1&sig=s3cret")
    'GET https://management.azure.com/a?api-version=1&sig=…'
    >>> describe_request("POST", "https://hooks.slack.com/services/T/B/x")
    'POST https://hooks.slack.com/…'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"{method} (an invalid URL)"
    if not any(host == known or host.endswith(f".{known}") for known in _OPEN_HOSTS):
        return f"{method} {parts.scheme}://{host}{port}/…"
    names = [
        f"{name}={value if name == 'api-version' else '…'}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    query = f"?{'&'.join(names)}" if names else ""
    return f"{method} {parts.scheme}://{host}{port}{parts.path}{query}"
