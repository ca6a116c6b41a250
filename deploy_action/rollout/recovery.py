"""Recovers from an interrupted run: finishes or undoes its work.

What happens to its leftovers is decided in `core.journal.Journal.action`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.adoption import without_succession
from deploy_action.core.app import App
from deploy_action.core.app_changes import has_markers
from deploy_action.core.journal import Journal, Kind, Pending, RecoveryAction, closing_tags
from deploy_action.core.record import Record
from deploy_action.core.revisions.copies import copied_template
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.run import Run
from deploy_action.core.traffic.split import Split
from deploy_action.errors import DeployError, RollbackIncompleteError
from deploy_action.rollout.app_settings import AppSettings
from deploy_action.rollout.cache import CacheMaintenance
from deploy_action.rollout.single_mode import wait_until_restored
from deploy_action.runtime.polling import Deadline, now_utc, poll_until

_START_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Recovers from one interrupted run.

    Args:
        app: the app that its journal is on.
        run: this run, which takes over the lock meanwhile.
        cache: cleared, because the interrupted run may have left stale keys.
        publish: publishes the version commit of a revision that already serves, and returns
            whether it is on the branch; None where this run cannot.
        record: receives every event.
        app_settings: restores or keeps the app's secrets and tags.
        lease_s: how long this run holds the lock at most, in seconds.
    """

    app: ContainerApp
    run: Run
    cache: CacheMaintenance
    record: Record
    lease_s: float
    app_settings: AppSettings
    publish: Callable[[Revision], bool] | None = None

    def recover(self, journal: Journal) -> RecoveryAction:
        """Finish or undo the run of *journal*, and release its lock last.

        Returns:
            What was done.

        Raises:
            RollbackIncompleteError: something could not be done; the journal stays for the next
                run.
        """
        try:
            return self._recover(journal)
        except DeployError as error:
            raise RollbackIncompleteError(
                f"Run {journal.run} was interrupted, and recovering from it failed: "
                f"{error.message}",
                hint=error.hint
                or "Run the command repair, or deploy again. Both continue the recovery.",
                place=error.place,
            ) from error

    def _recover(self, journal: Journal) -> RecoveryAction:
        app = self.app.wait_until_idle()
        candidate = self.app.revision(journal.candidate)
        action = journal.recovery_action(app.split, candidate, app.latest)
        mine = journal.taken_over(self.run.id, until=now_utc() + self.lease_s)
        if action is RecoveryAction.RESTORE and journal.copy:
            app = self._create_copy(journal, mine, app)
        elif action is RecoveryAction.RESTORE:
            _ensure_active(self.app, journal.before)
            tags = mine.as_tags() | without_succession(journal.candidate, app.tags)
            app = self.app.write_split(journal.before, tags, strict=False)
            self.record.traffic_shifted(app.split, "restored")
            self.record.undo_finished("the traffic", ok=True, detail=f"now {app.split}")
        elif journal.run != self.run.id:
            self.app.write_tags(mine.as_tags())
        is_rollback = journal.kind is Kind.ROLLBACK
        undone = action in {RecoveryAction.DEACTIVATE, RecoveryAction.RESTORE} and not is_rollback
        if undone and not journal.adopted and not journal.copy:
            self._deactivate(candidate, app.split)
        if has_markers(app.tags) and (undone or is_rollback):
            self._restore_app_settings()
        elif has_markers(app.tags):
            self.app_settings.keep()
        self.cache.serving_host = app.fqdn
        self.cache.clear("recovery")
        pending = self._unpublished(journal, action, candidate)
        self._release(app.split, action, mine, pending)
        return action

    def _restore_app_settings(self) -> None:
        detail = self.app_settings.restore()
        self.record.undo_finished("secrets and tags", ok=True, detail=detail)

    def _create_copy(self, journal: Journal, mine: Journal, app: App) -> App:
        """Replace the candidate in Single revision mode by a copy of the earlier revision."""
        stable = self.app.revision(journal.stable)
        if stable is None:
            raise DeployError(
                f"Revision '{journal.stable}' cannot be copied: it no longer exists.",
                hint="Roll back to a healthy revision with the command rollback.",
            )
        if has_markers(app.tags):  # the copy must start with the earlier secrets
            self.app.write_tags(mine.as_tags())
            self._restore_app_settings()
        if app.latest == journal.copy:
            self.app.write_tags(mine.as_tags())
        else:
            template = copied_template(stable, journal.copy)
            self.app.write_template(template, journal.copy, mine.as_tags(), strict=False)
        detail = f"{journal.copy} was created, a copy of {stable.name}"
        try:
            wait_until_restored(self.app, self.record, journal.copy)
        except DeployError as error:  # it may be as broken as its original
            detail = f"{detail}, but it does not serve: {error.message}"
            self.record.warn(f"{journal.copy} does not serve: {error.message}")
        self.record.undo_finished("the traffic", ok=True, detail=detail)
        return self.app.read()

    def _deactivate(self, candidate: Revision | None, split: Split) -> None:
        if candidate and candidate.active and not split.depends_on(candidate.name):
            self.app.deactivate(candidate.name)
            self.record.undo_finished(
                "the candidate", ok=True, detail=f"{candidate.name} deactivated"
            )

    def _unpublished(
        self, journal: Journal, action: RecoveryAction, candidate: Revision | None
    ) -> tuple[Pending, ...]:
        """Publish the version commit if the interrupted run had to; return what remains."""
        if action is not RecoveryAction.COMPLETE or Pending.COMMIT not in journal.remaining:
            return ()
        if self.publish is None or candidate is None or not candidate.provenance.version:
            return ()
        return () if self.publish(candidate) else (Pending.COMMIT,)

    def _release(
        self, split: Split, action: RecoveryAction, journal: Journal, pending: tuple[Pending, ...]
    ) -> None:
        if pending:
            self.record.warn(
                f"Remaining work for the next run: {', '.join(item.value for item in pending)}."
            )
            self.app.write_tags(replace(journal, pending=pending, until=0).as_tags())
        else:
            self.app.write_tags(closing_tags(self.app.read().tags))
        detail = f"released after recovery: {journal.describe(action)}; traffic {split}"
        self.record.undo_finished("the deployment lock", ok=True, detail=detail)


def _ensure_active(app: ContainerApp, split: Split) -> None:
    """Make sure that every revision that *split* sends users to can serve."""
    for entry in split.entries:
        if not entry.weight or not entry.revision:
            continue
        name = entry.revision
        revision = app.revision(name)
        if revision is None:
            raise DeployError(
                f"Traffic cannot be restored to revision '{name}': it no longer exists.",
                hint="Roll back to a healthy revision with the command rollback.",
            )
        if not revision.active:
            app.activate(name)

            def probe(name: str = name) -> tuple[Revision | None, str]:
                now = app.revision(name)
                state = now.in_words if now else "not found"
                return (now if now and now.can_serve else None), state

            poll_until(probe, what=f"revision '{name}' to start again", deadline=Deadline(_START_S))
