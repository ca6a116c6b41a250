"""The door to the http: one GET or POST with a total deadline, a body cap and no redirects.

``requests`` alone would follow a sign-in redirect to a false 200, wait per read instead of in
total, and take in a body of any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import requests

from deploy_action.runtime.polling import Deadline

BODY_CAP = 1 << 20
USER_AGENT = "deploy-action"
_SLOWEST_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer. *body* holds at most 1 MiB; *headers* are keyed in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes."""
        return self.body.decode("utf-8", "replace")


class RequestError(Exception):
    """No complete answer came; the message is a short cause without the URL (it may be secret)."""


class HttpClient:
    """A session that keeps connections; one per thread."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT

    def get(
        self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Response:
        """GET *url* within *timeout_s* seconds in all.

        Raises:
            RequestError: refused, unresolved, too slow, broken off, or not trusted.
        """
        return self._send("GET", url, timeout_s, headers, None)

    def post(
        self,
        url: str,
        *,
        timeout_s: float,
        data: Mapping[str, str] | bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """POST a form or bytes within *timeout_s* seconds in all; raises `RequestError`."""
        return self._send("POST", url, timeout_s, headers, data)

    def put(
        self, url: str, *, timeout_s: float, data: bytes, headers: Mapping[str, str]
    ) -> Response:
        """PUT bytes to *url* within *timeout_s* seconds in all; raises `RequestError`."""
        return self._send("PUT", url, timeout_s, headers, data)

    def _send(
        self,
        method: str,
        url: str,
        timeout_s: float,
        headers: Mapping[str, str] | None,
        data: Mapping[str, str] | bytes | None,
    ) -> Response:
        deadline = Deadline(timeout_s)
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                data=data,
                timeout=(min(timeout_s, _SLOWEST_CONNECT_S), timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = bytearray()
                for chunk in response.iter_content(1 << 14):
                    body += chunk
                    if deadline.passed:
                        raise RequestError(f"the answer was not complete after {timeout_s:.0f} s")
                    if len(body) >= BODY_CAP:
                        break
                kept = {name.lower(): value for name, value in response.headers.items()}
                return Response(
                    status=response.status_code, headers=kept, body=bytes(body[:BODY_CAP])
                )
        except requests.RequestException as error:
            raise RequestError(_cause(error)) from None


def _cause(error: requests.RequestException) -> str:
    """Return the kind of failure; the library's own text would repeat the URL."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if "resolve" in str(error).lower():
        return "the host name does not resolve"
    if isinstance(error, requests.ConnectionError):
        return "the connection was refused or broken off"
    return f"the request failed ({type(error).__name__})"
