"""Renders the record as log lines, with level and component for the log file."""

from __future__ import annotations

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
from deploy_action.core.validation import check_table
from deploy_action.report.duration import duration


def line(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912  one form for each kind of event
    """Return the text for one event, as the log has it."""
    match event:
        case PhaseStarted():
            return event.title
        case PhaseEnded():
            return "done" if event.ok else "stopped"
        case LogMessage():
            return event.text
        case WarningRaised():
            return f"warning: {event.text}"
        case GateFinished():
            return f"gate {event.gate}: {event.verdict} ({event.evidence})"
        case TrafficShifted():
            return f"traffic {event.why}: {event.split}"
        case CacheCleared():
            counts = ", ".join(f"{pattern} {count}" for pattern, count in event.removed)
            rest = "" if event.complete else ", incomplete"
            return f"cache cleared ({event.moment}): {counts}{rest}"
        case UndoFinished():
            state = "restored" if event.ok else "NOT restored"
            return f"{state}: {event.what}" + (event.detail and f" ({event.detail})")
        case Diagnosed():
            return _diagnosis(event)
        case Planned():
            return "\n".join(event.lines)
        case Validated():
            return "\n".join(check_table(event.checks))
        case Crashed():
            return f"unexpected error: {type(event.error).__name__}: {event.error}"
        case RunEnded():
            return _ending(event)


def level(event: Event) -> str:
    """Return the level of one event."""
    match event:
        case WarningRaised():
            return "warning"
        case (
            Crashed() | GateFinished(verdict="fail") | UndoFinished(ok=False) | PhaseEnded(ok=False)
        ):
            return "error"
        case RunEnded(exit_code=code) if code:
            return "error"
    return "info"


_COMPONENTS: dict[type[Event], str] = {
    TrafficShifted: "traffic",
    CacheCleared: "cache",
    UndoFinished: "restore",
    Diagnosed: "diagnosis",
    Validated: "validate",
    RunEnded: "result",
}


def component(event: Event, phase: str) -> str:
    """Return what one event is about.

    Args:
        event: the event.
        phase: key of the phase that it belongs to; empty outside phases.
    """
    if isinstance(event, PhaseStarted | PhaseEnded):
        return event.phase.key
    return _COMPONENTS.get(type(event)) or phase or "run"


def _diagnosis(event: Diagnosed) -> str:
    lines = [f"likely cause: {event.cause} {event.hint}"] if event.cause else []
    if event.log:
        lines.append("last lines of the container's log:")
        lines += [f"  | {text}" for text in event.log]
    return "\n".join(lines)


def _ending(event: RunEnded) -> str:
    first = f"{event.result} after {duration(event.at)}"
    return "\n".join(part for part in (first, event.reason, event.hint) if part)
