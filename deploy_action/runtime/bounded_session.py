"""A ``requests`` session in which every call has a total deadline and every body a size limit.

``requests`` alone waits per read instead of in total, reads a redirect's body completely, resolves
names and shakes hands without a limit, follows redirects, sends the passwords of ``~/.netrc`` and
keeps cookies. A session of this module does none of that. The Azure SDK uses it as its transport.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import threading
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from deploy_action.runtime.polling import Deadline
from deploy_action.runtime.request_trace import TRACE, describe_request

LONGEST_CONNECT_S = 10.0
_CHUNK = 1 << 14
_WITHOUT_LIMIT_S = 60.0  # for a caller that sets no timeout
_MARGIN_S = 5.0  # the deadline of the call decides, not the timeout of one read
# What `requests` reads for each request, in both cases.
_VARIABLES = [
    spelling(name)
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy")
    for spelling in (str.lower, str.upper)
] + ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
_local = threading.local()


class BodyTooLargeError(requests.RequestException):
    """A response is larger than its limit and cannot be used in part."""


class DeadlineError(requests.exceptions.ReadTimeout):
    """A response was not complete at the deadline."""


class BoundedSession(requests.Session):
    """A session for one kind of server.

    Args:
        body_limit: the most bytes of a body that are read, after decompression.
        cut: whether a longer body is truncated instead of raising an error.
    """

    def __init__(self, *, body_limit: int, cut: bool) -> None:
        super().__init__()
        self.auth = _no_authentication  # keeps requests from looking into ~/.netrc
        adapter = _BoundedAdapter(body_limit=body_limit, cut=cut)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Read the environment once for each server, which takes longer than sending a request."""
        if proxies or self.proxies or self.cert or self.verify is not True:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        parts = urlsplit(url)
        merged = _merged_settings(
            f"{parts.scheme}://{parts.netloc}/", stream, verify, cert, *map(os.getenv, _VARIABLES)
        )
        return {**merged, "proxies": dict(merged["proxies"])}

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Never follow a redirect; return it like any other response."""
        return None


@lru_cache(maxsize=64)
def _merged_settings(
    url: str, stream: Any, verify: Any, cert: Any, *_variables: str | None
) -> dict[str, Any]:
    """Return what `requests` takes from the environment for a server; called once for each."""
    return dict(requests.Session().merge_environment_settings(url, {}, stream, verify, cert))


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _BoundedAdapter(HTTPAdapter):
    """Runs each call in a separate thread, which is abandoned at the deadline."""

    def __init__(self, *, body_limit: int, cut: bool) -> None:
        self._body_limit = body_limit
        self._cut = cut
        super().__init__(pool_maxsize=32)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        manager = super().proxy_manager_for(*args, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(  # noqa: PLR0917  signature of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send *request*; the second part of *timeout* is the limit of the whole call."""
        total_s = float((timeout[1] if isinstance(timeout, tuple) else timeout) or _WITHOUT_LIMIT_S)
        deadline = Deadline(total_s)

        def exchange() -> requests.Response:
            limits = (min(total_s, LONGEST_CONNECT_S), total_s + _MARGIN_S)
            response = super(_BoundedAdapter, self).send(
                request, True, limits, verify, cert, proxies
            )
            return self._read(response, deadline)

        sent = describe_request(request.method or "", request.url or "")
        with TRACE.measured(sent) as outcome:
            response = _Call(exchange).result(deadline)
            outcome.append(_outcome(response))
        return response

    def _read(self, response: requests.Response, deadline: Deadline) -> requests.Response:
        """Read the body up to the limit and return the response with that part."""
        body = bytearray()
        with response:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if deadline.passed:
                    raise _too_late(deadline)
                if len(body) > self._body_limit:
                    break
            raw_headers = response.raw.headers
        too_large = len(body) > self._body_limit
        if too_large and not self._cut:
            raise BodyTooLargeError(f"the response is larger than {self._body_limit} bytes")
        del body[self._body_limit :]
        content = bytes(body)
        headers = {
            name: value
            for name, value in raw_headers.items()
            if name.lower() not in {"content-encoding", "transfer-encoding", "content-length"}
        }
        response._content = content  # noqa: SLF001  how requests keeps a body that was read
        response.truncated = too_large  # type: ignore[attr-defined]  # for `http`
        response.raw = urllib3.HTTPResponse(
            body=io.BytesIO(content),
            headers=headers,
            status=response.status_code,
            preload_content=False,
        )
        return response


def _outcome(response: requests.Response) -> str:
    azure_id = response.headers.get("x-ms-request-id", "")
    return f"{response.status_code}" + (azure_id and f" (request id {azure_id})")


class _Call:
    """One request in a daemon thread."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._done = threading.Event()
        self._abandoned = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._response: requests.Response | None = None
        self._error: Exception | None = None

    def result(self, deadline: Deadline) -> requests.Response:
        """Run the request; raises its exception, or `DeadlineError`."""
        threading.Thread(target=self._run, daemon=True, name="http").start()
        in_time = False
        try:
            in_time = self._done.wait(deadline.remaining)
        finally:
            if not in_time:
                self._abandon()
        if in_time and self._error is not None:
            raise self._error
        if in_time and self._response is not None:
            return self._response
        raise _too_late(deadline)

    def uses(self, connection: socket.socket) -> None:
        """Store the connection, so that it can be closed at the deadline."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            # A descriptor of its own: TLS takes over the one that it wraps.
            self._socket = socket.socket(fileno=os.dup(connection.fileno()))
            if self._abandoned:
                self._disconnect()

    def _run(self) -> None:
        _local.call = self
        try:
            self._response = self._exchange()
        except Exception as error:  # noqa: BLE001  raised again by `result`
            self._error = error
        finally:
            _local.call = None
            with self._lock:
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None
            self._done.set()

    def _abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _too_late(deadline: Deadline) -> DeadlineError:
    return DeadlineError(f"no complete response within {deadline.seconds:.0f} s")


def _register(connection: socket.socket | None) -> None:
    call = getattr(_local, "call", None)
    if call is not None and connection is not None:
        call.uses(connection)


class _FinalResponse(http.client.HTTPResponse):
    """Skips every interim response, as ``http.client`` does for 100 alone."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 < status < 200 or status == 101:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _FinalResponse

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _register(connection)
        return connection

    def request(self, *args: Any, **more: Any) -> None:
        _register(self.sock)  # one that is used again
        super().request(*args, **more)


class _SecureConnection(HTTPSConnection):
    response_class = _FinalResponse

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        _register(connection)
        return connection

    def request(self, *args: Any, **more: Any) -> None:
        _register(self.sock)
        super().request(*args, **more)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
