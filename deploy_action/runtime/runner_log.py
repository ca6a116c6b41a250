"""The runner's log: the only place that writes to standard output and standard error.

Text from Azure, the candidate, tags, inputs and tracebacks must not become a workflow command.
GitHub's runner ends a line at LF, CR or CRLF. It runs ``::command::`` at the start of a line, after
white space, and ``##[command]`` anywhere in one. Its comparison may skip characters that have no
glyph, so those are treated as if they were not there.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from deploy_action.runtime.terminal import ERASE_LINE, Terminal

LONGEST_LINE = 4_000
LONGEST_MESSAGE = 4_000  # GitHub cuts an annotation's message at 4,096 characters
# Terminal colours of build tools and frameworks.
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# Anything but printable ASCII may be skipped by the runner's comparison.
_SKIPPED = "[^ -~]*"
_COMMAND = re.compile(f"[^!-~]*:{_SKIPPED}:")
_LEGACY_COMMAND = re.compile(rf"#(?={_SKIPPED}#{_SKIPPED}\[)")


class RunnerLog:
    """Writes to the log, and never raises.

    Args:
        streams: the standard stream to use, and others for when it cannot be written.
        commands: whether workflow commands are understood there.
        redact: replaces secrets.
        on_failure: called with the cause when a stream cannot be written.
        copy: receives level, component and lines of every text, for the log file.
        clock: returns the time to show, with the component, before each text; None shows neither.
        terminal: how lines look there; None where the first stream is no terminal.
    """

    def __init__(
        self,
        *streams: TextIO | None,
        commands: bool,
        redact: Callable[[str], str] = str,
        on_failure: Callable[[str], None] = lambda _: None,
        copy: Callable[[str, str, list[str]], None] = lambda *_: None,
        clock: Callable[[], str] | None = None,
        terminal: Terminal | None = None,
    ) -> None:
        self._streams = list(streams)
        self._commands = commands
        self._redact = redact
        self.on_failure = on_failure
        self.copy = copy
        self._clock = clock
        self.terminal = terminal
        self._live = False  # whether the last line is the changing one
        self._lock = threading.RLock()  # a signal handler may log in the middle of a line
        self._written_at = time.monotonic()

    def silence_s(self) -> float:
        """Return for how long nothing was written, in seconds."""
        return time.monotonic() - self._written_at

    def text(
        self, text: str, *, level: str = "info", component: str = "run", plain: bool = False
    ) -> None:
        """Write text of any origin: time and component, then its lines one below the other.

        Args:
            text: what to write.
            level: ``debug``, ``info``, ``warning`` or ``error``, for the log file.
            component: what the text is about.
            plain: whether to leave out time and component, as for a table.
        """
        lines = harmless_lines(self._redact(text))
        self.copy(level, component, lines)
        start = "" if plain else self._start(component)
        if self.terminal:
            for line in lines:
                self._write(self.terminal.line(line if plain else f"  {line}", level))
            return
        for line in lines:
            # A command starts at the start of a line, so `harmless_lines` checked that already.
            self._write(f"{start}{line}")
            start = " " * len(start)

    def _start(self, component: str) -> str:
        return f"{self._clock()} {component:<9} " if self._clock else ""

    def show(self, text: str, *, level: str = "info", strong: bool = False) -> None:
        """Write text of any origin to the terminal, and not to the log file; see `Terminal`."""
        for line in harmless_lines(self._redact(text)):
            self._write(self.terminal.line(line, level, strong=strong) if self.terminal else line)

    def live(self, text: str) -> None:
        """Replace the changing line at the bottom of the terminal; nothing without a terminal."""
        if self.terminal:
            with self._lock:
                [line, *_] = harmless_lines(self._redact(text))
                self._put(self.terminal.live(line))
                self._live = True

    def end_live(self) -> None:
        """Remove the changing line."""
        with self._lock:
            if self._live:
                self._put(ERASE_LINE)
                self._live = False

    def copy_only(self, text: str, *, level: str = "info", component: str = "run") -> None:
        """Write text to the log file only; see `text`."""
        self.copy(level, component, harmless_lines(self._redact(text)))

    def json(self, value: Any) -> None:
        """Write a value as JSON of several lines."""
        text = json.dumps(redacted(value, self._redact), indent=2)
        # Outside of strings JSON has no '#', and inside of one a bracket may be escaped.
        self._write(text.replace("##[", "##\\u005b"))

    def group(self, title: str, *, component: str) -> None:
        """Open a foldable group; its title has time and component, as a line of text."""
        start = self._start(component)
        self.command("group", f"{start}{title}")

    def command(self, name: str, message: str = "", **properties: str) -> None:
        """Write a workflow command; nothing where those are not understood."""
        if not self._commands:
            return
        message = "\n".join(harmless_lines(self._redact(message)))[:LONGEST_MESSAGE]
        written = ",".join(
            f"{key}={_escaped_property(self._redact(value))}" for key, value in properties.items()
        )
        self._write(f"::{name}{written and ' ' + written}::{_escaped(message)}")

    def mask(self, secret: str) -> None:
        """Register a secret with the runner, which replaces it in its log."""
        if self._commands and secret.strip():
            self._write(f"::add-mask::{_escaped(secret)}")

    def _write(self, line: str) -> None:
        """Write one line of ours."""
        self._written_at = time.monotonic()
        if not self.terminal:
            self._put(f"{line}\n")
            return
        with self._lock:
            self._put(f"{ERASE_LINE if self._live else ''}{line}\n")
            self._live = False

    def _put(self, text: str) -> None:
        """Write to the first stream that works; the only ``write`` on a standard stream."""
        while self._streams:
            stream = self._streams[0]
            try:
                if stream is None:
                    raise OSError("it is closed")  # noqa: TRY301  handled like any write error
                encoding = stream.encoding or "utf-8"
                safe = text.encode(encoding, "backslashreplace").decode(encoding)
                stream.write(safe)
                stream.flush()
            except (OSError, ValueError, LookupError) as error:
                del self._streams[0]
                self.on_failure(getattr(error, "strerror", None) or str(error))
            else:
                return


def harmless_lines(text: str) -> list[str]:
    """Return the lines of *text* without anything that the runner or a terminal interprets."""
    return [_harmless(line) for line in text.splitlines()] or [""]


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return a JSON value with every text in it redacted."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(str(key)): redacted(item, redact) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item, redact) for item in value]
    return value


def silence_libraries(write: Callable[[str], None] | None = None) -> None:
    """Keep libraries, threads and warnings from writing to the log directly.

    Args:
        write: gets their messages, for debugging; None drops them.
    """
    handler: logging.Handler = _Handler(write) if write else logging.NullHandler()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.raiseExceptions = False
    warnings.simplefilter("ignore")

    def drop(occurrence: Any) -> None:
        if write:
            write(f"{occurrence.exc_type.__name__} in the background: {occurrence.exc_value}")

    threading.excepthook = drop
    sys.unraisablehook = drop


class _Handler(logging.Handler):
    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        self._write(f"{record.name}: {record.getMessage()}")


def close_streams() -> None:
    """Flush the standard streams; one that is broken must not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                stream.close()


def _harmless(line: str) -> str:
    line = _ESCAPE_SEQUENCE.sub("", line).replace("\t", "    ")
    line = "".join(sign if sign.isprintable() else _visible(sign) for sign in line)
    if len(line) > LONGEST_LINE:
        line = f"{line[:LONGEST_LINE]} … ({len(line)} characters)"
    line = _LEGACY_COMMAND.sub("# ", line)
    return f"|{line}" if _COMMAND.match(line) else line


def _visible(sign: str) -> str:
    return " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}"


def _escaped(text: str) -> str:
    """Escape a message as the toolkit does (actions/toolkit, core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    flat = " ".join(harmless_lines(text))
    return _escaped(flat).replace(":", "%3A").replace(",", "%2C")
