"""Rollback by hand: back to a revision proved ready first; needs no checkout and no Docker."""

from __future__ import annotations

from deploy_action.bundle import Bundle
from deploy_action.core.journal import closing_tags
from deploy_action.core.phase import Phase
from deploy_action.core.plan import rollback_target
from deploy_action.core.record import Record
from deploy_action.core.settings import Settings
from deploy_action.core.split import WHOLE
from deploy_action.errors import PreflightError
from deploy_action.rollout.observe import observe


def rollback(settings: Settings, bundle: Bundle, record: Record) -> None:
    """Move all users' traffic to the revision named, or to the one before the current.

    A rollout in progress gives way: closing its journal in the traffic's own request is the mark
    that it looks for before each of its writes.

    Raises:
        InputError: there is no such revision.
        PreflightError: there is nothing to go back to, or Azure says no.
        GateFailed: the target does not become healthy; the traffic was not touched.
    """
    app = bundle.app
    with record.phase(Phase.PLAN):
        seen = observe(app, bundle.run)
        if seen.app.mode.lower() != "multiple":
            raise PreflightError(
                f"App '{app.name}' is in {seen.app.mode} revision mode, where traffic cannot be "
                "moved.",
                hint=f"Run: az containerapp revision set-mode --mode multiple --name {app.name}",
            )
        target = rollback_target(settings.revision, seen)
        record.say(f"traffic now {seen.app.split}")
        record.say(f"back to {target.name} ({target.in_words})")
        record.learned(
            revision=target.name,
            previous_revision=seen.app.split.heaviest().revision or seen.app.latest_ready,
            version=target.provenance.version,
            url=f"https://{seen.app.fqdn}",
            reason=settings.reason,
        )
    if seen.app.split.weight_of(target.name) == WHOLE:
        record.say(f"{target.name} holds all traffic already")
        record.ended_well("unchanged")
        return
    if settings.dry_run:
        record.ended_well("planned")
        return
    with record.phase(Phase.GATES):
        if not target.active:
            app.activate(target.name)
        ready = bundle.gates.must_pass(target.name, version="")
        record.learned(revision_url=f"https://{ready.fqdn}")
    with record.phase(Phase.PROMOTE):
        split = seen.app.split.pinned(seen.app.latest_ready).all_to(target.name)
        now = app.write_split(split, closing_tags(seen.app.tags))
        record.shifted(now.split, "rolled back")
    with record.phase(Phase.REFRESH):
        bundle.refresh.clear("rollback")
        bundle.gates.verify(now.fqdn)
        bundle.refresh.tell(record.facts)
    with record.phase(Phase.REPORT):
        record.ended_well("rolled-back")
