"""Replaces the serving revision of an app in Single revision mode, and undoes that.

Azure shifts all traffic to the newest revision as soon as it is ready. The undo creates a copy of
the earlier revision, which becomes the newest one. No revision is deactivated: in this mode,
that may stop the serving one, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.adapters.container_app import AzureRefusedError, ContainerApp, Guard
from deploy_action.adapters.container_app.errors import AzureUnavailableError
from deploy_action.core.app import App
from deploy_action.core.journal import Journal
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.revisions.copies import copied_template
from deploy_action.core.revisions.revision import Readiness, Revision
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.errors import DeployError, SupersededError
from deploy_action.rollout.lock import DeploymentLock
from deploy_action.runtime.polling import Deadline, backoff, pause, poll_until

SHIFT_S = 300.0  # how long a new revision may take to start and to receive the traffic
_LAG_S, _RESTORE_LAG_S = 10.0, 3.0  # how long reads may still show the state before a write


def wait_until_serving(app: ContainerApp, name: str) -> App:
    """Wait until Azure has shifted all traffic to revision *name*; return the app's state.

    Raises:
        DeployError: the revision failed to start, or does not serve in time.
    """

    def probe() -> tuple[App | None, str]:
        now = app.read()
        if now.split.weight_of(name) == FULL_TRAFFIC:
            return now, ""
        revision = app.revision(name)
        if revision is not None and revision.readiness is Readiness.FAILED:
            raise DeployError(f"Revision '{name}' failed to start: {revision.in_words}.")
        state = revision.in_words if revision else "not listed yet"
        return None, f"its state is {state}; traffic {now.split}"

    what = f"Azure to shift all traffic to revision '{name}'"
    return poll_until(probe, what=what, deadline=Deadline(SHIFT_S))


def wait_until_restored(app: ContainerApp, record: Record, copy: str) -> Revision | None:
    """Wait until all traffic is on *copy*, the copy of the earlier revision; record and return it.

    Raises:
        DeployError: the copy failed to start, or does not serve in time.
    """
    now = wait_until_serving(app, copy)
    record.traffic_shifted(now.split, "restored")
    revision = app.revision(copy)
    record.restored_as(revision)
    return revision


@dataclass(slots=True, kw_only=True)
class Replacement:
    """Replaces the serving revision by a new one.

    Args:
        app: the app, in Single revision mode.
        lock: its tags are sent with each write.
        record: receives each confirmed shift of the traffic.
        stable: the revision that serves.
        new: name of the revision that replaces it.
        copy: name of the copy of *stable* that the undo creates.
        latest: name of the app's newest revision before the run.
        takes_over: whether the run takes the lock from another one, as a rollback does.
    """

    app: ContainerApp
    lock: DeploymentLock
    record: Record
    stable: Revision
    new: str
    copy: str
    latest: str
    takes_over: bool = False
    restored: bool = field(default=False, init=False)
    _in_doubt: bool = field(default=False, init=False)

    def create(self, template: Mapping[str, Any]) -> None:
        """Create the new revision from *template*.

        Raises:
            SupersededError: someone else changed the app or took over.
            DeployError: Azure refused.
        """
        tags = self.lock.tags(Phase.CREATE, FULL_TRAFFIC)
        guard: Guard = (lambda _: None) if self.takes_over else self.assert_unchanged
        self._in_doubt = True
        try:
            self.app.write_template(template, self.new, tags, guard=guard)
        except AzureUnavailableError:
            raise
        except AzureRefusedError:
            self._in_doubt = False
            raise
        self._in_doubt, self.lock.opened = False, True

    def promote(self, why: str) -> App:
        """Record in the journal that the new revision has passed its gates; return the app.

        Raises:
            SupersededError: someone else changed the app or took over.
            DeployError: Azure did not shift the traffic, or refused.
        """
        app = wait_until_serving(self.app, self.new)
        self.assert_unchanged(app)
        self.app.write_configuration(None, self.lock.tags(Phase.PROMOTE, FULL_TRAFFIC))
        self.lock.opened = True
        self.record.traffic_shifted(app.split, why)
        return app

    def restore(self) -> str:
        """Create a copy of the earlier revision, unless the new one was never created.

        Does not wait until the copy serves; `wait_until_restored` does.

        Returns:
            A description of the result.
        """
        app = self._read_own()
        self.record.split = app.split
        if not self.lock.owns(app):
            return f"left to the run that took over: {app.split}"
        app = self.app.wait_until_idle()  # the creation may still be under way
        if app.latest not in {self.new, self.copy} and not self._in_doubt:
            if self.app.revision(self.new) is None:
                return f"was not touched: {app.split}"
            return f"left, because someone else created revision {app.latest}"
        if app.split.weight_of(self.new) == FULL_TRAFFIC:
            self.record.traffic_shifted(app.split, "shifted by Azure")
        if app.latest != self.copy:
            self.app.write_template(
                copied_template(self.stable, self.copy),
                self.copy,
                self.lock.tags(Phase.SHIFT, FULL_TRAFFIC),
                guard=self.assert_unchanged,
                strict=False,
            )
        self.restored = True
        return f"{self.copy} was created, a copy of {self.stable.name}"

    def assert_unchanged(self, app: App) -> None:
        """Check that this run holds the lock and that nobody else has created a revision.

        Raises:
            SupersededError: someone else has.
        """
        lag = Deadline(_LAG_S)
        for length in backoff(0.2, 2.0):
            error = self.changed(app)
            if error is None:
                return
            if lag.passed or self._is_locked_by_others(app):
                raise error
            pause(length)
            app = self.app.read()

    def changed(self, app: App) -> SupersededError | None:
        """Return why this run must stop, or None."""
        try:
            self.lock.check(app)
        except SupersededError as error:
            return error
        if app.latest in {self.latest, self.new, self.copy}:
            return None
        return SupersededError(
            f"Someone else created revision '{app.latest}' of app '{app.name}' during this run.",
            hint="That revision was kept. Check the app before the next deployment.",
        )

    def _read_own(self) -> App:
        """Read the app, again for a moment if the read may still show it before our write."""
        lag = Deadline(_RESTORE_LAG_S)
        app = self.app.read()
        while not self.lock.owns(app) and not self._is_locked_by_others(app) and not lag.passed:
            pause(0.2)
            app = self.app.read()
        return app

    def _is_locked_by_others(self, app: App) -> bool:
        journal = Journal.from_tags(app.tags)
        return journal is not None and journal.run != self.lock.journal.run
