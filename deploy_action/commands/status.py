"""Status: how the app stands now. Reads only."""

from __future__ import annotations

from deploy_action.bundle import Bundle
from deploy_action.core.record import Record
from deploy_action.core.status import Standing, standing
from deploy_action.rollout.observe import observe


def status(bundle: Bundle, record: Record) -> Standing:
    """Return how the app stands, and set the outputs that a later step may want."""
    seen = observe(bundle.app, bundle.run)
    bundle.refresh.measure()
    now = standing(seen.app, seen.revisions, cache=record.facts.get("cache", ""))
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
    record.ended_well("ok")
    return now
