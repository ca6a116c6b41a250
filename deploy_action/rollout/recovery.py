"""Finish or undo what an interrupted run left behind.

What becomes of its leftovers is decided in `core.journal.Journal.remedy`.
"""

from __future__ import annotations

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.journal import Journal, Remedy, closing_tags
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Split
from deploy_action.errors import DeployError
from deploy_action.runtime.polling import Deadline, poll_until

_START_S = 300.0


def recover(app: ContainerApp, journal: Journal, record: Record) -> Remedy:
    """Finish or undo what the run of *journal* left behind, and close its journal.

    Returns:
        What was done.

    Raises:
        DeployError: it could not be done; the journal stays open then.
    """
    now = app.wait_until_idle()
    candidate = app.revision(journal.candidate)
    remedy = journal.remedy(now.split, candidate)
    if remedy is Remedy.RESTORE:
        _ensure_active(app, journal.before)
        now = app.write_split(journal.before, closing_tags(now.tags), strict=False)
        record.shifted(now.split, "put back")
        record.put_back("the traffic", ok=True, detail=f"back as before: {now.split}")
    else:
        app.write_tags(closing_tags(now.tags))
        record.put_back("the journal", ok=True, detail=f"closed: {remedy.value}; now {now.split}")
    if (
        remedy is not Remedy.KEEP
        and candidate
        and candidate.active
        and not now.split.depends_on(candidate.name)
    ):
        app.deactivate(candidate.name)
        record.put_back("the candidate", ok=True, detail=f"{candidate.name} deactivated")
    return remedy


def _ensure_active(app: ContainerApp, split: Split) -> None:
    """Make sure that every revision that *split* sends users to can serve (promise T1)."""
    for entry in split.entries:
        if not entry.weight or not entry.revision:
            continue
        name = entry.revision
        found = app.revision(name)
        if found is None:
            raise DeployError(
                f"The traffic cannot go back to revision '{name}': it does not exist any more.",
                hint="Name a good revision with the command 'rollback'.",
            )
        if not found.active:
            app.activate(name)

            def probe(name: str = name) -> tuple[Revision | None, str]:
                now = app.revision(name)
                words = now.in_words if now else "not there"
                return (now if now and now.can_serve else None), words

            poll_until(probe, what=f"revision '{name}' to start again", deadline=Deadline(_START_S))
