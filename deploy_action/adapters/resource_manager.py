"""Azure Resource Manager without an SDK: one request with the token that the run already has.

For the few calls whose SDK packages would add megabytes to every deployment. No request is retried,
and failures do not raise: without a response, the status is 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from azure.core.exceptions import AzureError

from deploy_action.errors import DeployError
from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential
from deploy_action.runtime.http import HttpClient, RequestError
from deploy_action.runtime.polling import now_utc

ARM = "https://management.azure.com"
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResponse:
    """A response, or the reason why there is none.

    Args:
        status: the HTTP status; 0 without a response.
        body: the JSON object; empty where there is none.
        problem: what Azure says about a refusal, or why there is no response; else empty.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300


class ResourceManager:
    """Sends requests to Resource Manager, and tracks Azure's clock.

    Args:
        token: returns a fresh access token.
    """

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token
        self._http = HttpClient()
        self._offset_s = 0.0

    def get(self, path: str, query: Mapping[str, str]) -> ArmResponse:
        """GET *path*, such as ``/subscriptions/…``."""
        return self._send("GET", path, query, None)

    def post(
        self, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> ArmResponse:
        """POST *body* as JSON to *path*."""
        return self._send("POST", path, query, body or {})

    def put(self, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> ArmResponse:
        """PUT *body* as JSON to *path*; a response that is no object has an empty body."""
        return self._send("PUT", path, query, body)

    def now_s(self) -> float:
        """Return Azure's time in seconds since 1970, as far as responses have shown it.

        Clocks of self-hosted runners may be minutes off, and metrics come in Azure's minutes.
        """
        return now_utc() + self._offset_s

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> ArmResponse:
        url = f"{ARM}{quote(path)}?{urlencode(query, quote_via=quote)}"
        try:
            headers = credential_hosts.bearer(Credential.RESOURCE_MANAGER, self._token(), url)
        except (AzureError, DeployError) as error:
            text = error.message or type(error).__name__
            return ArmResponse(status=0, problem=str(text).partition("\n")[0])
        try:
            if body is None:
                response = self._http.get(url, timeout_s=_TIMEOUT_S, headers=headers)
            else:
                headers["Content-Type"] = "application/json"
                data = json.dumps(body).encode()
                send = self._http.put if method == "PUT" else self._http.post
                response = send(url, timeout_s=_TIMEOUT_S, data=data, headers=headers)
        except RequestError as error:
            return ArmResponse(status=0, problem=f"Azure could not be reached: {error}")
        self._update_time(response.headers.get("date", ""))
        try:
            content = response.json_object()
        except RequestError:
            content = {}
        problem = "" if 200 <= response.status < 300 else _problem(response.status, content)
        return ArmResponse(status=response.status, body=content, problem=problem)

    def _update_time(self, date: str) -> None:
        try:
            # The Date header has whole seconds; on average half a second has passed.
            self._offset_s = parsedate_to_datetime(date).timestamp() + 0.5 - now_utc()
        except (ValueError, TypeError):
            return


def _problem(status: int, body: Mapping[str, Any]) -> str:
    """Return Azure's own text; metrics answer with the bare error, everything else wraps it."""
    error = body.get("error") or body
    if not isinstance(error, dict) or not error.get("message"):
        return f"Azure returned status {status}"
    return f"{error.get('code') or status}: {error['message']}"
