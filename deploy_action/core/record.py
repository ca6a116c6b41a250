"""What happened, as data. Everything that is printed, annotated or summed up is rendered from it.

The record is handed its clock and tells its listeners each event as it comes; it keeps them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from deploy_action.core.outcome import Outcome, Side, outcome_of, updated
from deploy_action.core.phase import Phase
from deploy_action.core.traffic.split import Split
from deploy_action.errors import (
    CancelledError,
    DeployError,
    Fault,
    InputError,
    PreflightError,
    RollbackIncompleteError,
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
class Said:
    """A line for whoever watches."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that did not stop the run but that somebody should see."""

    text: str
    place: SourceLocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """A gate's final answer: which gate, its verdict in a word, and the evidence."""

    gate: str
    verdict: str
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """A split that was written and read back."""

    at: float
    split: Split
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCleared:
    """One clearing: when in the story, keys removed by pattern, and whether it was complete."""

    moment: str
    removed: tuple[tuple[str, int], ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """One undo: what was put back, whether that worked, and what to do by hand if not."""

    what: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """Why the candidate failed: likely cause and hint (may be empty), and its last log lines."""

    cause: str
    hint: str
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end: result word, exit code, and for a bad ending the reason and the way on."""

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
    | Said
    | Warned
    | Gated
    | Shifted
    | CacheCleared
    | PutBack
    | Diagnosed
    | Ended
)


@dataclass(slots=True)
class Record:
    """The run's record.

    Args:
        command: the verb, such as ``deploy``.
        clock: seconds, monotonic.
        redact: replaces secrets in every text that enters the record.
        listeners: called with each event at once.
        facts: what became known, by name (``version``, ``revision``, …).
        before: what served when the run began.
        attempted: what it wants to serve.
        split: the traffic as it was read back last.
    """

    command: str
    clock: Callable[[], float]
    redact: Callable[[str], str] = str
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    before: Side = field(default_factory=Side)
    attempted: Side = field(default_factory=Side)
    split: Split | None = None
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self._started

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Tell the beginning and the end of one phase, however it ends."""
        self._tell(PhaseStarted(phase=phase, at=self.elapsed_s, title=phase.title(self.command)))
        ok = False
        try:
            yield
            ok = True
        finally:
            self._tell(PhaseEnded(phase=phase, at=self.elapsed_s, ok=ok))

    def say(self, text: str) -> None:
        """Tell a line."""
        self._tell(Said(text))

    def warn(self, text: str, place: SourceLocation | None = None) -> None:
        """Tell something that deserves an annotation."""
        self._tell(Warned(text=text, place=place))

    def gated(self, gate: str, verdict: str, seen: str) -> None:
        """Tell a gate's final answer."""
        self._tell(Gated(gate=gate, verdict=verdict, seen=seen))

    @property
    def outcome(self) -> Outcome:
        """What serves now, and what was attempted."""
        return outcome_of(self.before, self.attempted, self.split)

    def observed(self, split: Split, serving: Side) -> None:
        """Keep what serves before the run changes anything."""
        self.split, self.before = split, _redacted(serving, self.redact)

    def attempts(self, **fields: str) -> None:
        """Keep what the run wants to serve, field by field of `Side`, as it becomes known."""
        self.attempted = _redacted(updated(self.attempted, **fields), self.redact)

    def shifted(self, split: Split, why: str) -> None:
        """Tell a split that Azure confirmed."""
        self.split = split
        self._tell(Shifted(at=self.elapsed_s, split=split, why=why))

    def cleared(self, moment: str, removed: tuple[tuple[str, int], ...], *, complete: bool) -> None:
        """Tell one clearing of the cache."""
        self._tell(CacheCleared(moment=moment, removed=removed, complete=complete))

    def put_back(self, what: str, *, ok: bool, detail: str = "") -> None:
        """Tell one undo."""
        self._tell(PutBack(what=what, ok=ok, detail=detail))

    def diagnosed(self, *, cause: str, hint: str, log: tuple[str, ...]) -> None:
        """Tell why the candidate failed."""
        self._tell(Diagnosed(cause=cause, hint=hint, log=log))

    @property
    def diagnosis(self) -> Diagnosed | None:
        """Why the candidate failed, once that was looked into."""
        return next((event for event in self.events if isinstance(event, Diagnosed)), None)

    def learned(self, **facts: str) -> None:
        """Keep facts for outputs and summary; underscores become dashes."""
        self.facts.update(
            {name.replace("_", "-"): self.redact(value) for name, value in facts.items()}
        )

    def ended_well(self, result: str) -> None:
        """Close the record of a run that did what it was asked."""
        self._tell(Ended(at=self.elapsed_s, result=result, exit_code=0))

    @property
    def has_changes(self) -> bool:
        """Whether anything was changed in Azure or in the cache."""
        return any(isinstance(event, Shifted | CacheCleared | PutBack) for event in self.events)

    def ended_badly(self, error: BaseException) -> None:
        """Close the record with what stopped the run; an unknown error shows only its type."""
        if isinstance(error, InputError | PreflightError) and self.has_changes:
            # Their results say that nothing was changed (guarantee O1).
            error = RollbackIncompleteError(error.message, hint=error.hint, place=error.place)
        match error:
            case DeployError():
                ended = Ended(
                    at=self.elapsed_s,
                    result=error.result,
                    exit_code=error.exit_code,
                    reason=error.message,
                    hint=error.hint,
                    place=error.place,
                    faults=error.faults if isinstance(error, InputError) else (),
                )
            case CancelledError():
                ended = Ended(
                    at=self.elapsed_s,
                    result=error.result,
                    exit_code=error.exit_code,
                    reason=error.reason,
                )
            case _:
                ended = Ended(
                    at=self.elapsed_s,
                    result="failed",
                    exit_code=1,
                    reason=f"An unexpected error stopped the run: {type(error).__name__}.",
                    hint="Run it again with DEPLOYMENT_DEBUG=1 to see where it comes from.",
                )
        self._tell(ended)

    @property
    def ending(self) -> Ended | None:
        """How the run ended, once it has."""
        return next((event for event in reversed(self.events) if isinstance(event, Ended)), None)

    def _tell(self, event: Event) -> None:
        event = _redacted(event, self.redact)
        self.events.append(event)
        for listener in self.listeners:
            listener(event)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return *value* with every text in it redacted."""
    match value:
        case str():
            return redact(value)
        case tuple():
            return tuple(_redacted(item, redact) for item in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return replace(
                value,
                **{
                    item.name: _redacted(getattr(value, item.name), redact)
                    for item in fields(value)
                    if item.init
                },
            )
    return value
