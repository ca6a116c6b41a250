"""A proxy in front of Redis that holds one command, or its response, until the client leaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Gate:
    """Forwards everything except the held command.

    Args:
        port: of the Redis behind it.
        word: the command that is held, such as ``SCAN``.
        nth: which occurrence of the command.
        after: whether the command takes effect and its response is held instead.
    """

    port: int
    word: bytes
    nth: int = 1
    after: bool = False
    arrived: threading.Event = field(default_factory=threading.Event)
    _seen: int = 0
    _mute: bool = False

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Listen while the block runs; yield the proxy's port."""
        with socket.create_server(("127.0.0.1", 0)) as door:
            threading.Thread(target=self._let_in, args=(door,), daemon=True).start()
            yield int(door.getsockname()[1])

    def _let_in(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = door.accept()
                inner = socket.create_connection(("127.0.0.1", self.port))
                for ends in ((visitor, inner, True), (inner, visitor, False)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, inwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if inwards and self._is_it(data):
                    self._mute = True
                    if self.after:
                        target.sendall(data)
                    self.arrived.set()
                    continue
                if not inwards and self._mute:
                    continue
                target.sendall(data)
        for end in (source, target):
            end.close()

    def _is_it(self, data: bytes) -> bool:
        if self._mute or b"$%d\r\n%s\r\n" % (len(self.word), self.word) not in data:
            return False
        self._seen += 1
        return self._seen == self.nth
