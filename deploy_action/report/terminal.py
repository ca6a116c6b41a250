"""Renders the record for a person at a terminal: marks, and a bar for each traffic split.

The text has no colours; `runtime.terminal` adds them.
"""

from __future__ import annotations

from deploy_action.core.events import (
    Event,
    GateFinished,
    PhaseEnded,
    PhaseStarted,
    RunEnded,
    TrafficShifted,
    UndoFinished,
    Validated,
    WarningRaised,
)
from deploy_action.core.traffic.split import FULL_TRAFFIC, Split
from deploy_action.report import console
from deploy_action.report.duration import duration

_BAR = 20
_INDENT = "  "
_GATE_MARKS = {"pass": "✓", "fail": "✗"}


def line(event: Event, candidate: str, phase_began_s: float) -> str:  # noqa: PLR0911  one form each
    """Return the text for one event.

    Args:
        event: the event.
        candidate: the revision that the run deploys or rolls back to; empty if unknown.
        phase_began_s: when the phase began, in seconds since the record's start.
    """
    match event:
        case PhaseStarted():
            return event.title
        case PhaseEnded():
            took = duration(event.at - phase_began_s)
            return f"{_INDENT}✓ done in {took}" if event.ok else f"{_INDENT}✗ stopped after {took}"
        case GateFinished():
            mark = _GATE_MARKS.get(event.verdict, "!")
            return f"{_INDENT}{mark} {event.gate}: {event.verdict} ({event.evidence})"
        case TrafficShifted():
            return f"{_INDENT}{bar(event.split, candidate)}  {event.why}: {event.split}"
        case UndoFinished():
            return f"{_INDENT}{'✓' if event.ok else '✗'} {console.line(event)}"
        case WarningRaised():
            return f"{_INDENT}! {event.text}"
        case RunEnded():
            return f"{'✗' if event.exit_code else '✓'} {console.line(event)}"
        case Validated():
            return console.line(event)
    return "\n".join(f"{_INDENT}{text}" for text in console.line(event).splitlines())


def bar(split: Split, candidate: str) -> str:
    """Return the weights as a bar: the candidate's part is filled.

    >>> from deploy_action.core.traffic.split import Entry
    >>> bar(Split.of([Entry(revision="a", weight=90), Entry(revision="b", weight=10)]), "b")
    '██░░░░░░░░░░░░░░░░░░'
    """
    weight = split.weight_of(candidate) if candidate else 0
    filled = round(_BAR * weight / FULL_TRAFFIC)
    if 0 < weight < FULL_TRAFFIC:  # both parts are visible
        filled = min(max(filled, 1), _BAR - 1)
    return "█" * filled + "░" * (_BAR - filled)
