"""Loopback addresses: each replica listens on one of its own, as a container does.

All of 127.0.0.0/8 is loopback on Linux. Two replicas can therefore listen on the same port. The
hooks in ``loopback/`` redirect "all addresses" to the replica's own one; a program that they do not
reach (neither Python nor Node) listens for the whole machine, and only one of a kind can.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from secrets import randbelow
from typing import Final

from deploy_action.sandbox.runtime.netlink import listening_sockets

_FIRST_PRIVILEGED_OFFSET: Final = 30000  # keep in step with the hooks in loopback/
_UNPRIVILEGED: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_LISTEN: Final = "0A"
_EVERYWHERE: Final = ("00000000", "0" * 32)


class Address:
    """A loopback address that no other sandbox on this machine uses at the same time."""

    def __init__(self, ip: str, lock: socket.socket) -> None:
        self.ip = ip
        self._lock = lock

    def release(self) -> None:
        """Make it available again; can be called twice."""
        self._lock.close()


def free_address() -> Address:
    """Reserve an address.

    Raises:
        RuntimeError: none was found, or this system has no further loopback addresses.
    """
    if sys.platform != "linux":
        raise RuntimeError("--replicas processes requires Linux, where loopback has many addresses")
    for _ in range(1000):
        ip = f"127.{64 + randbelow(64)}.{randbelow(256)}.{1 + randbelow(254)}"
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0local-azure-address-{ip}")  # the kernel removes it when we end
        except OSError:
            lock.close()
            continue
        return Address(ip, lock)
    raise RuntimeError("no free loopback address")


@functools.cache
def lowest_port() -> int:
    """Return the lowest port that an ordinary process may listen on here."""
    if os.geteuid() == 0:
        return 0
    try:
        return int(_UNPRIVILEGED.read_text("utf-8"))
    except (OSError, ValueError):
        return 1024


def outer(port: int) -> int:
    """Return the port of this machine that is mapped to a replica's *port*."""
    return port if port >= lowest_port() else port + _FIRST_PRIVILEGED_OFFSET


def inner(port: int) -> int:
    """Return the replica's port that is mapped to *port* of this machine."""
    original = port - _FIRST_PRIVILEGED_OFFSET
    return original if 0 < original < lowest_port() else port


def listening(ip: str, pids: Iterable[int]) -> list[int]:
    """Return the ports that a replica listens on.

    Args:
        ip: its address, which nothing else listens on.
        pids: its first processes; listening for the whole machine counts if one of them or a
            descendant does it.
    """
    own = "".join(f"{int(part):02X}" for part in reversed(ip.split(".")))
    own6 = f"0000000000000000FFFF0000{own}"
    ports: list[int] = []
    everywhere: dict[str, int] = {}
    for address, port, inode in _listening_here():
        if address in {own, own6}:
            ports.append(inner(port))
        elif address in _EVERYWHERE:
            everywhere[inode] = port
    if everywhere and not ports:
        inodes = (inode for pid in pids for inode in _sockets(pid))
        ports += [everywhere[inode] for inode in inodes if inode in everywhere]
    return sorted(set(ports))


def listening_in(pid: int) -> list[int]:
    """Return the ports on which the network of a process listens for others.

    Nothing where this machine does not show it, as for an engine of another machine.
    """
    try:
        sockets = list(_listening_sockets(f"/proc/{pid}/net"))
    except OSError:
        return []
    return sorted({port for address, port, _ in sockets if address in _EVERYWHERE})


def _listening_here() -> list[tuple[str, int, str]]:
    try:
        return [
            *listening_sockets(socket.AF_INET),
            *listening_sockets(socket.AF_INET6),
        ]
    except OSError:
        return list(_listening_sockets("/proc/net"))


def _listening_sockets(tables: str) -> Iterator[tuple[str, int, str]]:
    """Yield address, port and inode of each listening socket.

    Source: proc_net_tcp in the kernel's documentation; listening sockets come first.
    """
    for table in (f"{tables}/tcp", f"{tables}/tcp6"):
        if not Path(table).exists():
            continue  # IPv6 is switched off
        with Path(table).open(encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                fields = line.split()
                if fields[3] != _LISTEN:
                    break
                address, _, port = fields[1].partition(":")
                yield address, int(port, 16), fields[9]


def _sockets(pid: int) -> Iterator[str]:
    """Return the inodes of all sockets of a process and its descendants."""
    process = Path("/proc", str(pid))
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
        children = [file.read_text("ascii") for file in (process / "task").glob("*/children")]
    except OSError:
        return  # it has ended
    for child in " ".join(children).split():
        yield from _sockets(int(child))
