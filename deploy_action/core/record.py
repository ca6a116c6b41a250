"""The record of a run: its events and facts; log, annotations and summary are rendered from them.

The record gets its clock from the caller, stores every event and passes it to its listeners.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from deploy_action.core.events import (
    CacheCleared,
    Crashed,
    Diagnosed,
    Event,
    GateFinished,
    LogMessage,
    PhaseEnded,
    PhaseStarted,
    Planned,
    RunEnded,
    TrafficShifted,
    UndoFinished,
    Validated,
    WarningRaised,
)
from deploy_action.core.outcome import Outcome, RevisionInfo, outcome_of, updated
from deploy_action.core.phase import Phase
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.status import AppStatus
from deploy_action.core.traffic.split import Split
from deploy_action.core.validation import Check
from deploy_action.errors import (
    CancelledError,
    DeployError,
    InputError,
    PreflightError,
    RollbackIncompleteError,
    SourceLocation,
)


@dataclass(slots=True)
class Record:
    """The run's record.

    Args:
        command: the name of the command, such as ``deploy``.
        clock: seconds, monotonic.
        redact: replaces secrets in every text that enters the record.
        listeners: called with each event immediately.
        facts: what became known, by name (``version``, ``revision``, …).
        before: what served when the run began.
        attempted: what the run tries to deploy.
        split: the last traffic split read from Azure.
        status: what the command `status` read.
        bumped: what the command `bump` planned or wrote, as JSON values.
        bug_report: where the report of an unexpected error is; empty without one.
    """

    command: str
    clock: Callable[[], float]
    redact: Callable[[str], str] = str
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    before: RevisionInfo = field(default_factory=RevisionInfo)
    attempted: RevisionInfo = field(default_factory=RevisionInfo)
    split: Split | None = None
    status: AppStatus | None = None
    bumped: tuple[Mapping[str, Any], ...] | None = None
    bug_report: str = ""
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self._started

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Record the start and the end of one phase, even if it fails."""
        self._notify(PhaseStarted(phase=phase, at=self.elapsed_s, title=phase.title(self.command)))
        ok = False
        try:
            yield
            ok = True
        finally:
            self._notify(PhaseEnded(phase=phase, at=self.elapsed_s, ok=ok))

    def say(self, text: str) -> None:
        """Record a log line."""
        self._notify(LogMessage(text))

    def warn(self, text: str, place: SourceLocation | None = None) -> None:
        """Record a warning, which becomes an annotation."""
        self._notify(WarningRaised(text=text, place=place))

    def gate_finished(self, gate: str, verdict: str, evidence: str) -> None:
        """Record the final result of a gate."""
        self._notify(GateFinished(gate=gate, verdict=verdict, evidence=evidence))

    @property
    def outcome(self) -> Outcome:
        """The serving and the attempted revision."""
        return outcome_of(self.before, self.attempted, self.split)

    def observed(self, split: Split, serving: RevisionInfo) -> None:
        """Store what serves before the run changes anything."""
        self.split, self.before = split, _redacted(serving, self.redact)

    def restored_as(self, revision: Revision | None) -> None:
        """Store that a copy of the revision that served before serves now."""
        if revision is not None:
            side = updated(self.before, revision=revision.name, url=revision.info.url)
            self.before = _redacted(side, self.redact)

    def set_attempted(self, **fields: str) -> None:
        """Store what the run tries to deploy, as it becomes known: fields of `RevisionInfo`."""
        self.attempted = _redacted(updated(self.attempted, **fields), self.redact)

    def traffic_shifted(self, split: Split, why: str) -> None:
        """Record a split that Azure confirmed."""
        self.split = split
        self._notify(TrafficShifted(at=self.elapsed_s, split=split, why=why))

    @property
    def split_age_s(self) -> float | None:
        """Seconds since this run's last change of the traffic; None if it changed none."""
        moments = [event.at for event in self.events if isinstance(event, TrafficShifted)]
        return self.elapsed_s - moments[-1] if moments else None

    def cleared(self, moment: str, removed: tuple[tuple[str, int], ...], *, complete: bool) -> None:
        """Record one clearing of the cache."""
        self._notify(CacheCleared(moment=moment, removed=removed, complete=complete))

    def undo_finished(self, what: str, *, ok: bool, detail: str = "", by_hand: str = "") -> None:
        """Record one undo."""
        self._notify(UndoFinished(what=what, ok=ok, detail=detail, by_hand=by_hand))

    def diagnosed(self, *, cause: str, hint: str, log: tuple[str, ...]) -> None:
        """Record why the candidate failed."""
        self._notify(Diagnosed(cause=cause, hint=hint, log=log))

    def planned(self, lines: tuple[str, ...], data: Mapping[str, Any]) -> None:
        """Report what a deployment will change."""
        self._notify(Planned(lines, data))

    @property
    def plan(self) -> Planned | None:
        """The plan of the deployment; None before it is made."""
        return next((event for event in self.events if isinstance(event, Planned)), None)

    def validated(self, checks: tuple[Check, ...]) -> None:
        """Report the results of all checks of `validate`."""
        self._notify(Validated(checks))

    @property
    def checks(self) -> tuple[Check, ...]:
        """The results of all checks of `validate`; empty before them."""
        return tuple(
            check for event in self.events if isinstance(event, Validated) for check in event.checks
        )

    @property
    def keys_cleared(self) -> int:
        """The number of cache keys that this run cleared."""
        return sum(
            count
            for event in self.events
            if isinstance(event, CacheCleared)
            for _, count in event.removed
        )

    @property
    def diagnosis(self) -> Diagnosed | None:
        """The diagnosis of the failed candidate; None before there is one."""
        return next((event for event in self.events if isinstance(event, Diagnosed)), None)

    def set_facts(self, **facts: str) -> None:
        """Store facts for outputs and summary; underscores become dashes."""
        self.facts.update(
            {name.replace("_", "-"): self.redact(value) for name, value in facts.items()}
        )

    def crashed(self, error: BaseException) -> None:
        """Report an unexpected error, if *error* is one."""
        if not isinstance(error, DeployError | CancelledError):
            self._notify(Crashed(error))

    def succeed(self, result: str) -> None:
        """Close the record of a successful run."""
        self._notify(RunEnded(at=self.elapsed_s, result=result, exit_code=0))

    @property
    def has_changes(self) -> bool:
        """Whether anything was changed in Azure or in the cache."""
        return any(
            isinstance(event, TrafficShifted | CacheCleared | UndoFinished) for event in self.events
        )

    def fail(self, error: BaseException) -> None:
        """Close the record of a failed run; of an unexpected error, only the type is shown."""
        if isinstance(error, InputError | PreflightError) and self.has_changes:
            # The results of these errors say that nothing was changed.
            error = RollbackIncompleteError(error.message, hint=error.hint, place=error.place)
        match error:
            case DeployError():
                ended = RunEnded(
                    at=self.elapsed_s,
                    result=error.result,
                    exit_code=error.exit_code,
                    reason=error.message,
                    hint=error.hint,
                    place=error.place,
                    faults=error.faults if isinstance(error, InputError) else (),
                )
            case CancelledError():
                ended = RunEnded(
                    at=self.elapsed_s,
                    result=error.result,
                    exit_code=error.exit_code,
                    reason=error.reason,
                )
            case _:
                ended = RunEnded(
                    at=self.elapsed_s,
                    result="failed",
                    exit_code=1,
                    reason=f"An unexpected error stopped the run: {type(error).__name__}.",
                    hint=f"This is a bug. Attach {self.bug_report} to an issue."
                    if self.bug_report
                    else "This is a bug. Run it again with DEPLOYMENT_DEBUG=1, and report it.",
                )
        self._notify(ended)

    def redacted(self) -> Record:
        """Return a copy without secrets that became known only after they had entered."""
        clean = copy(self)
        clean.listeners = []
        clean.events = [
            # A build may log thousands of lines, and nothing but the log shows them.
            event if isinstance(event, LogMessage) else _redacted(event, self.redact)
            for event in self.events
        ]
        clean.facts = _redacted(self.facts, self.redact)
        clean.before = _redacted(self.before, self.redact)
        clean.attempted = _redacted(self.attempted, self.redact)
        clean.status = _redacted(self.status, self.redact)
        clean.bumped = _redacted(self.bumped, self.redact)
        return clean

    @property
    def last_phase(self) -> str:
        """The key of the phase that began last; empty before the first one."""
        started = [event for event in self.events if isinstance(event, PhaseStarted)]
        return started[-1].phase.key if started else ""

    @property
    def ending(self) -> RunEnded | None:
        """The end of the run; None while it runs."""
        return next((event for event in reversed(self.events) if isinstance(event, RunEnded)), None)

    def _notify(self, event: Event) -> None:
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
            items = [_redacted(item, redact) for item in value]
            unchanged = all(map(operator.is_, items, value))
            return value if unchanged else tuple(items)
        case list():
            return [_redacted(item, redact) for item in value]
        case dict():
            return {key: _redacted(item, redact) for key, item in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            values = ((item.name, getattr(value, item.name)) for item in fields(value) if item.init)
            changed = {
                name: clean for name, old in values if (clean := _redacted(old, redact)) is not old
            }
            return replace(value, **changed) if changed else value
    return value
