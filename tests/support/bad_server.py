"""A TCP server that sends scripted, broken HTTP responses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.tcp_server import listening

Script = Callable[["Connection"], None]


@dataclass(slots=True)
class Connection:
    """One connection: what the client sent, and a way to answer.

    Args:
        head: the request line and the header fields as they came.
        over: set when the test is over.
    """

    peer: socket.socket
    head: bytes
    over: threading.Event

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self.peer.sendall(data)

    def drip(self, data: bytes, *, every_s: float = 0.05) -> None:
        """Send *data* again and again, one byte at a time, until the client or the test ends."""
        while True:
            for position in range(len(data)):
                if self.over.wait(every_s):
                    return
                self.send(data[position : position + 1])

    def pour(self, data: bytes, times: int) -> None:
        """Send *data* many times at full speed."""
        for _ in range(times):
            if self.over.is_set():
                return
            self.send(data)


@dataclass(slots=True)
class BadServer:
    """The server's URL and the requests that it received.

    Args:
        url: its address.
        requests: the heads of all requests, as bytes.
        ended: one release for each connection that has ended.
    """

    url: str
    requests: list[bytes] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@contextmanager
def bad_server(scripts: dict[str, Script]) -> Iterator[BadServer]:
    """Serve *scripts* by path; other paths get an empty 200."""
    over = threading.Event()
    server = BadServer("")

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while head := _head(peer):
                server.requests.append(head)
                path = head.split(b" ")[1].decode().partition("?")[0]
                scripts.get(path, _fine)(Connection(peer, head, over))
        server.ended.release()

    with listening(serve) as port:
        server.url = f"http://127.0.0.1:{port}"
        try:
            yield server
        finally:
            over.set()


def _head(peer: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = peer.recv(65_536)
        if not data:
            return b""
        head += data
    return head


def _fine(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
