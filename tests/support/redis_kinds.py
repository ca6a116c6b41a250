"""Real redis-servers of every kind that Azure has: TLS and ACL users, clusters with replicas."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis
import trustme

from tests.support.eventually import eventually


def free_ports(count: int) -> list[int]:
    """Return unused ports, low enough for a cluster's bus ports above them."""
    ports: list[int] = []
    # Apart from other workers, and its bus below the ports that outgoing connections take.
    candidate = 11_000 + os.getpid() * 97 % 9_000
    while len(ports) < count:
        candidate += 7
        with socket.socket() as data, socket.socket() as bus:
            try:
                data.bind(("127.0.0.1", candidate))
                bus.bind(("127.0.0.1", candidate + 10_000))
            except OSError:
                continue
        ports.append(candidate)
    return ports


@contextmanager
def servers(directory: Path, ports: Sequence[int], *words: str) -> Iterator[None]:
    """Run one redis-server for each port, with *words* as further options."""
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed; 'make test' installs it"
    running = []
    for port in ports:
        home = directory / str(port)
        home.mkdir()
        command = [program, "--dir", str(home), "--save", "", "--bind", "127.0.0.1", *words]
        secured = "--tls-cert-file" in words
        command += ["--port", "0", "--tls-port", str(port)] if secured else ["--port", str(port)]
        with (home / "log").open("wb") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
    try:
        for port in ports:
            _until_open(port)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _until_open(port: int) -> None:
    def connects() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    eventually(connects, f"a server listens on port {port}")


@contextmanager
def cluster(directory: Path, tls: Certificate | None = None) -> Iterator[int]:
    """Run a cluster of three primaries with a replica each; yield one port."""
    ports = free_ports(6)
    words = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]
    cli = ["redis-cli"]
    if tls:
        words += [*tls.options, "--tls-cluster", "yes", "--tls-replication", "yes"]
        cli += ["--tls", "--cacert", str(tls.authority)]
    with servers(directory, ports, *words):
        nodes = [f"127.0.0.1:{port}" for port in ports]
        create = [*cli, "--cluster", "create", *nodes]
        done = subprocess.run(
            [*create, "--cluster-replicas", "1", "--cluster-yes"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        eventually(
            lambda: all(_agrees(port, tls) for port in ports), "the nodes agree on the cluster"
        )
        yield ports[0]


def _agrees(port: int, tls: Certificate | None) -> bool:
    authority = str(tls.authority) if tls else None
    name = "localhost" if tls else "127.0.0.1"
    with redis.Redis(name, port, ssl=bool(tls), ssl_ca_certs=authority) as client:
        response = client.execute_command("CLUSTER INFO")
        slots = client.execute_command("CLUSTER SLOTS")
    text = response if isinstance(response, dict) else {}
    return text.get("cluster_state") == "ok" and all(len(slot) > 3 for slot in _rows(slots))


def _rows(slots: object) -> list[list[object]]:
    """Return one row for each range of slots: its ends, its primary and its replicas."""
    if isinstance(slots, dict):
        return [[*ends, about["primary"], *about["replicas"]] for ends, about in slots.items()]
    return list(slots) if isinstance(slots, list) else []


class Delay:
    """A proxy that delays each direction and counts the round trips.

    Args:
        port: of the server behind it.
        seconds: of one round trip.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.port = 0
        self.trips = 0
        self._behind = port
        self._half = seconds / 2
        self._answered = True
        self._open = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._over = asyncio.Event()

    async def stand(self) -> None:
        """Accept connections until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 21)
        self.port = server.sockets[0].getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._open.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", self._behind, limit=1 << 21)
        try:
            await asyncio.gather(
                self._carry(reader, inner[1], inwards=True), self._carry(inner[0], writer)
            )
        finally:  # at once: what is still to be written would keep them open
            writer.transport.abort()
            inner[1].transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, inwards: bool = False
    ) -> None:
        while data := await reader.read(1 << 20):
            self.trips += inwards and self._answered
            self._answered = not inwards
            self._loop.call_later(self._half, writer.write, data)
        self._loop.call_later(self._half, writer.close)

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Run it while the body runs."""
        thread = threading.Thread(target=lambda: asyncio.run(self.stand()))
        thread.start()
        self._open.wait()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join()


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a server's certificate and of the authority that signed it."""

    authority: Path
    chain: Path
    key: Path

    @property
    def options(self) -> list[str]:
        """Options of a server that uses it and does not ask clients for certificates."""
        options = ["--tls-cert-file", str(self.chain), "--tls-key-file", str(self.key)]
        return [*options, "--tls-ca-cert-file", str(self.authority), "--tls-auth-clients", "no"]


def certificate(directory: Path, *names: str) -> Certificate:
    """Issue one for 127.0.0.1, or for *names* only."""
    authority = trustme.CA()
    leaf = authority.issue_cert(*(names or ["127.0.0.1"]))
    files = Certificate(directory / "ca.crt", directory / "redis.crt", directory / "redis.key")
    authority.cert_pem.write_to_path(files.authority)
    leaf.private_key_pem.write_to_path(files.key)
    for part in leaf.cert_chain_pems:
        part.write_to_path(files.chain, append=True)
    return files
