"""Rollback: checks an earlier revision and returns to it; needs no checkout and no Docker.

The traffic write carries a journal, so that a retry completes this rollback instead of going back
one more revision. After that write nothing is undone: failures are reported and stay in the
journal for the next run.
"""

from __future__ import annotations

from functools import partial

from deploy_action.core.app import serving as serving_revision
from deploy_action.core.app_changes import has_markers, lock_tags_to_remove
from deploy_action.core.journal import Journal, Kind, Pending
from deploy_action.core.observed import Observed
from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision, by_name
from deploy_action.core.rollback import healthy_others, rollback_target
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import OnRollback
from deploy_action.core.settings.schema import Settings
from deploy_action.core.single_mode import (
    copy_name,
    existing_copy,
    keeps_single_mode,
    require_supported_mode,
)
from deploy_action.core.traffic.labels import Labels
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.errors import DeployError, PreflightError, RollbackIncompleteError
from deploy_action.rollout import retire
from deploy_action.rollout.cache import deployment_metadata
from deploy_action.rollout.lock import DeploymentLock
from deploy_action.rollout.observe import observe_first
from deploy_action.rollout.single_mode import Replacement
from deploy_action.rollout.single_mode_rollback import replace_by_copy
from deploy_action.rollout.undo import Undo
from deploy_action.services import Services


def rollback(settings: Settings, services: Services, record: Record) -> None:
    """Shift all traffic back to the named revision, or to the previous one.

    A rollout in progress stops: before each write, it checks for the journal of another
    run.

    Raises:
        InputError: there is no such revision.
        PreflightError: there is no previous revision, or Azure refuses.
        AbortedError: the target is not healthy, or Azure failed; the traffic was not touched.
        RollbackIncompleteError: the traffic is on the target, but something else failed.
    """
    app = services.app
    bumping = settings.manifest_on_rollback is OnRollback.BUMP
    versioning = services.versioning if bumping else None
    with record.phase(Phase.PLAN):
        observed = observe_first(app, services.run)
        target = _plan(settings, services, observed, record)
        serving = serving_revision(observed.app, observed.revisions)
        services.health_path.detect(observed.app, serving)
        if warning := services.gates.learn_reach(observed.app, serving):
            record.warn(warning)
    if settings.dry_run:
        record.succeed("planned")
        return
    earlier = Journal.from_tags(observed.app.tags)
    done_already = observed.app.split.weight_of(target.name) == FULL_TRAFFIC
    lock = _lock(settings, services, observed, target)
    # A rollout that holds the lock must stop even if the target already has the traffic.
    if done_already and not (earlier and earlier.kind is Kind.DEPLOY):
        record.say(f"{target.name} already receives all traffic")
        if earlier:
            app.write_tags(lock.tags(Phase.PROMOTE, FULL_TRAFFIC))
            lock.opened = True
    elif lock.journal.copy:
        replacement = _replacement(services, lock, observed)
        target = replace_by_copy(
            replacement, target, gates=services.gates, record=record, signals=services.signals
        )
    else:
        _shift_back(services, lock, target, record)
    services.signals.limit(0)
    _finish(services, observed, target, lock, record)
    if versioning and not done_already:
        with record.phase(Phase.PUBLISH):
            versioning.restore_manifest(target, observed.revisions, record)
    if not done_already and services.analysis.judges(settings.bake_s):
        with record.phase(Phase.PROMOTE):
            _watch_target(settings, services, target, observed, lock)
    with record.phase(Phase.REPORT):
        lock.release()
    record.succeed("unchanged" if done_already and not earlier else "rolled-back")


def _plan(settings: Settings, services: Services, observed: Observed, record: Record) -> Revision:
    """Return the target, or refuse; nothing is changed."""
    app = observed.app
    require_supported_mode(app, settings)
    current = observed.app.split.heaviest().revision or observed.app.latest_ready
    serving = by_name(observed.revisions, current)
    record.observed(observed.app.split, serving.info if serving else RevisionInfo(revision=current))
    record.set_facts(url=observed.app.url, reason=settings.reason)
    target = rollback_target(settings.revision, observed)
    needs_image = not target.active
    if keeps_single_mode(app, settings):
        target = existing_copy(target, app, observed.revisions)
        needs_image = target.name != app.latest
        if needs_image:
            record.say(
                f"Revision mode Single: a copy of {target.name} is created, and Azure shifts all "
                "traffic to it as soon as it is ready, before its other gates have passed"
            )
    record.attempted = target.info
    if needs_image:
        _require_image(services, target, observed, record)
    then = target.provenance.settings
    if then and then != observed.app.settings:
        record.warn(
            f"The app's own settings (ingress, registries or secrets) have changed since "
            f"{target.name} was deployed; a rollback does not restore the earlier ones."
        )
    record.say(f"Traffic now: {observed.app.split}")
    record.say(f"Rolling back to {target.name} ({target.in_words})")
    record.set_facts(
        revision=target.name,
        previous_revision=current,
        previous_version=serving.content.version if serving else "",
        version=target.content.version,
        image=target.image,
        digest=target.image.partition("@")[2],
    )
    return target


def _lock(
    settings: Settings, services: Services, observed: Observed, target: Revision
) -> DeploymentLock:
    app = observed.app
    before = app.split.pinned(app.latest_ready)
    candidate, copy = target.name, ""
    if keeps_single_mode(app, settings):
        candidate, copy = _names_of_copies(observed, target, services.run)
    return DeploymentLock(
        app=services.app,
        journal=Journal(
            run=services.run.id,
            link=services.run.link,
            kind=Kind.ROLLBACK,
            phase=Phase.PLAN,
            stable=before.heaviest().revision,
            candidate=candidate,
            before=before,
            until=0,
            copy=copy,
            labels=Labels(live=settings.label_live, candidate=settings.label_candidate),
        ),
        lease_s=settings.gate_timeout_s
        + 2 * settings.cache_timeout_s
        + 2 * settings.operation_timeout_s,
        stale=lock_tags_to_remove(app.tags),
    )


def _names_of_copies(observed: Observed, target: Revision, run: Run) -> tuple[str, str]:
    """Return the revision that receives the traffic, and the copy that an undo creates."""
    app, revisions = observed.app, observed.revisions
    stable = serving_revision(app, revisions)
    if stable is None:
        raise PreflightError(
            f"App '{app.name}' has no revision that serves its traffic ({app.split}).",
            hint="Deploy a healthy revision.",
        )
    taken = [revision.name for revision in revisions]
    new = target.name
    if new != app.latest:
        new = copy_name(target, app, run, taken, end="back")
    return new, copy_name(stable, app, run, taken, end="undo")


def _replacement(services: Services, lock: DeploymentLock, observed: Observed) -> Replacement:
    journal = lock.journal
    stable = serving_revision(observed.app, observed.revisions)
    if stable is None:
        raise AssertionError("the lock was planned with a serving revision")
    if has_markers(observed.app.tags):  # the copy must start with the earlier secrets
        services.app.write_tags(lock.tags(Phase.PLAN, FULL_TRAFFIC))
        services.app_settings.restore()
    return Replacement(
        app=services.app,
        lock=lock,
        record=services.record,
        stable=stable,
        new=journal.candidate,
        copy=journal.copy,
        latest=observed.app.latest,
        takes_over=True,
    )


def _shift_back(
    services: Services,
    lock: DeploymentLock,
    target: Revision,
    record: Record,
) -> None:
    """Check the target and shift all traffic to it; change nothing if that fails."""
    app = services.app
    with Undo(record, services.signals) as undo:
        with record.phase(Phase.GATES):
            if not target.active:
                undo.push("the target", partial(retire.deactivate_candidate, app, target.name))
                app.activate(target.name)
            ready = services.gates.run(target.name, version="")
            record.set_facts(revision_url=ready.info.url)
        with record.phase(Phase.PROMOTE):
            now = app.read()
            if not now.is_multiple:
                now = app.write_mode("Multiple", now.split.pinned(now.latest_ready))
            before = now.split.pinned(now.latest_ready)
            split = lock.journal.labels.split(before, target.name, FULL_TRAFFIC)
            lock.stale = lock_tags_to_remove(now.tags)
            written = app.write_split(split, lock.tags(Phase.PROMOTE, FULL_TRAFFIC))
            lock.opened = True
            undo.commit()
            record.traffic_shifted(written.split, "rolled back")
            record.set_facts(traffic=str(written.split))


def _finish(
    services: Services,
    observed: Observed,
    target: Revision,
    lock: DeploymentLock,
    record: Record,
) -> None:
    """Clear the cache, verify the target, restore secrets; each runs even if another fails."""
    failures: list[tuple[DeployError, tuple[Pending, ...]]] = []
    cache = services.cache
    with record.phase(Phase.REFRESH):
        cache.serving_host = observed.app.fqdn
        try:
            cache.clear("rollback", target.fqdn)
        except DeployError as error:
            failures.append((error, (Pending.CACHE,)))
        try:
            services.gates.verify(observed.app.fqdn, target)
        except DeployError as error:
            failures.append((error, ()))
        if lock.stale:  # an unfinished deployment may have changed secrets and tags
            try:
                services.app_settings.restore(lock.owns)
            except DeployError as error:
                failures.append((error, (Pending.SECRETS,)))
        environment = services.settings.environment
        metadata = deployment_metadata(environment, services.run, record, revision=target.name)
        cache.write_metadata({**metadata, "commit": target.info.commit})
    if failures:
        pending = [item for _, work in failures for item in work]
        lock.release(pending)
        reasons = " ".join(str(error) for error, _ in failures)
        raise RollbackIncompleteError(
            f"All traffic is on {target.name}, but the rollback is incomplete: {reasons}",
            hint="Run the rollback again, or run the command repair, to complete it."
            if pending
            else "Roll back to another revision.",
        )


def _watch_target(
    settings: Settings,
    services: Services,
    target: Revision,
    observed: Observed,
    lock: DeploymentLock,
) -> None:
    """Judge the target like a candidate in its bake, compared with the revision before.

    Raises:
        RollbackIncompleteError: the target fails, too; traffic stays on it.
    """
    current = observed.app.split.heaviest().revision or observed.app.latest_ready
    source = by_name(observed.revisions, current)
    now = services.app.revision(target.name) or target
    analysis = services.analysis
    has_requests = bool(observed.app.fqdn)
    judged = has_requests and analysis.uses_metrics(settings.bake_s)
    source_is_down = source is None or source.is_down or bool(lock.journal.copy)
    if judged and source:
        analysis.read_baseline(source)
    step = analysis.begin(
        "after the rollback",
        now,
        source or now,
        seconds=settings.bake_s,
        use_metrics=judged,
        compare_latency=not source_is_down and not services.health_path.unreachable,
    )
    try:
        services.watch.step(
            step,
            now,
            source or now,
            seconds=settings.bake_s,
            stable_is_down=source_is_down,
        )
    except DeployError as error:
        lock.release()
        raise RollbackIncompleteError(
            f"All traffic is on {target.name}, but it is failing as well: {error.message}",
            hint="Traffic was not shifted back, because that would restore the revision that you "
            "rolled back from. Roll back to another revision, or fix the cause if it affects both.",
        ) from None


def _require_image(
    services: Services, target: Revision, observed: Observed, record: Record
) -> None:
    """Refuse a target that would have to start from an image that no longer exists."""
    try:
        exists = services.image_exists(target.image)
    except DeployError as error:
        record.warn(f"Could not check whether the image of {target.name} still exists: {error}")
        return
    if not exists:
        raise PreflightError(
            f"Revision '{target.name}' cannot start: its image {target.image} no longer exists in "
            "the registry.",
            hint=healthy_others(target, observed.revisions),
        )
