"""Repair: finish or undo what a run left behind that was cancelled, killed or lost."""

from __future__ import annotations

from deploy_action.core.journal import Journal, Remedy
from deploy_action.core.phase import Phase
from deploy_action.core.plan import check_journal
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import by_name
from deploy_action.core.settings.schema import Settings
from deploy_action.rollout.observe import observe
from deploy_action.rollout.recovery import recover
from deploy_action.services import Services


def repair(settings: Settings, services: Services, record: Record) -> None:
    """Recover from an interrupted run, whichever it was.

    Raises:
        SupersededError: its run may still be alive.
        AzureRefusedError: Azure did not let it be put back.
    """
    _repair(settings, services, record, own_only=False)


def finish(settings: Settings, services: Services, record: Record) -> None:
    """Finish what an interrupted step of this run left behind, and nothing of other runs.

    Raises:
        AzureRefusedError: Azure did not let it be put back.
    """
    _repair(settings, services, record, own_only=True)


def _repair(settings: Settings, services: Services, record: Record, *, own_only: bool) -> None:
    """Recover from the run whose journal is on the app, if it is dead or our own.

    Args:
        settings: what was asked.
        services: the adapters.
        record: receives every event.
        own_only: leave every other run's journal alone.

    Raises:
        SupersededError: its run may still be alive.
        AzureRefusedError: Azure did not let it be put back.
    """
    with record.phase(Phase.PLAN):
        seen = observe(services.app, services.run)
        mine = own_only or settings.take_over
        left_behind = Journal.from_tags(seen.app.tags) if mine else check_journal(seen)
        if own_only and left_behind and left_behind.run != seen.run.id:
            left_behind = None
        record.learned(url=f"https://{seen.app.fqdn}")
        if left_behind is None:
            record.say("no run left anything behind")
            record.ended_well("unchanged")
            return
        record.say(
            f"run {left_behind.run} stopped in phase {left_behind.phase.key} with candidate "
            f"{left_behind.candidate}; traffic now {seen.app.split}, before {left_behind.before}"
        )
        candidate = by_name(seen.revisions, left_behind.candidate)
        record.say(f"to do: {left_behind.remedy(seen.app.split, candidate).value}")
        record.learned(revision=left_behind.stable, previous_revision=left_behind.candidate)
    if settings.dry_run:
        record.ended_well("planned")
        return
    with record.phase(Phase.RECOVER):
        done = recover(services.app, left_behind, record)
        if done is Remedy.KEEP:
            record.learned(revision=left_behind.candidate, previous_revision=left_behind.stable)
        services.cache.aim(seen.app.fqdn)
        services.cache.clear("repair")
    with record.phase(Phase.REPORT):
        record.ended_well("repaired")
