# ruff: noqa: INP001  a folder on the path of replicas, and no package
"""Loaded by the Python of every replica: what would listen on all addresses listens on loopback.

In a container "all addresses" are the container's own; a replica here shares those of the machine,
and nobody else is to reach it.
"""

import socket
from typing import Any

_bind = socket.socket.bind


def _on_loopback(self: socket.socket, address: Any) -> None:
    if isinstance(address, tuple) and address:
        host, *rest = address
        if host == "::":
            address = ("::ffff:127.0.0.1", *rest)
        elif host in {"", "0.0.0.0"}:  # noqa: S104  the very thing that is looked for
            address = ("127.0.0.1", *rest)
    _bind(self, address)


socket.socket.bind = _on_loopback  # type: ignore[method-assign,assignment]
