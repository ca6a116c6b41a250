"""Status: reports the current state of the app; changes nothing."""

from __future__ import annotations

from deploy_action.core.outcome import Side
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import by_name
from deploy_action.core.settings.choices import AnalysisMode
from deploy_action.core.settings.schema import Settings
from deploy_action.core.status import AppStatus, RecentTraffic, app_status
from deploy_action.rollout.observe import observe_first
from deploy_action.rollout.recent_traffic import recent_traffic
from deploy_action.services import Services


def status(settings: Settings, services: Services, record: Record) -> AppStatus:
    """Return the app's status, and set outputs for later steps."""
    seen = observe_first(services.app, services.run)
    services.cache.measure()
    recent: dict[str, RecentTraffic] = {}
    problem = ""
    if settings.analysis is not AnalysisMode.OFF:
        config = services.analysis.config
        recent, problem = recent_traffic(services.analysis.monitor(), config, seen.revisions)
    now = app_status(
        seen.app,
        seen.revisions,
        cache=record.facts.get("cache", ""),
        recent=recent,
        recent_problem=problem,
    )
    stable = next((row for row in now.rows if row.role == "stable"), None)
    previous = next((row for row in now.rows if row.role == "previous"), None)
    record.learned(
        url=now.url,
        revision=stable.revision if stable else "",
        version=stable.version if stable else "",
        image=stable.image if stable else "",
        previous_revision=previous.revision if previous else "",
        previous_version=previous.version if previous else "",
        traffic=now.split,
    )
    serving = by_name(seen.revisions, stable.revision) if stable else None
    record.observed(seen.app.split, serving.side if serving else Side())
    record.status = now
    record.ended_well("ok")
    return now
