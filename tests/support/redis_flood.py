"""A Redis server that answers every command with a response of four gigabytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.support.tcp_server import listening

HUGE = 4 << 30


@dataclass(frozen=True, slots=True)
class Flood:
    """The running server.

    Args:
        port: where it listens.
        closed: released once for each connection that has ended.
    """

    port: int
    closed: threading.Semaphore


@contextmanager
def flood() -> Iterator[Flood]:
    """Run the server while the block runs."""
    closed = threading.Semaphore(0)

    def pour(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.recv(65_536)
            peer.sendall(b"$%d\r\n" % HUGE)
            for _ in range(HUGE >> 16):
                peer.sendall(b"x" * 65_536)
        closed.release()

    with listening(pour) as port:
        yield Flood(port, closed)
