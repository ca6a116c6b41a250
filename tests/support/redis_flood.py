"""A Redis server that answers every command with a response of four gigabytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HUGE = 4 << 30


@contextmanager
def flood() -> Iterator[int]:
    """Listen while the block runs; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=_pour, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _pour(peer: socket.socket) -> None:
    with peer, suppress(OSError):
        peer.recv(65_536)
        peer.sendall(b"$%d\r\n" % HUGE)
        for _ in range(HUGE >> 16):
            peer.sendall(b"x" * 65_536)
