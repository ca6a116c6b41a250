"""Rollback by hand: back to a revision proved ready first; needs no checkout and no Docker."""

from __future__ import annotations

from functools import partial

from deploy_action.core.journal import Journal, closing_tags
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Observed
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.rollback import healthy_others, rollback_target
from deploy_action.core.settings.choices import OnRollback
from deploy_action.core.settings.schema import Settings
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.errors import DeployError, PreflightError
from deploy_action.rollout import retire
from deploy_action.rollout.observe import observe
from deploy_action.rollout.undo import Undo
from deploy_action.services import Services


def rollback(  # noqa: PLR0915  a story is told in one piece
    settings: Settings, services: Services, record: Record
) -> None:
    """Move all users' traffic to the revision named, or to the one before the current.

    A rollout in progress gives way: closing its journal in the traffic's own request is the mark
    that it looks for before each of its writes.

    Raises:
        InputError: there is no such revision.
        PreflightError: there is nothing to go back to, or Azure says no.
        AbortedError: the target does not become healthy, or Azure refused; the traffic was not
            touched, and a target that was asleep sleeps again.
    """
    app = services.app
    bumping = settings.manifest_on_rollback is OnRollback.BUMP
    versioning = services.versioning if bumping else None
    with record.phase(Phase.PLAN):
        seen = observe(app, services.run)
        if not settings.convert_mode:
            seen.app.require_multiple()
        target = rollback_target(settings.revision, seen)
        if not target.active:
            _image_there(services, target, seen, record)
        then = target.provenance.settings
        if then and then != seen.app.settings:
            record.warn(
                f"The app's own settings (ingress, registries or secrets) were changed since "
                f"{target.name} was deployed; a rollback does not bring the earlier ones back."
            )
        record.say(f"traffic now {seen.app.split}")
        record.say(f"back to {target.name} ({target.in_words})")
        record.learned(
            revision=target.name,
            previous_revision=seen.app.split.heaviest().revision or seen.app.latest_ready,
            version=target.provenance.version,
            image=target.image,
            url=f"https://{seen.app.fqdn}",
            reason=settings.reason,
        )
    if settings.dry_run:
        record.ended_well("planned")
        return
    # A rollout that holds the app must be told even where the users are on the target already.
    held = Journal.from_tags(seen.app.tags) is not None
    stands = seen.app.split.weight_of(target.name) == FULL_TRAFFIC and not held
    if stands:
        record.say(f"{target.name} holds all traffic already")
    else:
        with Undo(record, services.signals) as undo:
            with record.phase(Phase.GATES):
                if not target.active:
                    undo.push("the target", partial(retire.candidate, app, target.name))
                    app.activate(target.name)
                ready = services.gates.run(target.name, version="")
                record.learned(revision_url=f"https://{ready.fqdn}")
            with record.phase(Phase.PROMOTE):
                before = app.read()
                if not seen.app.is_multiple:
                    before = app.write_mode("Multiple", before.split.pinned(before.latest_ready))
                split = before.split.pinned(before.latest_ready).route_all_to(target.name)
                now = app.write_split(split, closing_tags(before.tags))
                undo.commit()
                record.shifted(now.split, "rolled back")
    with record.phase(Phase.REFRESH):
        services.cache.aim(seen.app.fqdn)
        try:
            services.cache.clear("rollback", target.fqdn)
        finally:  # a required cache that fails makes the run fail, and no less is looked at
            services.gates.verify(seen.app.fqdn)
        services.cache.write_metadata(record.facts)
    if versioning and not stands:
        with record.phase(Phase.PUBLISH):
            versioning.restore_manifest(target, seen.revisions, services.run.branch, record)
    with record.phase(Phase.REPORT):
        record.ended_well("unchanged" if stands else "rolled-back")


def _image_there(services: Services, target: Revision, seen: Observed, record: Record) -> None:
    """Refuse a target that would have to be started from an image that is gone."""
    try:
        there = services.image_exists(target.image)
    except DeployError as error:
        record.warn(f"Whether the image of {target.name} is still there is not known: {error}")
        return
    if not there:
        raise PreflightError(
            f"Revision '{target.name}' cannot start: its image {target.image} is not in the "
            "registry any more.",
            hint=healthy_others(target, seen.revisions),
        )
