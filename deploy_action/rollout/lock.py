"""The lock on the app: a journal in its tags, from a run's first write until all its work is done.

What happens to an interrupted run's leftovers is decided in `core.journal.Journal.remedy`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.app import App
from deploy_action.core.journal import Journal, Pending, closing_tags
from deploy_action.core.phase import Phase
from deploy_action.errors import DeployError, SupersededError
from deploy_action.runtime.polling import now_utc


@dataclass(slots=True)
class DeploymentLock:
    """Locks the app for one run; the journal's tags are sent with the requests that change the app.

    Args:
        app: whose tags they are.
        journal: the journal; phase, times and weights are updated at each write.
        lease_s: the longest time between two of this run's writes, in seconds.
        stale: tags of an earlier journal, removed by the first write.
        opened: whether Azure has confirmed a request that carried the journal.
    """

    app: ContainerApp
    journal: Journal
    lease_s: float
    stale: dict[str, str | None] = field(default_factory=dict)
    opened: bool = False
    _announced: bool = False

    def tags(self, phase: Phase, weight: int = 0) -> dict[str, str | None]:
        """Return the tags to send along with a change; leftovers of an older journal are removed.

        Args:
            phase: the phase that the run starts.
            weight: the candidate's share that this change writes, 0-100.
        """
        now = now_utc()
        self._announced = True
        self.journal = replace(
            self.journal,
            phase=phase,
            since=self.journal.since or int(now),
            until=int(now + self.lease_s),
            # The previous share stays listed: if Azure fails midway, either may be in effect.
            weights=(*self.journal.weights[-1:], weight),
        )
        return self.stale | self.journal.as_tags()

    def enter(self, phase: Phase) -> None:
        """Write a phase after the commit point; from there, any run may do the rest."""
        if not self._announced:
            return
        try:
            if self.owns(self.app.read()):
                self.app.write_tags(self.tags(phase, *self.journal.weights[-1:]))
        except DeployError:
            return  # the lease is then not shortened

    def end_lease(self) -> str:
        """Keep the journal and end its lease now, so that the next run need not wait.

        If Azure does not respond, the lease expires on its own.
        """
        if not self._announced:
            return "was not taken yet"
        try:
            if self.owns(self.app.read()):
                self.app.write_tags(replace(self.journal, until=0).as_tags())
        except DeployError as error:
            return f"kept for the next run until its lease expires ({error.message.rstrip('.')})"
        return "kept for the next run"

    def check(self, app: App) -> None:
        """Require that this run holds the lock, or that nobody does before its first write.

        Raises:
            SupersededError: another run, a rollback or a repair took the lock.
        """
        journal = Journal.from_tags(app.tags)
        if journal is not None and journal.run != self.journal.run:
            if self.opened or journal.lease_valid(now_utc()):
                raise SupersededError(f"{journal.describe_holder(now_utc())}; this run stops.")
        elif self.opened and journal is None:
            raise SupersededError(
                f"A rollback or repair has taken over app '{app.name}'; this run stops."
            )

    def owns(self, app: App) -> bool:
        """Whether this run still holds the lock."""
        try:
            self.check(app)
        except SupersededError:
            return False
        return True

    def release(self, pending: Collection[Pending] = ()) -> str:
        """Remove the journal if it is ours, without waiting for Azure to finish.

        Args:
            pending: work that could not be done. The journal then stays, with its lease ended, so
                that the next run does that work.
        """
        if not self._announced:
            return "was not taken yet"
        app = self.app.read()
        if not self.owns(app):
            return "held by the run that took over"
        if pending:
            ordered = tuple(item for item in Pending if item in pending)
            self.app.write_tags(replace(self.journal, pending=ordered, until=0).as_tags())
            done = "released; the next run completes the remaining work"
        else:
            if tags := closing_tags(app.tags):
                self.app.write_tags(tags)
            done = "released"
        self.opened = self._announced = False
        return done
