"""Clears a cache that only the app can reach, through an HTTP endpoint of the app.

Most production Redis has no public address. The request is a POST with a secret header; the answer
may contain the number of removed keys.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from deploy_action.core.cache.patterns import Glob
from deploy_action.core.cache.stats import Cleared, PatternCleared
from deploy_action.errors import DeployError, InputError
from deploy_action.runtime.http import HttpClient, RequestError, Response

_COUNTS = ("removed", "deleted", "cleared", "count")


class EndpointError(DeployError):
    """The app's endpoint did not clear its cache; the message quotes the response."""


class CacheEndpoint:
    """The app's own endpoint.

    Args:
        url: where to post.
        header: name and value of the secret header; empty texts for none.
        body: template; ``{patterns}`` becomes a JSON list.
        allow_flush: whether a pattern may match every key.
        timeout_s: how long one answer may take, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        header: tuple[str, str] = ("", ""),
        body: str,
        allow_flush: bool = False,
        timeout_s: float = 60.0,
    ) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if header[0]:
            self._headers[header[0]] = header[1]
        self._body = body
        self._allow_flush = allow_flush
        self._timeout_s = timeout_s

    def use_shutdown_timeouts(self) -> None:
        """Use time-outs of two seconds from now on, because the job is being cancelled."""
        self._timeout_s = min(self._timeout_s, 2.0)

    def clear(self, patterns: Sequence[str]) -> Cleared:
        """Remove every key that matches one of *patterns*.

        Raises:
            InputError: a pattern would empty the database, and that was not allowed.
            EndpointError: there was no response, or an error.
        """
        for pattern in patterns:
            if Glob.of(pattern).matches_everything and not self._allow_flush:
                raise InputError(
                    f"Input cache-patterns: '{pattern}' matches every key of the database.",
                    hint="Use a narrower pattern, or set cache-allow-flush: true.",
                )
        body = self._body.replace("{patterns}", json.dumps(list(patterns)))
        try:
            response = HttpClient().post(
                self._url, timeout_s=self._timeout_s, data=body.encode(), headers=self._headers
            )
        except RequestError as error:
            raise EndpointError(
                f"The app's cache endpoint did not respond: {error}.",
                hint="Check cache-endpoint, and that the serving revision has it.",
            ) from None
        if not 200 <= response.status < 300:
            hints = {
                401: "Check the secret in cache-endpoint-header.",
                403: "Check the secret in cache-endpoint-header.",
                404: "Check cache-endpoint; the serving revision may not have it yet.",
            }
            raise EndpointError(
                f"The app's cache endpoint returned status {response.status}.",
                hint=hints.get(response.status, "Check the app's log."),
            )
        return _counted(patterns, response)


def _counted(patterns: Sequence[str], response: Response) -> Cleared:
    """Read how many keys were removed: one number, or one per pattern; 0 if unknown."""
    try:
        value = response.json_object() if response.body else {}
    except RequestError:
        value = {}
    removed = next((value[name] for name in _COUNTS if name in value), 0)
    if isinstance(removed, dict):
        counts = [_number(removed.get(pattern)) for pattern in patterns]
    else:
        counts = [_number(removed), *([0] * (len(patterns) - 1))]
    return Cleared(
        patterns=tuple(
            PatternCleared(pattern=pattern, removed=count)
            for pattern, count in zip(patterns, counts, strict=True)
        ),
        complete=True,
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
