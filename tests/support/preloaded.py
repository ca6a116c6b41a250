"""Start runs of the action quickly; see `preloaded_server`."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, TypeAlias

Process: TypeAlias = "subprocess.Popen[str] | Preloaded"
SERVER = Path(__file__).with_name("preloaded_server.py")


class Preloaded:
    """A run forked from the server, with the interface of `subprocess.Popen`."""

    stdout: IO[str]

    def __init__(self, arguments: list[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self.args = arguments
        self.returncode: int | None = None
        request = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}
        ours, theirs = os.pipe()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_server())
        socket.send_fds(self._connection, [json.dumps(request).encode()], [theirs])
        os.close(theirs)
        self.stdout = os.fdopen(ours, encoding="utf-8")
        self.pid = self._number()

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, *, timeout: float | None = None) -> tuple[str, None]:
        rest: list[str] = []
        reader = threading.Thread(target=lambda: rest.append(self.stdout.read()), daemon=True)
        reader.start()
        reader.join(timeout)
        if reader.is_alive():
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        self.stdout.close()
        return "".join(rest), None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = self._number()
            self._connection.close()
        return self.returncode

    def _number(self) -> int:
        """Read the server's next answer, and not a byte more: `select` must see the rest."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self._connection.recv(1)
            assert byte, "the server of preloaded runs has ended"
            line += byte
        return int(line)


def start(
    arguments: list[str], cwd: Path, environment: Mapping[str, str], *, preloaded: bool
) -> Process:
    """Start ``python -I ARGUMENTS``; while coverage is measured, never preloaded."""
    measured = {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
    if preloaded and not measured:
        return Preloaded(arguments, cwd, environment)
    return subprocess.Popen(
        [sys.executable, "-I", *arguments],
        cwd=cwd,
        env={**environment, **measured},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@cache
def _server() -> str:
    """Start the server of this test process; return its socket's path."""
    path = str(Path(tempfile.mkdtemp(prefix="deploy-action-tests-")) / "socket")
    server = subprocess.Popen(
        [sys.executable, "-I", str(SERVER), path],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        stdin=subprocess.PIPE,  # the server ends when this process ends
        stdout=subprocess.PIPE,
    )
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    _servers.append(server)
    return path


_servers: list[subprocess.Popen[bytes]] = []
