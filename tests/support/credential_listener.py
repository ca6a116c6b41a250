"""A proxy that records every request of the action and detects leaked secrets.

It terminates TLS for every host with its own CA, forwards requests for Azure and GitHub to
the sandbox, and answers for all other hosts itself.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import trustme

_TOKEN_FIELDS = ("access_token", "refresh_token", "token", "value")
_AUDIENCES = {
    "management.core.windows.net": ("management.azure.com",),
    "management.azure.com": ("management.azure.com",),
    "containerregistry.azure.net": (".azurecr.io",),
    "AzureADTokenExchange": ("login.microsoftonline.com",),
}


@dataclass(frozen=True, slots=True)
class Request:
    host: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """All of it as text, with decoded forms and basic credentials."""
        lines = [self.path, *(f"{name}: {value}" for name, value in self.headers.items())]
        lines.append(self.body[:100_000].decode("latin-1"))
        encoded = re.findall(r"Basic ([A-Za-z0-9+/=]+)", self.headers.get("Authorization", ""))
        lines += [base64.b64decode(part).decode("latin-1") for part in encoded]
        return "\n".join([*lines, *(unquote(line) for line in lines)])


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answer = Callable[[Request], Response]
Change = Callable[[Request, Response], Response]


@dataclass
class Listener:
    """The recorded requests, and the responses of other hosts.

    Args:
        foreign: answers for hosts that are not the sandbox's.
        change: changes the sandbox's responses.
    """

    foreign: Mapping[str, Answer] = field(default_factory=dict)
    change: Change = lambda _, response: response
    requests: list[Request] = field(default_factory=list)
    secrets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)  # connections that ended early

    def keep(self, secret: str, *hosts: str) -> None:
        """Register a secret and its allowed hosts; a leading dot includes all subdomains."""
        if len(secret) > 8:
            self.secrets.setdefault(secret, hosts)

    def leaks(self) -> list[str]:
        """Return every request with a secret that its host must not receive."""
        leaks = []
        for request in self.requests:
            text = request.text
            for secret, hosts in self.secrets.items():
                allowed = any(
                    request.host.endswith(host) if host.startswith(".") else request.host == host
                    for host in hosts
                )
                if secret in text and not allowed:
                    leaks.append(f"{request.method} {request.host}{request.path[:60]}: {hosts}")
        return leaks

    def learn(self, request: Request, response: Response) -> None:
        """Register the tokens in a response."""
        try:
            values: Any = json.loads(response.body)
        except ValueError:
            return
        for name in _TOKEN_FIELDS if isinstance(values, dict) else ():
            token = values.get(name)
            if isinstance(token, str):
                self.keep(token, *_meant_for(token, request.host))


def _meant_for(token: str, issuer: str) -> tuple[str, ...]:
    """Return the allowed hosts of a token: those of its audience, or its issuer."""
    with contextlib.suppress(ValueError, IndexError):
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        for part, hosts in _AUDIENCES.items():
            if part in str(claims.get("aud")):
                return hosts
    return (issuer,)


@contextmanager
def listening(
    listener: Listener, sandbox: Mapping[str, str], directory: Path
) -> Iterator[Listener]:
    """Run the proxy; a client uses it with `Listener.variables`."""
    authority = trustme.CA()
    bundle = directory / "listener-ca.pem"
    bundle.write_bytes(
        authority.cert_pem.bytes() + Path(sandbox["REQUESTS_CA_BUNDLE"]).read_bytes()
    )
    upstream = urlsplit(sandbox["HTTPS_PROXY"])
    trusted = ssl.create_default_context(cafile=sandbox["REQUESTS_CA_BUNDLE"])

    contexts = _Contexts(authority)

    def answer(request: Request) -> Response:
        if request.host in listener.foreign:
            return listener.foreign[request.host](request)
        line = http.client.HTTPSConnection(
            str(upstream.hostname), upstream.port, context=trusted, timeout=120
        )
        line.set_tunnel(request.host, 443)
        headers = {**request.headers, "Connection": "close"}
        try:
            line.request(request.method, request.path, request.body, headers)
            reply = line.getresponse()
            kept = {
                name: value
                for name, value in reply.getheaders()
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}
            }
            return listener.change(request, Response(reply.status, kept, reply.read()))
        finally:
            line.close()

    def serve(connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            host = head.split(b" ")[1].decode().partition(":")[0]
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contexts.of(host).wrap_socket(connection, server_side=True) as line:
                _handler(host, listener, answer)(line, ("", 0), None)  # type: ignore[arg-type]

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        listener.variables = {
            "HTTPS_PROXY": address,
            "https_proxy": address,
            "REQUESTS_CA_BUNDLE": str(bundle),
        }

        def run(connection: socket.socket) -> None:
            try:
                serve(connection)
            except (OSError, ValueError, http.client.HTTPException) as error:
                listener.broken.append(repr(error))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=run, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener


class _Contexts:
    """TLS contexts by host name, each made once."""

    def __init__(self, authority: trustme.CA) -> None:
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def of(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]


def _handler(
    host: str, listener: Listener, answer: Callable[[Request], Response]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                del self.headers["Transfer-Encoding"]
                self.headers["Content-Length"] = str(len(body))
            headers = dict(self.headers.items())
            request = Request(host, str(self.command), self.path, headers, body)
            listener.requests.append(request)
            response = answer(request)
            listener.learn(request, response)
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler._answer)
    return Handler
