"""Runs a separate Docker engine for a test; the machine's own engine is not touched.

It reaches the local Azure as any client does: through the proxy, trusting its authority.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@contextmanager
def docker_engine(
    directory: Path, environment: Mapping[str, str], *, network: bool = False
) -> Iterator[str]:
    """Run dockerd under *directory* and yield its address.

    Args:
        directory: a short path, because socket paths are limited in length.
        environment: of the sandbox.
        network: whether containers have a network, which RUN needs; the bridge is the engine's own.
    """
    folders = {name: directory / name for name in ("data", "run")}
    door = directory / "d.sock"
    log = directory / "dockerd.log"
    config = directory / "daemon.json"  # never /etc/docker/daemon.json
    config.write_text("{}", "utf-8")
    program = shutil.which("dockerd", path=_PATH)
    assert program, "dockerd is not installed; 'make test' installs it"
    with contextlib.ExitStack() as stack:
        bridge = stack.enter_context(_bridge()) if network else "none"
        out = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [
                program,
                *("--host", f"unix://{door}", "--config-file", str(config)),
                *("--data-root", str(folders["data"]), "--exec-root", str(folders["run"])),
                *("--pidfile", str(directory / "pid"), "--storage-driver", "vfs"),
                *("--iptables=false", "--ip6tables=false", "--ip-masq=false"),
                *("--bridge", bridge),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={
                "PATH": _PATH,
                "HTTPS_PROXY": environment["HTTPS_PROXY"],
                "SSL_CERT_FILE": environment["REQUESTS_CA_BUNDLE"],
                # It resolves each registry even with a proxy; this is slow without DNS.
                "GODEBUG": "netdns=cgo",
                "RES_OPTIONS": "timeout:1 attempts:1",
            },
        )
        try:
            _until_it_answers(process, door, log)
            yield f"unix://{door}"
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def _bridge() -> Iterator[str]:
    """Make a bridge for one engine; an engine without network removes the default one."""
    name = f"dt{secrets.token_hex(5)}"
    address = f"10.{128 + secrets.randbelow(128)}.{secrets.randbelow(256)}.1/24"
    _ip("link", "add", "name", name, "type", "bridge")
    try:
        _ip("address", "add", address, "dev", name)
        _ip("link", "set", name, "up")
        yield name
    finally:
        _ip("link", "delete", name)


def _ip(*words: str) -> None:
    program = shutil.which("ip", path=_PATH)
    assert program, "ip is not installed; 'make test' installs it"
    subprocess.run([program, *words], check=True, capture_output=True)


def _until_it_answers(process: subprocess.Popen[bytes], door: Path, log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(str(door))
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            if line.recv(64).split(b" ")[1:2] == [b"200"]:
                return
        ended = process.poll() is not None or time.monotonic() > end
        assert not ended, log.read_text("utf-8", "replace")[-3000:]
        time.sleep(0.05)


def image_of(files: Mapping[str, bytes]) -> io.BytesIO:
    """Return a root file system, as ``docker import`` takes it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(content))
    tar.seek(0)
    return tar
