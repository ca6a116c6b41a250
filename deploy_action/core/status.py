"""The status of the app, as data for the table and the JSON of `status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy_action.core.adoption import previous_of
from deploy_action.core.app import App, serving
from deploy_action.core.journal import Journal
from deploy_action.core.revisions.revision import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentTraffic:
    """A revision's metrics of the last ten minutes.

    Args:
        requests: number of requests.
        errors: number of requests that failed.
        restarts: minutes in which a container restarted.
        usage: highest CPU and memory, in words; empty where there is no value.
    """

    requests: int
    errors: int
    restarts: int
    usage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One revision.

    Args:
        revision: its full name.
        role: ``stable``, ``previous``, ``candidate`` or empty.
        weight: its share of the traffic, 0-100.
        labels: the labels that point at it.
        active: whether it is active.
        state: ``ready``, ``pending``, ``idle`` (no replicas), ``failed`` or ``inactive``.
        version: version of the add-in; empty if unknown.
        commit: short id of the commit of its image; empty if unknown.
        created: when it was created, ISO 8601.
        image: its image.
        recent: its metrics of the last ten minutes; null if they were not read.
    """

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
    recent: RecentTraffic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """The status of the app.

    Args:
        app: name of the app.
        url: its URL; empty without ingress.
        mode: its revision mode, ``Multiple`` or ``Single``.
        state: its provisioning state.
        split: its traffic split in words.
        held_by: the run that holds the lock, running or interrupted; empty without one.
        held_in: the phase that this run is in.
        rows: its revisions, newest first.
        cache: statistics of its cache in words; empty if they were not read.
        recent_problem: why the last ten minutes were not read, or empty.
    """

    app: str
    url: str
    mode: str
    state: str
    split: str
    held_by: str
    held_in: str
    rows: tuple[Row, ...]
    cache: str = ""
    recent_problem: str = ""


def app_status(
    app: App,
    revisions: tuple[Revision, ...],
    *,
    cache: str = "",
    recent: Mapping[str, RecentTraffic] | None = None,
    recent_problem: str = "",
) -> AppStatus:
    """Return the status of *app*, newest revision first.

    Args:
        app: the app.
        revisions: its revisions, oldest first.
        cache: its cache's metrics, as text.
        recent: the last ten minutes, by revision.
        recent_problem: why they were not read, or empty.
    """
    journal = Journal.from_tags(app.tags)
    stable = serving(app, revisions)
    previous = previous_of(stable, revisions, app.tags) if stable else None
    roles = {
        **({journal.candidate: "candidate"} if journal else {}),
        **({previous.name: "previous"} if previous else {}),
        **({stable.name: "stable"} if stable else {}),
    }
    return AppStatus(
        app=app.name,
        url=app.url,
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
                version=revision.content.version,
                commit=revision.content.commit[:7],
                created=revision.created,
                image=revision.image,
                recent=(recent or {}).get(revision.name),
            )
            for revision in reversed(revisions)
        ),
        cache=cache,
        recent_problem=recent_problem,
    )
