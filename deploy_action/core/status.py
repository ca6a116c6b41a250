"""How the app stands, as `status` shows it: one value, for a table and for JSON."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.app import App, serving
from deploy_action.core.journal import Journal
from deploy_action.core.revisions.revision import Revision, previous_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One revision: *role* is stable, previous, candidate, or empty."""

    revision: str
    role: str
    weight: int
    labels: tuple[str, ...]
    active: bool
    state: str
    version: str
    commit: str
    created: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """The whole of it; *held_by* names the run whose rollout is under way or died, or is empty."""

    app: str
    url: str
    mode: str
    state: str
    split: str
    held_by: str
    held_in: str
    rows: tuple[Row, ...]
    cache: str = ""


def app_status(app: App, revisions: tuple[Revision, ...], *, cache: str = "") -> AppStatus:
    """Return how *app* stands, newest revision first, and how its cache does, in words."""
    journal = Journal.from_tags(app.tags)
    stable = serving(app, revisions)
    previous = previous_of(stable, revisions) if stable else None
    roles = {
        **({journal.candidate: "candidate"} if journal else {}),
        **({previous.name: "previous"} if previous else {}),
        **({stable.name: "stable"} if stable else {}),
    }
    return AppStatus(
        app=app.name,
        url=f"https://{app.fqdn}" if app.fqdn else "",
        mode=app.mode,
        state=app.state,
        split=str(app.split),
        held_by=journal.run if journal else "",
        held_in=journal.phase.key if journal else "",
        rows=tuple(
            Row(
                revision=revision.name,
                role=roles.get(revision.name, ""),
                weight=revision.weight,
                labels=app.split.labels_of(revision.name),
                active=revision.active,
                state=revision.readiness.value,
                version=revision.provenance.version,
                commit=revision.provenance.commit[:7],
                created=revision.created,
                image=revision.image,
            )
            for revision in reversed(revisions)
        ),
        cache=cache,
    )
