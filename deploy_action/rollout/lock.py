"""The journal on the app: held by a run from its first write until the cache is fresh again.

What becomes of a dead run's leftovers is decided in `core.journal.Journal.remedy`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.app import App
from deploy_action.core.journal import Journal, closing_tags
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Plan
from deploy_action.errors import SupersededError
from deploy_action.runtime.polling import now_utc


@dataclass(slots=True)
class DeploymentLock:
    """Keeps the journal of one run; the tags travel with the requests that change the app.

    Args:
        app: whose tags they are.
        plan: what the journal tells.
        opened: whether Azure has confirmed a request that carried it.
    """

    app: ContainerApp
    plan: Plan
    opened: bool = False
    _announced: bool = False
    _since: float = 0.0
    _weights: list[int] = field(default_factory=list)

    def tags(self, phase: Phase, weight: int = 0) -> dict[str, str | None]:
        """Return the tags to send along with a change; leftovers of an older journal go.

        Args:
            phase: what the run is about to do.
            weight: the candidate's share that this change writes, 0-100.
        """
        stale = closing_tags(self.plan.app.tags)
        self._announced = True
        self._since = self._since or now_utc()
        # The share before stays announced: should Azure fail midway, either may stand.
        self._weights = [*self._weights[-1:], weight]
        journal = self.plan.journal(
            phase, now_utc(), since=self._since, weights=tuple(self._weights)
        )
        return stale | journal.as_tags()

    def check(self, app: App) -> None:
        """Make sure that the app is this run's, or nobody's before this run's first write.

        Raises:
            SupersededError: another run, a rollback or a repair took it.
        """
        journal = Journal.from_tags(app.tags)
        if journal is not None and journal.run != self.plan.run.id:
            if self.opened or journal.lease_valid(now_utc()):
                raise SupersededError(f"{journal.describe_holder(now_utc())}; this run gives way.")
        elif self.opened and journal is None:
            raise SupersededError(
                f"App '{app.name}' was taken over by a rollback or a repair; this run gives way."
            )

    def owns(self, app: App) -> bool:
        """Whether nobody took the app over."""
        try:
            self.check(app)
        except SupersededError:
            return False
        return True

    def close(self) -> str:
        """Remove the journal, if it is ours, without waiting for Azure to finish."""
        if not self._announced:
            return "was never opened"
        app = self.app.read()
        if not self.owns(app):
            return "left to the run that took over"
        if tags := closing_tags(app.tags):
            self.app.write_tags(tags)
        self.opened = self._announced = False
        return "closed"
