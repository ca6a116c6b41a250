# ruff: noqa: INP001  a folder on the path of replicas, not a package
"""Loaded by the Python of every replica: "all addresses" means the replica's own loopback address.

In a container "all addresses" are the container's own. Replicas share the machine's network, so
each one has a loopback address (see ``runtime/addresses.py``), and two can use the same port.
"""

import os
import socket
from typing import Any

_bind = socket.socket.bind
_OFFSET = 30000


def _at_own_address(self: socket.socket, address: Any) -> None:
    own, _, lowest = os.environ.get("LOCAL_AZURE_ADDRESS", "").partition(" ")
    if own and self.type & socket.SOCK_STREAM and isinstance(address, tuple) and address:
        host, port, *rest = address
        if host in {"", "0.0.0.0", "::"}:  # noqa: S104  what is redirected
            port = port + _OFFSET if 0 < port < int(lowest) else port
            if self.family == socket.AF_INET6:
                only = self.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                # IPv6 alone means that another socket is opened for IPv4.
                own, port = ("::1", 0) if only else (f"::ffff:{own}", port)
            address = (own, port, *rest)
    _bind(self, address)


socket.socket.bind = _at_own_address  # type: ignore[method-assign,assignment]
