"""The events of a run, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy_action.core.phase import Phase
from deploy_action.core.traffic.split import Split
from deploy_action.core.validation import Check
from deploy_action.errors import (
    Fault,
    SourceLocation,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted:
    """A phase began; *at* is in seconds since the record's start."""

    phase: Phase
    at: float
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEnded:
    """A phase ended well or not; *at* is in seconds since the record's start."""

    phase: Phase
    at: float
    ok: bool


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A log line."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningRaised:
    """A warning that does not stop the run."""

    text: str
    place: SourceLocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinished:
    """The final result of a gate: its name, its verdict and the evidence."""

    gate: str
    verdict: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficShifted:
    """A split that was written and read back."""

    at: float
    split: Split
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCleared:
    """One cache clearing: its moment, keys removed by pattern, and whether it completed."""

    moment: str
    removed: tuple[tuple[str, int], ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoFinished:
    """One undo: what was restored, whether that worked, and the manual fix if not."""

    what: str
    ok: bool
    detail: str = ""
    by_hand: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """The diagnosis of a failed candidate: likely cause, hint (may be empty), last log lines."""

    cause: str
    hint: str
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan of a deployment, as lines of text and as plain data."""

    lines: tuple[str, ...]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Validated:
    """The results of all checks of `validate`."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Crashed:
    """An unexpected error: a bug of this program. The run may still restore everything."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The end of the run: result, exit code, and after a failure the reason and the next step."""

    at: float
    result: str
    exit_code: int
    reason: str = ""
    hint: str = ""
    place: SourceLocation | None = None
    faults: tuple[Fault, ...] = ()


Event = (
    PhaseStarted
    | PhaseEnded
    | LogMessage
    | WarningRaised
    | GateFinished
    | TrafficShifted
    | CacheCleared
    | UndoFinished
    | Diagnosed
    | Planned
    | Validated
    | Crashed
    | RunEnded
)
