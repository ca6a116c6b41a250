"""Status: reports the current state of the app; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from deploy_action.core.app import serving as serving_revision
from deploy_action.core.observed import Observed
from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision, by_name
from deploy_action.core.rollback import rollback_check
from deploy_action.core.settings.choices import AnalysisMode
from deploy_action.core.settings.schema import Settings
from deploy_action.core.status import (
    Answer,
    AppStatus,
    RecentTraffic,
    RollbackCheck,
    app_status,
)
from deploy_action.errors import DeployError
from deploy_action.rollout.observe import observe_first, with_holder_state
from deploy_action.rollout.recent_traffic import recent_traffic
from deploy_action.runtime.concurrency import all_of
from deploy_action.services import Services

_MOST_IMAGES = 10  # of how many inactive revisions the image is looked up


def status(settings: Settings, services: Services, record: Record) -> AppStatus:
    """Return the app's status, and set outputs for later steps."""
    observed = with_holder_state(observe_first(services.app, services.run), services.has_ended)
    services.cache.measure()
    revision = serving_revision(observed.app, observed.revisions)
    recent: dict[str, RecentTraffic] = {}
    problem = ""
    if settings.analysis is not AnalysisMode.OFF:
        config = services.analysis.config
        recent, problem = recent_traffic(services.analysis.monitor(), config, observed.revisions)
    now = app_status(
        observed.app,
        observed.revisions,
        now_s=observed.now,
        rollbacks=_rollbacks(services, observed),
        holder_ended=observed.holder_ended,
        cache=record.facts.get("cache", ""),
        serving_since=services.cache.serving_since(revision.name) if revision else "",
        recent=recent,
        recent_problem=problem,
    )
    stable, previous = now.stable, now.previous
    record.set_facts(
        url=now.url,
        revision=stable.revision if stable else "",
        version=stable.version if stable else "",
        image=stable.image if stable else "",
        previous_revision=previous.revision if previous else "",
        previous_version=previous.version if previous else "",
        traffic=now.split,
    )
    serving = by_name(observed.revisions, stable.revision) if stable else None
    record.observed(observed.app.split, serving.info if serving else RevisionInfo())
    record.status = now
    record.succeed("ok")
    return now


def _rollbacks(services: Services, observed: Observed) -> Mapping[str, RollbackCheck]:
    """Return by revision whether a rollback to it would work; an inactive one needs its image."""
    checks = {
        revision.name: rollback_check(revision, observed.app) for revision in observed.revisions
    }
    stopped = [
        revision
        for revision in reversed(observed.revisions)
        if not revision.active and checks[revision.name].works is Answer.YES
    ]
    for revision in stopped[_MOST_IMAGES:]:
        checks[revision.name] = RollbackCheck(
            works=Answer.UNKNOWN, reason="its image was not looked up"
        )
    newest = stopped[:_MOST_IMAGES]
    checked = all_of([partial(_image_check, services, revision) for revision in newest])
    names = [revision.name for revision in newest]
    return {**checks, **dict(zip(names, checked, strict=True))}


def _image_check(services: Services, revision: Revision) -> RollbackCheck:
    try:
        exists = services.image_exists(revision.image)
    except DeployError as error:
        reason = f"its image could not be looked up: {error.message}"
        return RollbackCheck(works=Answer.UNKNOWN, reason=reason)
    if exists:
        return RollbackCheck(works=Answer.YES)
    return RollbackCheck(works=Answer.NO, reason="its image no longer exists in the registry")
