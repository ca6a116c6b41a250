"""The results of the checks of `validate`, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from deploy_action.errors import (
    DeployError,
    Fault,
    InputError,
    PreflightError,
    SourceLocation,
    SupersededError,
)


class CheckState(Enum):
    """Result of one check."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check.

    Args:
        name: what was checked.
        state: how it ended.
        detail: what was found.
        remedy: what to do about it; empty if nothing is to be done.
        location: the file, line and column at fault, if a file is.
        invalid: whether a setting or a file of the user is at fault.
    """

    name: str
    state: CheckState
    detail: str
    remedy: str = ""
    location: SourceLocation | None = None
    invalid: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """Result of a check, and warnings as pairs of message and hint."""

    detail: str
    warnings: Sequence[tuple[str, str]] = ()


def run_check(name: str, check: Callable[[], Passed], *, required: bool = True) -> list[Check]:
    """Run one check and return its results.

    Args:
        name: what is checked.
        check: returns what it found, or raises `DeployError`.
        required: whether a deployment needs it; otherwise a failure is a warning.
    """
    try:
        passed = check()
    except DeployError as error:
        return unsuccessful(name, error, required=required)
    if not passed.warnings:
        return [Check(name=name, state=CheckState.PASSED, detail=passed.detail)]
    return [
        Check(name=name, state=CheckState.WARNING, detail=detail, remedy=remedy)
        for detail, remedy in passed.warnings
    ]


def unsuccessful(name: str, error: DeployError, *, required: bool = True) -> list[Check]:
    """Return the results of a check that raised *error*: one for each of its faults."""
    blocks = required and not isinstance(error, SupersededError)
    return [
        Check(
            name=name,
            state=CheckState.FAILED if blocks else CheckState.WARNING,
            detail=fault.message,
            remedy=error.hint,
            location=fault.location,
            invalid=isinstance(error, InputError),
        )
        for fault in _faults(error)
    ]


def _faults(error: DeployError) -> Sequence[Fault]:
    if isinstance(error, InputError) and error.faults:
        return error.faults
    return (Fault(message=error.message, location=error.place),)


def failure(checks: Iterable[Check]) -> DeployError | None:
    """Return the error that the failed checks come to, or None.

    A mistake in the user's settings or files makes it an `InputError`, as in a deployment.
    """
    failed = [check for check in checks if check.state is CheckState.FAILED]
    if not failed:
        return None
    if any(check.invalid for check in failed):
        faults = [
            Fault(message=f"{check.name}: {check.detail}", location=check.location)
            for check in failed
        ]
        return InputError.of(faults, hint=failed[0].remedy if len(failed) == 1 else "")
    return PreflightError(
        "\n".join(f"{check.name}: {check.detail}" for check in failed),
        hint="\n".join(dict.fromkeys(check.remedy for check in failed if check.remedy)),
        place=next((check.location for check in failed if check.location), None),
    )


def check_table(checks: Sequence[Check]) -> list[str]:
    """Return the results as aligned lines of text, each remedy below its check."""
    names = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        place = f"{check.location}: " if check.location else ""
        lines.append(f"{check.state.value:<7}  {check.name:<{names}}  {place}{check.detail}")
        if check.remedy:
            lines.append(f"{'':<7}  {'':<{names}}  remedy: {check.remedy}")
    return lines
