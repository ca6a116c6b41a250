"""A bare repository behind HTTP, like on a git host: git http-backend with authentication."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.repositories import environment


class Host(ThreadingHTTPServer):
    """Serves the bare repositories of a folder.

    Attributes:
        accepted: the only accepted Authorization header; empty accepts every request.
        may_write: whether accepted clients may push.
        break_off: how many of the next pushes take effect without a response.
        busy: how many requests from now on are answered with 503.
        seen: the Authorization headers of all requests, in order.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.accepted = ""
        self.may_write = True
        self.break_off = 0
        self.busy = 0
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        """The URL of the folder."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: disconnecting clients are part of the tests."""


@contextmanager
def served(folder: Path) -> Iterator[Host]:
    """Serve *folder* while the body runs."""
    with Host(folder) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def _answer(self, body: bytes) -> None:
        host, authorization = self.server, self.headers.get("Authorization", "")
        host.seen.append(authorization)
        writes = "git-receive-pack" in self.path
        if host.busy:
            host.busy -= 1
            self._refuse(503)
        elif host.accepted and authorization != host.accepted:
            self._refuse(401)
        elif writes and not host.may_write:
            self._refuse(403)
        else:
            self._serve(body, breaks=writes and self.command == "POST")

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(parts)

    def _serve(self, body: bytes, *, breaks: bool) -> None:
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "-c", "http.receivepack=true", "http-backend"],
            env={
                **environment(self.server.folder / "home-of-the-host"),
                "GIT_PROJECT_ROOT": str(self.server.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "somebody",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            input=body,
            capture_output=True,
            check=True,
        )
        if breaks and self.server.break_off:
            self.server.break_off -= 1
            self.close_connection = True
            return
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(lines.pop("Status", "200 OK").split(" ")[0]))
        for name, value in lines.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
