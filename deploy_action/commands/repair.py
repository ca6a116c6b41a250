"""Repair: recover from a run that was cancelled, killed or lost, and deactivate old revisions."""

from __future__ import annotations

from deploy_action.core.adoption import previous_of
from deploy_action.core.app import serving as serving_revision
from deploy_action.core.journal import Journal, RecoveryAction
from deploy_action.core.observed import Observed, check_journal
from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision, by_name
from deploy_action.core.settings.schema import Settings
from deploy_action.rollout.observe import observe_first, with_holder_state
from deploy_action.rollout.recovery import Recovery
from deploy_action.services import Services


def repair(settings: Settings, services: Services, record: Record) -> None:
    """Recover from any interrupted run, and deactivate revisions that are no longer needed.

    Raises:
        SupersededError: its run may still be running.
        RollbackIncompleteError: something could not be restored.
    """
    _repair(settings, services, record, own_only=False)


def finish(settings: Settings, services: Services, record: Record) -> None:
    """Finish what an interrupted step of this run left behind, but leave other runs alone.

    Raises:
        RollbackIncompleteError: something could not be restored.
    """
    _repair(settings, services, record, own_only=True)


def _repair(settings: Settings, services: Services, record: Record, *, own_only: bool) -> None:
    with record.phase(Phase.PLAN):
        observed = with_holder_state(observe_first(services.app, services.run), services.has_ended)
        serving = observed.app.split.heaviest().revision or observed.app.latest_ready
        record.observed(
            observed.app.split, _revision_info(by_name(observed.revisions, serving), serving)
        )
        record.set_facts(url=observed.app.url)
        journal = _journal(settings, services, observed, own_only=own_only)
        _describe(observed, journal, record)
    if settings.dry_run:
        record.succeed("planned")
        return
    if journal:
        with record.phase(Phase.RECOVER):
            recovery = Recovery(
                app=services.app,
                run=services.run,
                cache=services.cache,
                record=record,
                app_settings=services.app_settings,
                lease_s=settings.operation_timeout_s * 2 + settings.cache_timeout_s,
                publish=lambda revision: _publish(services, revision, record),
            )
            if recovery.recover(journal) is RecoveryAction.COMPLETE:
                record.set_facts(revision=journal.candidate, previous_revision=journal.stable)
    deactivated = 0
    if not own_only:
        with record.phase(Phase.RETIRE):
            deactivated = _clean_up(services, observed, journal)
    record.succeed("repaired" if journal or deactivated else "unchanged")


def _describe(observed: Observed, journal: Journal | None, record: Record) -> None:
    """Record what an interrupted run left behind."""
    app = observed.app
    if journal is None:
        record.say("No interrupted run found")
        return
    candidate = by_name(observed.revisions, journal.candidate)
    record.say(
        f"Run {journal.run} stopped in phase {journal.phase.key} with candidate "
        f"{journal.candidate}; traffic now {app.split}, before that run {journal.before}"
    )
    action = journal.recovery_action(app.split, candidate, app.latest)
    record.say(f"Recovery: {journal.describe(action)}")
    record.set_facts(revision=journal.stable, previous_revision=journal.candidate)
    stable = by_name(observed.revisions, journal.stable)
    record.observed(app.split, _revision_info(stable, journal.stable))
    record.attempted = _revision_info(candidate, journal.candidate)


def _clean_up(services: Services, observed: Observed, journal: Journal | None) -> int:
    """Deactivate revisions that are no longer needed; return how many."""
    app = services.app.read() if journal else observed.app
    stable = serving_revision(app, observed.revisions)
    if stable is None or not app.is_multiple:
        return 0
    previous = previous_of(stable, observed.revisions, app.tags)
    return services.retirement.run(
        stable=stable.name, previous=previous.name if previous else "", quiet_s=app.unchanged_s
    )


def _revision_info(revision: Revision | None, name: str) -> RevisionInfo:
    return revision.info if revision else RevisionInfo(revision=name)


def _journal(
    settings: Settings, services: Services, observed: Observed, *, own_only: bool
) -> Journal | None:
    """Return the journal to recover from, or None."""
    journal = Journal.from_tags(observed.app.tags)
    if own_only:
        return journal if journal and journal.run == services.run.id else None
    return journal if settings.take_over else check_journal(observed)


def _publish(services: Services, revision: Revision, record: Record) -> bool:
    """Publish the version commit where there is a checkout; otherwise the next deployment does."""
    if services.versioning is None:
        return True  # no manifest in these settings, so nothing to publish
    if not services.versioning.file.is_there():
        record.say(f"The next deployment will publish the version commit of {revision.name}")
        return False
    return services.versioning.publish_served(revision, record)
