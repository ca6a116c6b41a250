"""Cause and next step of a failed run, for the reports."""

from __future__ import annotations

from deploy_action.core.events import UndoFinished
from deploy_action.core.record import Record
from deploy_action.errors import sentences

# Where the error itself has no hint.
_NEXT = {
    "aborted": "Everything was restored. Fix the cause and deploy again.",
    "cancelled": "To deploy, re-run the job. If anything could not be restored in time, the "
    "action's next step restores it.",
}
_NOTHING_CHANGED = "Nothing was changed."  # the only hint of most invalid settings


def next_step(record: Record) -> str:
    """Return what to do after a failure; without the likely cause, which is shown beside it."""
    ending, diagnosis = record.ending, record.diagnosis
    if ending is None or not ending.exit_code:
        return ""
    if ending.hint == _NOTHING_CHANGED:
        return f"Correct the settings, and run again. {_NOTHING_CHANGED}"
    if diagnosis is None or not diagnosis.cause:
        return ending.hint or _NEXT.get(ending.result, "")
    return ending.hint.replace(f"Likely cause: {diagnosis.cause} {diagnosis.hint}", diagnosis.hint)


def not_restored(record: Record) -> list[UndoFinished]:
    """Return what an abort could not restore."""
    return [event for event in record.events if isinstance(event, UndoFinished) and not event.ok]


def reason(record: Record) -> str:
    """Return why a run failed, with the likely cause if it is known."""
    ending, diagnosis = record.ending, record.diagnosis
    if ending is None or diagnosis is None or not diagnosis.cause:
        return ending.reason if ending else ""
    return sentences(ending.reason, f"Likely cause: {diagnosis.cause}")
