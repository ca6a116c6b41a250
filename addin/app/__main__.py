"""Serve the API and the add-in: standard library only, one thread a connection.

Environment: PORT (8000; 0 picks a free port, printed in the first line), ACCESS_LOG=1,
CONTAINER_APP_REVISION and DEPLOY_ACTION_COMMIT (for /version).
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import urlsplit

from app.greeting import GREETING
from app.health import HEALTHY
from app.pages import Page, read_pages, version_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = read_pages(ROOT)
VERSION = version_of(PAGES["/manifest.xml"].body)
A_DAY_S = 24 * 3600


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    timeout = 75

    def do_GET(self) -> None:
        """Answer a GET request."""
        parts = urlsplit(self.path)
        if page := PAGES.get(parts.path):
            about = {"Cache-Control": kept(page, parts.query), "ETag": page.etag}
            if self.headers.get("If-None-Match") == page.etag:
                self._send(304, b"", about)
            else:
                self._send(200, page.body, {**about, "Content-Type": page.type})
            return
        status, answer = api(parts.path)
        body = json.dumps(answer).encode()
        self._send(status, body, {"Content-Type": "application/json", "Cache-Control": "no-store"})

    do_HEAD = do_GET  # noqa: N815  the server looks for this name

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Return no Server header value: it would reveal the software."""
        return "well-intake"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Log requests only when asked to."""
        if os.environ.get("ACCESS_LOG") == "1":
            super().log_message(format, *args)


def kept(page: Page, query: str) -> str:
    """Return the Cache-Control header of a page requested with *query*.

    With its own version a page never changes; with another it may be another revision's page, so it
    is requested each time. Office requires that images are cacheable.
    """
    if f"v={VERSION}" in query.split("&"):
        return f"public, max-age={365 * A_DAY_S}, immutable"
    return f"public, max-age={A_DAY_S}" if page.type.startswith("image/") else "no-cache"


def api(path: str) -> tuple[int, dict[str, str]]:
    """Return the status and JSON body for an API path."""
    healthy = (200, {"status": "ok"}) if HEALTHY else (503, {"status": "sick"})
    answers = {
        "/health": healthy,
        "/health/ready": healthy,
        "/health/live": (200, {"status": "alive"}),
        "/api/greeting": (200, {"greeting": GREETING}),
        "/version": (
            200,
            {
                "version": VERSION,
                "revision": os.environ.get("CONTAINER_APP_REVISION", ""),
                "commit": os.environ.get("DEPLOY_ACTION_COMMIT", ""),
            },
        ),
    }
    return answers.get(path, (404, {"error": f"there is no {path}"}))


class Server(ThreadingHTTPServer):
    """One daemon thread a connection, so that open ones do not delay shutdown."""

    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without the base class's DNS lookup of this machine's name, which can be slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]


def main() -> None:
    """Serve until SIGTERM."""
    port = int(os.environ.get("PORT") or 8000)
    # Exit at once: there is no state to save.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with Server(("", port), Handler) as server:
        print(f"version {VERSION} listens on port {server.server_port}", flush=True)
        server.serve_forever(poll_interval=60)


if __name__ == "__main__":
    main()
