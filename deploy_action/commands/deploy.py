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
from deploy_action.core.settings.choices import Moment, Shield
from deploy_action.core.settings.schema import Settings
from deploy_action.errors import DeployError
from deploy_action.rollout import retire
from deploy_action.rollout.cache import Refresh
from deploy_action.rollout.lock import Keeper
from deploy_action.rollout.observe import observe, observe_free
from deploy_action.rollout.recovery import settle
from deploy_action.rollout.stale_pages import would_mix
from deploy_action.rollout.traffic import Shift
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
        Cancelled: the same, after a signal.
    """
    app, refresh, gates = services.app, services.refresh, services.gates
    images, versioning = services.images, services.versioning
    services.signals.limit(settings.time_limit)
    with record.phase(Phase.PLAN):
        seen = observe_free(app, services.run, wait_s=settings.lock_wait, say=record.say)
        check_journal(seen)
        refresh.check(seen.app.fqdn)
        plan = _plan(settings, versioning, record, seen, refresh)
        images.check()
    if settings.dry_run:
        record.ended_well("planned")
        return
    with record.phase(Phase.RECOVER):
        if plan.left_behind:
            settle(app, plan.left_behind, record)
            plan = _plan(settings, versioning, record, observe(app, services.run), refresh)
        if plan.convert:
            app.write_mode("Multiple", plan.pinned)
            record.say(f"revision mode is Multiple now, traffic {plan.pinned}")
            plan = _plan(settings, versioning, record, observe(app, services.run), refresh)

    keeper = Keeper(app, plan)
    shift = Shift(
        app=app,
        probes=services.probes,
        keeper=keeper,
        plan=plan,
        record=record,
        health_path=settings.health_path,
        look_every_s=min(LOOK_EVERY_S, settings.health_interval),
        patience_s=settings.gate_timeout,
    )
    with Undo(record, services.signals) as undo:
        with record.phase(Phase.BUMP):
            if versioning and plan.bump:
                undo.add("the manifest", partial(versioning.restore, plan.bump))
                versioning.write(plan.bump)
        with record.phase(Phase.CLEAR):
            undo.add("the cache", partial(refresh.clear, "abort", plan.stable.fqdn))
            if Moment.BEFORE in settings.cache_clear:
                refresh.clear("before", plan.stable.fqdn)
        with record.phase(Phase.IMAGE):
            image = images.obtain(plan.suffix, plan.run, plan.version)
            record.learned(image=image, digest=image.partition("@")[2])
        with record.phase(Phase.PIN):
            if not plan.hopeless:
                undo.add("the stable revision", partial(gates.verify, plan.app.fqdn))
            undo.add("the journal", keeper.close, by_hand="the command 'repair'", last=True)
            shift.pin()
        with record.phase(Phase.CREATE):
            undo.add(
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
            tags = keeper.tags(Phase.CREATE)
            app.write_template(template, plan.candidate, tags, guard=shift.only_ours)
            keeper.opened = True
        with record.phase(Phase.GATES):
            candidate = gates.must_pass(plan.candidate, version=plan.version)
            record.learned(revision_url=f"https://{candidate.fqdn}")
        with record.phase(Phase.SHIFT):
            undo.add(
                "the traffic",
                partial(shift.back, wait_s=CONFIRM_S),
                by_hand="the command 'repair'",
            )
            _walk(settings, services, shift, candidate, record)
        with record.phase(Phase.PROMOTE):
            shift.promote(candidate)
            if refresh.required and Moment.AFTER in settings.cache_clear:
                refresh.clear("after", candidate.fqdn)  # a promotion with a stale cache is none
            undo.forget()  # promoted and baked: from here only forward
            services.signals.limit(0)

    with record.phase(Phase.REFRESH):
        if not refresh.required and Moment.AFTER in settings.cache_clear:
            refresh.clear("after", candidate.fqdn)
        refresh.tell(_told(settings, plan, record))
        refresh.warm(candidate.fqdn, _told(settings, plan, record))
        refresh.measure()
        _close(keeper, record)
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
            drain_s=settings.drain_time,
        )
    with record.phase(Phase.REPORT):
        record.ended_well("deployed")


def _walk(
    settings: Settings, services: Services, shift: Shift, candidate: Revision, record: Record
) -> None:
    """Raise the candidate in steps, unless old pages would be kept under new addresses."""
    if not _cut_over(settings, services, shift.plan, candidate, record):
        shift.walk(candidate)


def _cut_over(
    settings: Settings, services: Services, plan: Plan, candidate: Revision, record: Record
) -> bool:
    if settings.shield is Shield.OFF or not plan.schedule.steps:
        return False
    page = would_mix(
        services.probes,
        stable=plan.stable.fqdn,
        candidate=candidate.fqdn,
        path=settings.served_manifest,
        version=plan.version if plan.version != plan.previous_version else "",
    )
    if not page:
        return False
    found = f"{plan.stable.name} answers {page} with what browsers keep"
    if settings.shield is Shield.CUT_OVER:
        record.say(f"{found}: all traffic goes at once")
        return True
    record.warn(
        f"{found}: users who meet it while traffic is split see the old page under the new "
        "address. Let the app keep a page under its own version only, or set shield to cut-over."
    )
    return False


def _told(settings: Settings, plan: Plan, record: Record) -> dict[str, str]:
    """What the cache is told of this deployment."""
    return {
        **record.facts,
        "commit": plan.run.commit,
        "run": plan.run.id,
        "environment": settings.environment,
        "time": in_utc(now_utc()),
    }


def _close(keeper: Keeper, record: Record) -> None:
    """Close the journal of a run that is through; left open, the next run finds it finished."""
    try:
        record.say(f"the journal {keeper.close()}")
    except DeployError as error:
        record.warn(f"The journal on the app stays open for the next run: {error}")


def _plan(
    settings: Settings,
    versioning: Versioning | None,
    record: Record,
    seen: Observed,
    refresh: Refresh,
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
            remembered=refresh.remembered(seen.app.name),
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
