"""A Redis server that sends oversized responses."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from deploy_action.adapters.cache import Cache
from deploy_action.adapters.cache.errors import CacheError
from deploy_action.core.cache.connection import parse

HUGE = 4 << 30


def test_l1_a_response_of_redis_is_not_read_beyond_its_limit() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    closed = threading.Semaphore(0)

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=pour, args=(peer,), daemon=True).start()

    def pour(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.recv(65_536)
            peer.sendall(b"$%d\r\n" % HUGE)
            for _ in range(HUGE >> 16):
                peer.sendall(b"x" * 65_536)
        closed.release()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with pytest.raises(CacheError):
            Cache(parse(f"redis://127.0.0.1:{listener.getsockname()[1]}")).get("key")
        closed.acquire()
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
