"""Listening TCP sockets from the kernel's socket diagnostics (sock_diag(7)).

/proc/net/tcp needs milliseconds where thousands of connections have just been closed: the kernel
walks all of them to fill the first page.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

_SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST_AND_DUMP: Final = 0x301
_ERROR, _DONE = 2, 3
_LISTEN: Final = 1 << 10  # a set of states
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, process
_QUERY: Final = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states
_PORT: Final = struct.Struct("!H")
_WORDS: Final = struct.Struct("=4I")
_INODE: Final = struct.Struct("=I")
_PORT_AT, _ADDRESS_AT, _INODE_AT = 4, 8, 68  # in struct inet_diag_msg


def listening_sockets(family: int) -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of each listening socket, as /proc/net/tcp spells them.

    Raises:
        OSError: the system does not have these diagnostics.
    """
    if sys.platform != "linux":
        raise OSError("sock_diag is Linux's")
    words = 1 if family == socket.AF_INET else 4
    for message in _dump(family):
        (port,) = _PORT.unpack_from(message, _PORT_AT)
        address = _WORDS.unpack_from(message, _ADDRESS_AT)[:words]
        (inode,) = _INODE.unpack_from(message, _INODE_AT)
        yield "".join(f"{word:08X}" for word in address), port, str(inode)


def _dump(family: int) -> Iterator[bytes]:
    """Yield the kernel's message about each listening socket."""
    query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _LISTEN)
    head = _HEADER.pack(_HEADER.size + len(query), _BY_FAMILY, _REQUEST_AND_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.send(head + query)
        while True:
            data = kernel.recv(1 << 16)
            while data:
                length, kind, *_ = _HEADER.unpack_from(data)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError("the kernel refused the query")
                yield data[_HEADER.size : length]
                data = data[(length + 3) & ~3 :]
