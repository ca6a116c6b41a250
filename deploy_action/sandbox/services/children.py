"""Child processes that cannot outlive the sandbox.

Two mechanisms, because neither is complete. `setpriv --pdeathsig` (util-linux) makes the kernel
kill the child itself, but not what the child has started. A watcher process holds the other end of
a pipe and kills whole process groups once the sandbox is gone, but it is notified of a group only
after its creation. No code runs between fork and
exec, which would not be safe beside threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbelow
from typing import Final

from deploy_action.sandbox.interfaces import LogLine

LOG_LINES: Final = 1000
_LINE_LIMIT: Final = 16 * 1024  # a line longer than this is broken, so that memory is bounded
_PORTS: Final = (20000, 32000)  # below the range of ephemeral ports
_WATCHER: Final = """\
trap '' INT TERM HUP QUIT
held=' '
while read -r verb id; do
  case $verb in
    hold) held="$held$id " ;;
    free)
      rest=' '
      for one in $held; do [ "$one" = "$id" ] || rest="$rest$one "; done
      held=$rest ;;
  esac
done
for one in $held; do kill -KILL -- "-$one" 2>/dev/null; done
"""


class Leash:
    """Kills the registered process groups when this process ends, for any reason."""

    def __init__(self) -> None:
        self._watcher: subprocess.Popen[bytes] | None = None

    def hold(self, group: int) -> None:
        """Kill *group* when this process ends; the watcher is started with the first one."""
        if self._watcher is None:
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env={},
            )
        self._say("hold", group)

    def free(self, group: int) -> None:
        """Unregister *group*, which is empty now."""
        self._say("free", group)

    async def close(self) -> None:
        """End the watcher, which kills all groups that are still registered."""
        watcher, self._watcher = self._watcher, None
        if watcher and watcher.stdin:
            with contextlib.suppress(BrokenPipeError):
                watcher.stdin.close()
            await asyncio.to_thread(watcher.wait)

    def _say(self, verb: str, group: int) -> None:
        if self._watcher and self._watcher.stdin:
            with contextlib.suppress(BrokenPipeError):  # somebody killed the watcher
                self._watcher.stdin.write(f"{verb} {group}\n".encode())
                self._watcher.stdin.flush()


class Child:
    """One child process and the last lines of its output.

    Args:
        process: the child.
        leash: kills its group when the sandbox is gone.
        now: the date that its lines are stamped with.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, leash: Leash, now: Callable[[], datetime]
    ) -> None:
        self._process = process
        self._leash = leash
        self._now = now
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.written = 0
        self._ended = asyncio.create_task(self._follow())

    @property
    def lines(self) -> list[str]:
        """Its last lines, newest last."""
        return [line.text for line in self.log]

    @property
    def pid(self) -> int:
        """Its process id, also that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a signal counts as a shell counts it, 128 plus its number."""
        code = self._process.returncode
        return 128 - code if code is not None and code < 0 else code

    async def wait(self) -> int:
        """Wait for its end, and that of its group; return the exit code."""
        await asyncio.shield(self._ended)
        return self.exit_code or 0

    async def stop(self, *, grace_s: float) -> None:
        """Send SIGTERM to the child alone, as container engines do; kill all after *grace_s*."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        self._kill_group()
        await self.wait()

    async def _follow(self) -> None:
        """Read output until the child exits, then kill the rest of its group."""
        reading = asyncio.create_task(self._read())
        await self._process.wait()
        self._kill_group()
        await reading
        self._leash.free(self.pid)

    async def _read(self) -> None:
        stream, rest = self._process.stdout, b""
        while stream and (chunk := await stream.read(_LINE_LIMIT)):
            *lines, rest = (rest + chunk).split(b"\n")
            self._keep(*lines)
            if len(rest) > _LINE_LIMIT:
                self._keep(rest)
                rest = b""
        if rest:
            self._keep(rest)

    def _keep(self, *lines: bytes) -> None:
        moment = self._now()
        self.log.extend(LogLine(moment, line.decode("utf-8", "replace")) for line in lines)
        self.written += len(lines)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def start_child(
    argv: Sequence[str],
    *,
    leash: Leash,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    now: Callable[[], datetime] = _utc_now,
) -> Child:
    """Start *argv* in a session of its own; stdout and stderr are read together.

    Args:
        argv: the program as an absolute path, and its arguments.
        leash: what kills its group when the sandbox is gone.
        cwd: its working directory; the sandbox's own by default.
        environment: all of its environment; just a PATH by default.
        now: the date that its lines are stamped with; the machine's by default.

    Raises:
        OSError: it cannot be started.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    on_leash = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    process = await asyncio.create_subprocess_exec(
        *on_leash,
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env={"PATH": os.defpath} if environment is None else dict(environment),
        start_new_session=True,
    )
    leash.hold(process.pid)
    return Child(process, leash, now)


class Port:
    """A free loopback port reserved among the sandboxes on this machine."""

    def __init__(self, number: int, locks: Sequence[socket.socket]) -> None:
        self.number = number
        self._locks = tuple(locks)

    def release(self) -> None:
        """Release the port; can be called twice."""
        for lock in self._locks:
            lock.close()


def free_port(*, occupied: bool = False) -> Port:
    """Find a free port on loopback.

    Args:
        occupied: keep the port bound but not listening, so that connections are refused.

    Raises:
        RuntimeError: none was found.
    """
    for _ in range(1000):
        number = _PORTS[0] + randbelow(_PORTS[1] - _PORTS[0])
        lock = _reserved(number)
        probe = _bound(number) if lock else None
        if lock and probe:
            if occupied:
                return Port(number, [lock, probe])
            probe.close()
            return Port(number, [lock])
        if lock:
            lock.close()
    raise RuntimeError(f"no free port between {_PORTS[0]} and {_PORTS[1]}")


def _reserved(number: int) -> socket.socket | None:
    """Reserve *number* among sandboxes by a name that the kernel removes when this process ends."""
    lock = socket.socket(socket.AF_UNIX if sys.platform == "linux" else socket.AF_INET)
    if sys.platform == "linux":
        try:
            lock.bind(f"\0local-azure-port-{number}")
        except OSError:
            lock.close()
            return None
    return lock


def _bound(number: int) -> socket.socket | None:
    """Bind without SO_REUSEADDR: fails if anything at all has the port, on any address."""
    probe = socket.socket(socket.AF_INET)
    try:
        probe.bind(("", number))
    except OSError:
        probe.close()
        return None
    return probe
