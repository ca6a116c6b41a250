"""Every expected error, in one hierarchy.

    DeployError                          1   unexpected; every other class is a better-known case
    ├── InputError                       2   a setting or a file of the user; nothing was changed
    ├── PreflightError                   3   the deployment cannot work now; nothing was changed
    ├── AbortedError                     4   the deployment failed and everything was restored
    │   └── RollbackIncompleteError      5   … and something could not be restored
    └── SupersededError                  6   another run owns the app, or took it over
    CancelledError (BaseException)  130, 143 SIGINT, SIGTERM
    └── TimeLimitExceededError           4   the run exceeded its time limit and was aborted

An error is raised where it is known; only `cli` turns it into text and an exit code.
`CancelledError` is not an `Exception`, so that no ``except Exception`` swallows a cancellation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocation:
    """Location of a fault in a file of the user.

    Args:
        file: path of the file.
        line: line, counted from 1; null if the whole file is at fault.
        column: column, counted from 1; null if the whole line is at fault.
    """

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One of several mistakes in the user's settings or files.

    Args:
        message: what is wrong.
        location: where; null if it is in no file.
    """

    message: str
    location: SourceLocation | None = None

    def __str__(self) -> str:
        return f"{self.location}: {self.message}" if self.location else self.message


def sentences(message: str, hint: str) -> str:
    """Return *message* and *hint* in one line; the text of another program may lack a full stop."""
    if not message or not hint:
        return message or hint
    end = "" if message.endswith((".", "!", "?", ":", "…")) else "."
    return f"{message}{end} {hint}"


class DeployError(Exception):
    """A failure with a message for the user, a hint how to fix it, and an exit code.

    Args:
        message: one sentence that names the setting or object, its value and what was expected.
        hint: what to do about it; empty when there is nothing to do.
        place: the file, line and column at fault, if a file is.
    """

    exit_code = 1
    result = "failed"

    def __init__(
        self, message: str, *, hint: str = "", place: SourceLocation | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        return sentences(self.message, self.hint)


class InputError(DeployError):
    """An input, setting or file is invalid. Nothing was changed."""

    exit_code = 2
    result = "invalid"
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, faults: Sequence[Fault], *, hint: str = "Nothing was changed.") -> InputError:
        """Return one error for all *faults*; there is at least one."""
        error = cls(
            "\n".join(map(str, faults)) if len(faults) > 1 else faults[0].message,
            hint=hint,
            place=next((fault.location for fault in faults if fault.location), None),
        )
        error.faults = tuple(faults)
        return error


class PreflightError(DeployError):
    """The current state of the app or its environment prevents the run. Nothing was changed."""

    exit_code = 3
    result = "refused"


class AbortedError(DeployError):
    """The deployment failed and everything was restored."""

    exit_code = 4
    result = "aborted"


class RollbackIncompleteError(AbortedError):
    """The run failed and something could not be restored or finished."""

    exit_code = 5
    result = "abort-failed"


class SupersededError(DeployError):
    """Another run owns the app, or took over."""

    exit_code = 6
    result = "superseded"


class CancelledError(BaseException):
    """The job was cancelled by a signal.

    Args:
        signal_number: SIGINT (2) or SIGTERM (15); the exit code is 128 plus this number.
    """

    result = "cancelled"
    reason = "The job was cancelled."

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"cancelled by signal {signal_number}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class TimeLimitExceededError(CancelledError):
    """The whole run took longer than it may; it is aborted as after any failure.

    Args:
        signal_number: SIGALRM.
    """

    result = "aborted"
    reason = "The run took longer than its time-limit."

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 4
