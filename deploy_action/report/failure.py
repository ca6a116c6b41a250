"""What a failed run says about its cause and the next step."""

from __future__ import annotations

from deploy_action.core.record import Record

# Where the error itself has no hint.
_NEXT = {
    "aborted": "Fix the cause and push again. Everything was restored.",
    "cancelled": "Deploy again if you want to. The action's second step restores what could not be "
    "restored at once.",
}


def next_step(record: Record) -> str:
    """Return what to do after a failure; without the likely cause, which is shown beside it."""
    ending, found = record.ending, record.diagnosis
    if ending is None or not ending.exit_code:
        return ""
    if found is None or not found.cause:
        return ending.hint or _NEXT.get(ending.result, "")
    return ending.hint.replace(f"Likely cause: {found.cause} {found.hint}", found.hint)


def reason(record: Record) -> str:
    """Return why a run failed, with the likely cause if it is known."""
    ending, found = record.ending, record.diagnosis
    if ending is None or found is None or not found.cause:
        return ending.reason if ending else ""
    return f"{ending.reason} Likely cause: {found.cause}".strip()
