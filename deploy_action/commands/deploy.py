"""Deploy: the story of `core.phase.Phase`, step by step.

Whatever changes the world registers its way back before it acts. Left by any exception, the undo
stack puts everything back, traffic first.
"""

from __future__ import annotations

from functools import partial

from deploy_action.core.app import serving
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Observed, Plan, check_journal, make_plan
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.revisions.template import for_candidate
from deploy_action.core.settings.choices import Moment, StalePagePolicy
from deploy_action.core.settings.schema import Settings
from deploy_action.errors import DeployError
from deploy_action.rollout import retire
from deploy_action.rollout.cache import CacheMaintenance
from deploy_action.rollout.lock import DeploymentLock
from deploy_action.rollout.observe import observe, observe_free
from deploy_action.rollout.recovery import recover
from deploy_action.rollout.stale_pages import find_stale_page
from deploy_action.rollout.traffic import TrafficShift
from deploy_action.rollout.undo import Undo
from deploy_action.rollout.versioning import Versioning
from deploy_action.runtime.polling import in_utc, now_utc
from deploy_action.services import Services

CONFIRM_S = 60.0
LOOK_EVERY_S = 5.0


def deploy(  # noqa: PLR0915  a story is told in one piece
    settings: Settings, services: Services, record: Record
) -> None:
    """Ship the checkout's commit, or leave everything as it was.

    Args:
        settings: what was asked.
        services: the adapters.
        record: is told everything.

    Raises:
        InputError, PreflightError, SupersededError: nothing was changed.
        AbortedError: it failed and was put back (`RollbackIncompleteError`: not all of it).
        CancelledError: the same, after a signal.
    """
    app, cache, gates = services.app, services.cache, services.gates
    images, versioning = services.images, services.versioning
    services.signals.limit(settings.time_limit_s)
    with record.phase(Phase.PLAN):
        seen = observe_free(app, services.run, wait_s=settings.lock_wait_s, say=record.say)
        check_journal(seen)
        cache.check(seen.app.fqdn)
        plan = _plan(settings, versioning, record, seen, cache)
        images.check()
    if settings.dry_run:
        record.ended_well("planned")
        return
    with record.phase(Phase.RECOVER):
        if plan.left_behind:
            recover(app, plan.left_behind, record)
            plan = _plan(settings, versioning, record, observe(app, services.run), cache)
        if plan.convert:
            app.write_mode("Multiple", plan.pinned)
            record.say(f"revision mode is Multiple now, traffic {plan.pinned}")
            plan = _plan(settings, versioning, record, observe(app, services.run), cache)

    lock = DeploymentLock(app, plan)
    shift = TrafficShift(
        app=app,
        probes=services.probes,
        lock=lock,
        plan=plan,
        record=record,
        health_path=settings.health_path,
        look_every_s=min(LOOK_EVERY_S, settings.health_interval_s),
        patience_s=settings.gate_timeout_s,
    )
    with Undo(record, services.signals) as undo:
        with record.phase(Phase.BUMP):
            if versioning and plan.bump:
                undo.push("the manifest", partial(versioning.restore, plan.bump))
                versioning.write(plan.bump)
        with record.phase(Phase.CLEAR):
            undo.push("the cache", partial(cache.clear, "abort", plan.stable.fqdn))
            if Moment.BEFORE in settings.cache_clear:
                cache.clear("before", plan.stable.fqdn)
        with record.phase(Phase.IMAGE):
            image = images.obtain(plan.suffix, plan.run, plan.version)
            record.learned(image=image, digest=image.partition("@")[2])
        with record.phase(Phase.PIN):
            if not plan.stable_is_down:
                undo.push("the stable revision", partial(gates.verify, plan.app.fqdn))
            undo.push("the journal", lock.close, by_hand="the command 'repair'", only_if_clean=True)
            shift.pin()
        with record.phase(Phase.CREATE):
            undo.push(
                "the candidate",
                partial(retire.candidate, app, plan.candidate, ours=shift.ours),
                by_hand=f"az containerapp revision deactivate --revision {plan.candidate}",
            )
            template = for_candidate(
                plan.stable.template,
                suffix=plan.suffix,
                image=image,
                container=settings.container,
                provenance=plan.provenance,
            )
            tags = lock.tags(Phase.CREATE)
            app.write_template(template, plan.candidate, tags, guard=shift.assert_unchanged)
            lock.opened = True
        with record.phase(Phase.GATES):
            candidate = gates.run(plan.candidate, version=plan.version)
            record.learned(revision_url=f"https://{candidate.fqdn}")
        with record.phase(Phase.SHIFT):
            undo.push(
                "the traffic",
                partial(shift.restore, wait_s=CONFIRM_S),
                by_hand="the command 'repair'",
            )
            _shift_traffic(settings, services, shift, candidate, record)
        with record.phase(Phase.PROMOTE):
            shift.promote(candidate)
            if cache.required and Moment.AFTER in settings.cache_clear:
                cache.clear("after", candidate.fqdn)  # a promotion with a stale cache is none
            undo.commit()  # promoted and baked: from here only forward
            services.signals.limit(0)

    with record.phase(Phase.REFRESH):
        if not cache.required and Moment.AFTER in settings.cache_clear:
            cache.clear("after", candidate.fqdn)
        cache.write_metadata(deployment_metadata(settings, plan, record))
        cache.warm(candidate.fqdn, deployment_metadata(settings, plan, record))
        cache.measure()
        _close(lock, record)
        images.tag_promoted(image)
    with record.phase(Phase.PUBLISH):
        if versioning and plan.bump:
            versioning.publish(plan.bump, candidate.name, record)
    with record.phase(Phase.RETIRE):
        retire.old(
            app,
            record,
            stable=candidate.name,
            previous=plan.stable.name,
            keep=plan.keep,
            drain_s=settings.drain_time_s,
        )
    with record.phase(Phase.REPORT):
        record.ended_well("deployed")


def _shift_traffic(
    settings: Settings, services: Services, shift: TrafficShift, candidate: Revision, record: Record
) -> None:
    """Raise the candidate in steps, unless old pages would be kept under new addresses."""
    if not _cut_over(settings, services, shift.plan, candidate, record):
        shift.step_through(candidate)


def _cut_over(
    settings: Settings, services: Services, plan: Plan, candidate: Revision, record: Record
) -> bool:
    if settings.stale_pages is StalePagePolicy.OFF or not plan.schedule.steps:
        return False
    page = find_stale_page(
        services.probes,
        stable=plan.stable.fqdn,
        candidate=candidate.fqdn,
        path=settings.served_manifest,
        version=plan.version if plan.version != plan.previous_version else "",
    )
    if not page:
        return False
    found = f"{plan.stable.name} answers {page} with what browsers keep"
    if settings.stale_pages is StalePagePolicy.CUT_OVER:
        record.say(f"{found}: all traffic goes at once")
        return True
    record.warn(
        f"{found}: users who meet it while traffic is split see the old page under the new "
        "URL. Let the app keep a page under its own version only, or set stale-pages: cut-over."
    )
    return False


def deployment_metadata(settings: Settings, plan: Plan, record: Record) -> dict[str, str]:
    """What the cache is told of this deployment."""
    return {
        **record.facts,
        "commit": plan.run.commit,
        "run": plan.run.id,
        "environment": settings.environment,
        "time": in_utc(now_utc()),
    }


def _close(lock: DeploymentLock, record: Record) -> None:
    """Close the journal of a run that is through; left open, the next run finds it finished."""
    try:
        record.say(f"the journal {lock.close()}")
    except DeployError as error:
        record.warn(f"The journal on the app stays open for the next run: {error}")


def _plan(
    settings: Settings,
    versioning: Versioning | None,
    record: Record,
    seen: Observed,
    cache: CacheMaintenance,
) -> Plan:
    """Decide, and say what was decided."""
    left_behind = check_journal(seen)
    bump, version = None, ""
    if versioning:
        now = serving(seen.app, seen.revisions)
        bump, version = versioning.decide(
            seen.revisions,
            record=record,
            served=now.provenance.commit if now else "",
            remembered=cache.last_deployed_version(seen.app.name),
        )
    plan = make_plan(settings, seen, bump=bump, version=version, left_behind=left_behind)
    for line in plan.lines():
        record.say(line)
    for warning in plan.warnings:
        record.warn(warning)
    record.learned(
        version=plan.version,
        previous_version=plan.previous_version,
        revision=plan.candidate,
        previous_revision=plan.stable.name,
        url=f"https://{plan.app.fqdn}",
    )
    return plan
