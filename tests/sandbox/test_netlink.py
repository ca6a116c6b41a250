"""Listening sockets as the kernel names them."""

from __future__ import annotations

import os
import socket

import pytest

from deploy_action.sandbox.runtime.netlink import listening_sockets

IPV4 = ("127.77.1.2", "02014D7F")
IPV6 = ("::ffff:127.77.1.3", "0000000000000000FFFF000003014D7F")


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, IPV4), (socket.AF_INET6, IPV6)], ids=["IPv4", "IPv6"]
)
def test_only_a_listening_socket_is_named(
    family: socket.AddressFamily, address: tuple[str, str]
) -> None:
    with socket.socket(family) as server:
        server.bind((address[0], 0))
        described = (address[1], server.getsockname()[1], str(os.fstat(server.fileno()).st_ino))
        before = set(listening_sockets(family))
        server.listen()
        after = set(listening_sockets(family))

    assert described not in before
    assert described in after
