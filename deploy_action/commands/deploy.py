"""Deploy: the phases of `core.phase.Phase`, step by step. Start reading here.

Each step that changes something registers its undo before it acts. If any exception leaves the
undo block, everything is restored, traffic first and the lock last. After the commit point nothing
is undone, and an error is a warning.
"""

from __future__ import annotations

from functools import partial

from deploy_action.core.journal import Pending
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Plan
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.settings.choices import Moment
from deploy_action.core.settings.schema import Settings
from deploy_action.errors import DeployError, SupersededError
from deploy_action.rollout import retire
from deploy_action.rollout.cache import deployment_metadata
from deploy_action.rollout.lock import DeploymentLock
from deploy_action.rollout.post_promotion import PostPromotion
from deploy_action.rollout.traffic import TrafficShift
from deploy_action.rollout.undo import Undo
from deploy_action.services import Services

CONFIRM_S = 60.0


def deploy(settings: Settings, services: Services, record: Record) -> None:  # noqa: PLR0915  one step after the other
    """Deploy the checkout's commit; restore everything if that fails.

    Args:
        settings: what the user configured.
        services: the adapters.
        record: receives every event.

    Raises:
        InputError, PreflightError, SupersededError: nothing was changed.
        AbortedError: it failed and was restored (`RollbackIncompleteError`: not all of it).
        CancelledError: the same, after a signal.
    """
    cache, gates = services.cache, services.gates
    versioning = services.versioning
    with record.phase(Phase.PLAN):
        plan = services.planner.plan()
    if settings.dry_run:
        record.succeed("planned")
        return
    with record.phase(Phase.RECOVER):
        plan = services.planner.recovered(plan)
    if plan.is_live:
        record.say(f"{plan.candidate} already receives all traffic")
        record.succeed("unchanged")
        return

    shift = services.traffic_shift(plan)
    lock = shift.lock
    clears_after = Moment.AFTER in settings.cache_clear
    with Undo(record, services.signals) as undo:
        undo.push("the deployment lock", lock.release, if_others_failed=lock.end_lease)
        with record.phase(Phase.BUMP):
            if versioning and plan.bump:
                undo.push("the manifest", partial(versioning.restore, plan.bump))
                versioning.write(plan.bump)
        with record.phase(Phase.CLEAR):
            undo.push("the cache", partial(cache.clear, "abort", plan.stable.fqdn))
            if Moment.BEFORE in settings.cache_clear:
                cache.clear("before", plan.stable.fqdn)
        with record.phase(Phase.IMAGE):
            image = _image(services, plan)
            record.set_facts(image=image, digest=image.partition("@")[2])
            record.set_attempted(image=image)
        with record.phase(Phase.PIN):
            undo.push("the stable revision", partial(shift.verify_stable, gates))
            shift.pin()
        with record.phase(Phase.CREATE):
            _push_replacement(services, shift, undo)
            _apply_app_settings(services, lock, undo)
            _create(services, shift, undo, image)
        with record.phase(Phase.GATES):
            candidate = _run_gates(services, plan, record)
        with record.phase(Phase.SHIFT):
            _shift(services, shift, undo, candidate)
        with record.phase(Phase.PROMOTE):
            shift.promote(candidate)
            if cache.required and clears_after:
                cache.clear("after", candidate.fqdn)
            undo.commit()
            services.signals.limit(0)

    post_promotion = PostPromotion(record)
    metadata = deployment_metadata(settings.environment, plan.run, record, revision=candidate.name)
    with post_promotion.phase(Phase.REFRESH, Pending.CACHE):
        lock.enter(Phase.REFRESH)
        if not cache.required and clears_after:
            cache.clear("after", candidate.fqdn)
        cache.write_metadata(metadata)
        cache.warm(candidate.fqdn, metadata)
        cache.measure()
        if settings.image_tags:
            services.images_of(plan).tag_promoted(image)
    with post_promotion.phase(Phase.PUBLISH, Pending.COMMIT):
        if versioning and plan.bump:
            versioning.publish(plan.bump, candidate.name, record)
    with post_promotion.phase(Phase.RETIRE, Pending.RETIREMENT):
        _retire(services, shift)
        services.app_settings.keep_planned()
    with post_promotion.phase(Phase.REPORT):
        record.say(f"Deployment lock {lock.release(post_promotion.pending)}")
    record.succeed("deployed")


def _apply_app_settings(services: Services, lock: DeploymentLock, undo: Undo) -> None:
    """Apply the app's secrets and tags, which the candidate may need."""
    app_settings = services.app_settings
    if not app_settings.has_changes:
        return
    undo.push("secrets and tags", partial(app_settings.restore, lock.owns))
    if app_settings.apply(lambda: lock.tags(Phase.CREATE)):
        lock.opened = True


def _image(services: Services, plan: Plan) -> str:
    """Return the candidate's image; build it if necessary."""
    if plan.adopted:
        return plan.adopted.image
    return services.images.obtain(plan.suffix, plan.run, plan.version)


def _create(services: Services, shift: TrafficShift, undo: Undo, image: str) -> None:
    """Create the candidate, or lock the app for one that exists already; then label it."""
    plan = shift.plan
    if plan.adopted:
        undo.push("the candidate", partial(_leave_adopted, services, shift, undo))
        shift.adopt()
    elif plan.is_single:
        shift.create(plan.template(image))
    else:
        undo.push(
            "the candidate",
            partial(_withdraw, services, shift, undo),
            by_hand="az containerapp revision deactivate --resource-group "
            f"{services.settings.resource_group} --revision {plan.candidate}",
        )
        shift.create(plan.template(image))
    if plan.labels.candidate:
        _push_traffic(shift, undo)
        shift.label_candidate()


def _shift(services: Services, shift: TrafficShift, undo: Undo, candidate: Revision) -> None:
    """Shift traffic in steps, unless users would see stale pages."""
    if not shift.plan.labels.candidate and not shift.plan.is_single:
        _push_traffic(shift, undo)
    if not services.stale_pages.must_shift_at_once(shift.plan, candidate):
        shift.step_through(candidate)


def _push_replacement(services: Services, shift: TrafficShift, undo: Undo) -> None:
    """Register the undo of the candidate's creation in Single revision mode.

    Secrets and tags are registered later, so that they are restored before the copy starts.
    """
    if not shift.plan.is_single:
        return
    undo.push("the candidate", partial(_leave_to_azure, services, shift, undo))
    _push_traffic(shift, undo)


def _push_traffic(shift: TrafficShift, undo: Undo) -> None:
    restore = partial(shift.restore, wait_s=CONFIRM_S)
    undo.push("the traffic", restore, by_hand="run the command repair, or deploy again")


def _retire(services: Services, shift: TrafficShift) -> None:
    """Deactivate revisions that are no longer needed."""
    plan = shift.plan
    if plan.is_single:
        services.record.say(f"Azure stops {plan.stable.name} (revision mode Single)")
        return
    services.retirement.run(
        stable=plan.candidate,
        previous=plan.stable.name,
        quiet_s=plan.app.unchanged_s,
        previous_quiet_s=shift.promoted_s,
    )


def _run_gates(services: Services, plan: Plan, record: Record) -> Revision:
    """Run the gates on the candidate and return its state."""
    gates = services.gates
    candidate = gates.run(plan.candidate, version=plan.version)
    record.set_facts(revision_url=candidate.info.url)
    record.set_attempted(url=candidate.info.url)
    if not plan.version:  # neither the image nor the revision states its version
        version = gates.require_not_lower(candidate.fqdn, plan.stable)
        record.set_facts(version=version)
        record.set_attempted(version=version)
    return candidate


def _withdraw(services: Services, shift: TrafficShift, undo: Undo) -> str:
    """Deactivate the candidate; read its logs first, because they are deleted with it."""
    _explain(services, shift, undo)
    return retire.deactivate_candidate(services.app, shift.plan.candidate, is_own=shift.is_own)


def _leave_adopted(services: Services, shift: TrafficShift, undo: Undo) -> str:
    """Explain the failure of a candidate that someone else created, and leave it as it is."""
    _explain(services, shift, undo)
    return f"{shift.plan.candidate} was adopted and stays as it is"


def _leave_to_azure(services: Services, shift: TrafficShift, undo: Undo) -> str:
    """Explain the failure of a candidate that Azure stops once the copy of stable is ready."""
    _explain(services, shift, undo)
    return f"Azure stops {shift.plan.candidate} (revision mode Single)"


def _explain(services: Services, shift: TrafficShift, undo: Undo) -> None:
    if isinstance(undo.cause, DeployError) and not isinstance(undo.cause, SupersededError):
        services.diagnosis.explain(shift.plan.candidate, undo.cause)
