"""The state of an app at one moment, and the run that owns it."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.app import App
from deploy_action.core.journal import Journal
from deploy_action.core.revisions.revision import (
    Revision,
)
from deploy_action.core.run import Run
from deploy_action.errors import SupersededError


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The state of the app at one moment.

    Args:
        now: seconds since 1970.
        holder_ended: whether GitHub reports that the run that holds the lock has ended.
    """

    app: App
    revisions: tuple[Revision, ...]
    run: Run
    now: float
    holder_ended: bool = False


def check_journal(observed: Observed) -> Journal | None:
    """Return the journal of an interrupted run to recover from first, or None.

    Raises:
        SupersededError: a run that may still be active holds the lock.
    """
    journal = Journal.from_tags(observed.app.tags)
    if journal is None or journal.run == observed.run.id:
        return journal
    if journal.is_final:
        return journal
    if journal.lease_valid(observed.now) and not observed.holder_ended:
        minutes = max(1, round((journal.until - observed.now) / 60))
        raise SupersededError(
            f"Another run owns this app. {journal.describe_holder(observed.now)}; "
            f"its lock will be considered stale in {minutes} min.",
            hint="Wait for that run; the setting lock-wait does so automatically. If it has "
            "already ended, run the command repair with take-over: true.",
        )
    return journal
