"""Real redis-servers of every kind that Azure has: TLS and ACL users, clusters with replicas."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START_S = 30.0


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, low enough for a cluster's bus beside them."""
    found: list[int] = []
    # Apart from other workers, and its bus below the ports that outgoing connections take.
    candidate = 11_000 + os.getpid() * 97 % 9_000
    while len(found) < count:
        candidate += 7
        with socket.socket() as one, socket.socket() as bus:
            try:
                one.bind(("127.0.0.1", candidate))
                bus.bind(("127.0.0.1", candidate + 10_000))
            except OSError:
                continue
        found.append(candidate)
    return found


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
        if "--tls-port" not in words:
            command += ["--port", str(port)]
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
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < end, f"nothing listens on {port}"
        time.sleep(0.02)


@contextmanager
def cluster(directory: Path) -> Iterator[int]:
    """Run a cluster of three primaries with a replica each; yield one port."""
    ports = free_ports(6)
    with servers(directory, ports, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000"):
        nodes = [f"127.0.0.1:{port}" for port in ports]
        create = ["redis-cli", "--cluster", "create", *nodes]
        done = subprocess.run(
            [*create, "--cluster-replicas", "1", "--cluster-yes"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        end = time.monotonic() + START_S
        while not all(_agrees(port) for port in ports):
            assert time.monotonic() < end, "the cluster does not come together"
            time.sleep(0.05)
        yield ports[0]


def _agrees(port: int) -> bool:
    with redis.Redis(port=port) as client:
        told = client.execute_command("CLUSTER INFO")
        slots = client.execute_command("CLUSTER SLOTS")
    text = told if isinstance(told, dict) else {}
    return text.get("cluster_state") == "ok" and all(len(slot) > 3 for slot in _rows(slots))


def _rows(slots: object) -> list[list[object]]:
    """Return one row for each range of slots: its ends, its primary and its replicas."""
    if isinstance(slots, dict):
        return [[*ends, about["primary"], *about["replicas"]] for ends, about in slots.items()]
    return list(slots) if isinstance(slots, list) else []


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a server's certificate, which is its own authority."""

    certificate: Path
    key: Path


def certificate(directory: Path) -> Certificate:
    """Make one for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's Redis")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(directory / "redis.crt", directory / "redis.key")
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found
