"""The journal on the app: held by a run from its first write to the end of its bake.

The rule for a run that died: a candidate that holds all traffic and is ready is kept, because users
are on it and it had passed every gate; everything else is undone to the split before.
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.app import App
from deploy_action.core.journal import Journal, closing_tags
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Plan
from deploy_action.core.record import Record
from deploy_action.core.revision import Readiness
from deploy_action.core.split import WHOLE
from deploy_action.errors import SupersededError
from deploy_action.runtime.waiting import now_utc


@dataclass(slots=True)
class Keeper:
    """Keeps the journal of one run; the tags travel with the requests that change the app."""

    app: ContainerApp
    plan: Plan
    opened: bool = False

    def tags(self, phase: Phase) -> dict[str, str | None]:
        """Return the tags to send along with a change; leftovers of an older journal go."""
        stale = closing_tags(self.plan.app.tags)
        self.opened = True
        return stale | self.plan.journal(phase, now_utc()).as_tags()

    def check(self, app: App) -> None:
        """Make sure that the app is still this run's.

        Raises:
            SupersededError: another run, a rollback or a repair took it.
        """
        journal = Journal.from_tags(app.tags)
        if self.opened and (journal is None or journal.run != self.plan.run.id):
            by = f"run {journal.run}" if journal else "a rollback or a repair"
            raise SupersededError(f"App '{app.name}' was taken over by {by}; this run gives way.")

    def owns(self, app: App) -> bool:
        """Whether nobody took the app over."""
        try:
            self.check(app)
        except SupersededError:
            return False
        return True

    def close(self) -> str:
        """Remove the journal, if it is ours, without waiting for Azure to finish."""
        if not self.opened:
            return "was never opened"
        app = self.app.read()
        if not self.owns(app):
            return "left to the run that took over"
        if tags := closing_tags(app.tags):
            self.app.write_tags(tags)
        self.opened = False
        return "closed"


def settle(app: ContainerApp, journal: Journal, record: Record) -> str:
    """Finish or undo what the run of *journal* left behind, and close its journal.

    Returns:
        What was done: ``kept`` or ``undone``.
    """
    now = app.read()
    candidate = app.revision(journal.candidate)
    weight = now.split.weight_of(journal.candidate)
    if candidate and weight == WHOLE and candidate.readiness is Readiness.READY:
        app.write_tags(closing_tags(now.tags))
        record.put_back(
            "the journal", ok=True, detail=f"{candidate.name} kept: it serves all users"
        )
        return "kept"
    if weight or now.split.follows_latest:
        now = app.write_split(journal.before, closing_tags(now.tags))
        record.shifted(now.split, "put back")
        record.put_back("the traffic", ok=True, detail=str(now.split))
    else:
        app.write_tags(closing_tags(now.tags))
    if candidate and candidate.active and not now.split.weight_of(candidate.name):
        app.deactivate(candidate.name)
        record.put_back("the candidate", ok=True, detail=f"{candidate.name} deactivated")
    return "undone"
