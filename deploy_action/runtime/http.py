"""HTTP client: one request with a total deadline, a size limit and no redirects.

A client that follows redirects mistakes a sign-in page for a healthy app; a timeout per read lets
a slow server hold a deployment for hours. See `bounded_session` for the other limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3.exceptions

from deploy_action.runtime.bounded_session import (
    BodyTooLargeError,
    BoundedSession,
    DeadlineError,
)

BODY_LIMIT = 1 << 20
USER_AGENT = "deploy-action"
_MOST_VALUES = 200_000  # in one JSON text: each costs up to a hundred bytes of memory


class RequestError(Exception):
    """There is no usable response.

    The message is a short cause without the URL, which may be a secret.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response. *headers* are keyed in lower case.

    Args:
        body: at most as long as the client's limit.
        truncated: whether the body was longer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False

    @property
    def text(self) -> str:
        """The body as text; undecodable bytes are replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            RequestError: it is not valid JSON, or too large or too deeply nested.
        """
        if self.truncated:
            raise RequestError("the response is too large")
        try:
            return parse_json(self.body)
        except ValueError as error:
            raise RequestError(f"the response is not valid JSON ({error})") from None

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object; raises `RequestError` for anything else."""
        value = self.json()
        if not isinstance(value, dict):
            raise RequestError(f"the response is a JSON {_kind(value)}, expected an object")
        return value


def parse_json(body: bytes) -> Any:
    """Parse JSON from another program.

    Raises:
        ValueError: it is not valid JSON, or too large or too deeply nested to be read safely.
    """
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) > _MOST_VALUES:
        raise ValueError("too many values")
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except ValueError as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"syntax error{where}") from None


class HttpClient:
    """Sends requests; keeps connections open; safe to use from several threads.

    Args:
        body_limit: how many bytes of a body are read; the rest is cut off.
    """

    def __init__(self, *, body_limit: int = BODY_LIMIT) -> None:
        self._session = BoundedSession(body_limit=body_limit, cut=True)
        self._session.headers["User-Agent"] = USER_AGENT

    def get(
        self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Response:
        """GET *url* within *timeout_s* seconds in all.

        Raises:
            RequestError: connection refused or lost, DNS failure, time-out, or TLS failure.
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
        """PUT bytes within *timeout_s* seconds in all; raises `RequestError`."""
        return self._send("PUT", url, timeout_s, headers, data)

    def patch(
        self, url: str, *, timeout_s: float, data: bytes, headers: Mapping[str, str]
    ) -> Response:
        """PATCH bytes within *timeout_s* seconds in all; raises `RequestError`."""
        return self._send("PATCH", url, timeout_s, headers, data)

    def _send(
        self,
        method: str,
        url: str,
        timeout_s: float,
        headers: Mapping[str, str] | None,
        data: Mapping[str, str] | bytes | None,
    ) -> Response:
        try:
            response = self._session.request(
                method, url, headers=headers, data=data, timeout=timeout_s, allow_redirects=False
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise RequestError(_cause(error)) from None
        except (ValueError, UnicodeError):  # an address or a header that cannot be sent
            raise RequestError("the URL or a header is not valid") from None
        return Response(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.content,
            truncated=bool(getattr(response, "truncated", False)),
        )


def _cause(error: Exception) -> str:
    """Return the kind of failure; the library's own text would repeat the URL."""
    for kinds, cause in (
        ((DeadlineError,), str(error)),
        ((BodyTooLargeError,), "the response is too large"),
        ((requests.exceptions.SSLError,), "the server's certificate is not trusted"),
        ((requests.exceptions.ProxyError,), "the proxy refused the connection"),
        ((requests.Timeout,), "no response in time"),
        ((requests.exceptions.ContentDecodingError,), "the response cannot be decompressed"),
    ):
        if isinstance(error, kinds):
            return cause
    if "resolve" in str(error).lower():
        return "the host name does not resolve"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was closed in the middle of the response"
    if isinstance(error, requests.ConnectionError):
        return "the connection was refused or closed"
    return f"the request failed ({type(error).__name__})"


def _kind(value: Any) -> str:
    match value:
        case list():
            return "array"
        case str():
            return "string"
        case None:
            return "null"
        case bool():
            return "boolean"
    return "number"
