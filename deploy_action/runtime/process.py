"""Runs child processes; the only module that starts any.

A child gets an argument list and an explicit environment: never a shell command, and never our
environment by accident. It runs in its own session, so that signals for us do not reach it, and it
is killed with all its descendants if we are interrupted.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_action.errors import DeployError
from deploy_action.runtime.polling import Deadline, pause
from deploy_action.runtime.request_trace import TRACE
from deploy_action.runtime.signals import deferred

# How long a child may clean up after SIGTERM. Short: within a second of a cancellation, traffic
# must start to shift back.
GRACE_S = 0.5
_LAST_LINES = 5
_LONGEST_LINE = 300
_CHUNK = 1 << 16
# Interval of checks for descendants that keep the pipes of an ended child open.
_LOOK_S = 0.2
_LOOK_AGAIN_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A child that has exited. *exit_code* is negative if a signal killed it."""

    exit_code: int
    output: bytes
    errors: bytes

    @property
    def stdout(self) -> str:
        """Its standard output as text; invalid bytes are replaced."""
        return self.output.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Its standard error as text; invalid bytes are replaced."""
        return self.errors.decode("utf-8", "replace")


class ProcessError(DeployError):
    """A child failed. Arguments and environment are left out because they may contain secrets.

    Args:
        command: the child's name in messages, such as ``git push``.
        last_lines: the end of its standard error, secrets redacted.
    """

    def __init__(self, message: str, *, command: str, last_lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.command = command
        self.last_lines = tuple(last_lines)


class ProcessTimeoutError(ProcessError):
    """The child took too long and was killed."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    input: bytes = b"",  # noqa: A002  same name as in subprocess
    timeout_s: float,
    check: bool = True,
    name: str = "",
    target: str = "",
    redact: Callable[[str], str] = str,
    grace_s: float = GRACE_S,
) -> Completed:
    """Run a program until it exits and return its output.

    Descendants that still hold the program's output open are killed, too, so that a forgotten
    background job cannot keep us waiting.

    Args:
        argv: the program, looked up on *environment*'s PATH, and its arguments.
        cwd: where it runs.
        environment: its complete environment.
        input: its standard input.
        timeout_s: seconds until it is killed.
        check: whether an exit code other than 0 is an error.
        name: its name in messages; empty uses the program's name.
        target: what it acts on, such as a URL without credentials; shown when debugging.
        redact: replaces secrets in what is put into an error.
        grace_s: seconds between SIGTERM and SIGKILL after an interruption.

    Raises:
        ProcessError: no such program, or an exit code other than 0 with *check*.
        ProcessTimeoutError: it took longer than *timeout_s*.
    """
    words = [str(word) for word in argv]
    name = name or Path(words[0]).name
    try:
        with (
            TRACE.measured(f"program {name}" + (target and f" {target}")) as outcome,
            _Child(words, grace_s, cwd=cwd, env=dict(environment)) as child,
        ):
            done = child.run_to_completion(input, timeout_s)
            outcome.append(f"exit code {done.exit_code}")
    except subprocess.TimeoutExpired as error:
        raise ProcessTimeoutError(
            f"'{name}' timed out after {timeout_s:g} s and was stopped.",
            command=name,
            last_lines=_last_lines(error.stderr or b"", redact),
        ) from None
    except OSError as error:
        raise _not_started(name, cwd, error) from None
    if check and done.exit_code != 0:
        raise failed(name, done, redact)
    return done


def stream(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_line: Callable[[str], None],
    name: str = "",
    redact: Callable[[str], str] = str,
    grace_s: float = GRACE_S,
) -> None:
    """Run a program without input and report each line of its output as it comes.

    Each line of standard output and standard error goes to *on_line*; all else is as for `run`.

    Raises:
        ProcessError: no such program, or an exit code other than 0.
        ProcessTimeoutError: it took longer than *timeout_s*.
    """
    words = [str(word) for word in argv]
    name = name or Path(words[0]).name
    tail: deque[str] = deque(maxlen=_LAST_LINES)

    def report(line: str) -> None:
        if line.strip():
            tail.append(line)
        on_line(line)

    try:
        with (
            TRACE.measured(f"program {name}") as outcome,
            _Child(words, grace_s, cwd=cwd, env=dict(environment)) as child,
        ):
            child.follow(report, timeout_s)
            outcome.append(f"exit code {child.returncode}")
    except subprocess.TimeoutExpired:
        raise ProcessTimeoutError(
            f"'{name}' timed out after {timeout_s:g} s and was stopped.",
            command=name,
            last_lines=_last_lines("\n".join(tail).encode(), redact),
        ) from None
    except OSError as error:
        raise _not_started(name, cwd, error) from None
    if child.returncode != 0:
        errors = "\n".join(tail).encode()
        raise failed(name, Completed(exit_code=child.returncode, output=b"", errors=errors), redact)


def failed(name: str, done: Completed, redact: Callable[[str], str] = str) -> ProcessError:
    """Return the error for a child that failed.

    Args:
        name: its name in the message.
        done: how it ended.
        redact: replaces secrets.
    """
    lines = _last_lines(done.errors, redact)
    end = (
        f"was killed by signal {-done.exit_code}"
        if done.exit_code < 0
        else f"exited with code {done.exit_code}"
    )
    output = f": {' / '.join(lines)}" if lines else "."
    return ProcessError(f"'{name}' {end}{output}", command=name, last_lines=lines)


class _Child(subprocess.Popen[bytes]):
    """A child in its own session; an exception in the block kills the whole session."""

    def __init__(self, words: Sequence[str], grace_s: float, **place: Any) -> None:
        self._grace_s = grace_s
        try:
            # Between the start of the child and the assignment of its number, an exception would
            # lose the child.
            with deferred():
                super().__init__(
                    words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                    **place,
                )
        except BaseException:
            if getattr(self, "pid", None) and self.returncode is None:
                self._end()
            raise

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and self.returncode is None:
            self._end()
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with suppress(OSError):  # a child that never read its input
                    pipe.close()

    def run_to_completion(self, stdin: bytes, timeout_s: float) -> Completed:
        """Send *stdin* to its stdin, collect its output, and return when it has exited."""
        deadline = Deadline(timeout_s)
        unsent: bytes | None = stdin
        while True:
            try:
                output, errors = self.communicate(
                    unsent, timeout=min(_LOOK_S, max(deadline.remaining, 0.001))
                )
            except subprocess.TimeoutExpired:
                unsent = None  # communicate keeps the rest itself
                if self._ended():
                    self._signal(signal.SIGKILL)
                elif deadline.passed:
                    raise
            else:
                return Completed(exit_code=self.returncode, output=output, errors=errors)

    def follow(self, on_line: Callable[[str], None], timeout_s: float) -> None:
        """Report the lines of both outputs until the child has ended."""
        deadline = Deadline(timeout_s)
        with selectors.DefaultSelector() as selector:
            for pipe in filter(None, (self.stdout, self.stderr)):
                selector.register(pipe, selectors.EVENT_READ, _Lines(on_line))
            if self.stdin:
                self.stdin.close()
            while selector.get_map():
                ended = self._ended()
                ready = selector.select(min(_LOOK_S, deadline.remaining))
                for key, _ in ready:
                    chunk = os.read(key.fd, _CHUNK)
                    key.data.add(chunk)
                    if not chunk:
                        selector.unregister(key.fileobj)
                if ended and not ready:
                    self._signal(signal.SIGKILL)  # what is left only keeps the pipes open
                    break
                if deadline.passed and not ended:
                    raise subprocess.TimeoutExpired(self.args, timeout_s)
        while not self._ended():
            if deadline.passed:
                raise subprocess.TimeoutExpired(self.args, timeout_s)
            pause(_LOOK_AGAIN_S)
        self.wait()

    def _ended(self) -> bool:
        """Whether it has exited; it is not reaped, so that its session id is not reused."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        with suppress(ChildProcessError):
            return os.waitid(os.P_PID, self.pid, options) is not None
        return True

    def _end(self) -> None:
        """Send SIGTERM to the session, after a grace period SIGKILL, then reap the child."""
        try:
            self._signal(signal.SIGTERM)
            deadline = Deadline(self._grace_s)
            while not self._ended() and not deadline.passed:
                pause(_LOOK_AGAIN_S)
        finally:
            self._signal(signal.SIGKILL)
            self.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # no session yet; macOS: only a zombie left
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class _Lines:
    """Cuts chunks of output into lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Report the lines that *chunk* completes; an empty chunk ends the output."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > _CHUNK):
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._on_line(line.decode("utf-8", "replace").rstrip("\r"))


def _not_started(name: str, cwd: Path, error: OSError) -> ProcessError:
    if isinstance(error, FileNotFoundError) and cwd.is_dir():
        message = f"The program '{name}' is not on the PATH."
    else:
        message = f"'{name}' could not be started in {cwd}: {error.strerror}."
    return ProcessError(message, command=name)


def _last_lines(text: bytes, redact: Callable[[str], str]) -> list[str]:
    # Redact before truncating: part of a secret would not be recognised.
    lines = [line.strip() for line in redact(text.decode("utf-8", "replace")).splitlines()]
    return [line[:_LONGEST_LINE] for line in lines if line][-_LAST_LINES:]
