"""The status of the app, as data for the table and the JSON of `status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from deploy_action.core.adoption import previous_of
from deploy_action.core.app import App, serving
from deploy_action.core.journal import Journal
from deploy_action.core.revisions.revision import Revision


class Answer(Enum):
    """Whether something would work."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackCheck:
    """Whether a rollback to a revision would work.

    Args:
        works: ``yes``, ``no`` or ``unknown``.
        reason: why it would not work, or why that is unknown; empty for ``yes``.
    """

    works: Answer
    reason: str = ""


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
        commit: id of the commit of its image; empty if unknown.
        run: id of the run that deployed it; empty if unknown.
        created: when it was created, ISO 8601.
        age_s: seconds since it was created; null if unknown.
        image: its image.
        rollback: whether a rollback to it would work.
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
    run: str
    created: str
    age_s: int | None
    image: str
    rollback: RollbackCheck
    recent: RecentTraffic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A run that holds the deployment lock.

    Args:
        run: id of the run.
        url: its URL; empty if unknown.
        kind: ``deploy`` or ``rollback``.
        phase: key of the phase that it announced last.
        candidate: the revision that it deploys or rolls back to.
        for_s: seconds since it took the lock; null if unknown.
        in_progress: whether it may still be running. If not, it was interrupted, or left work for
            the next run.
        pending: work that it left for the next run.
    """

    run: str
    url: str
    kind: str
    phase: str
    candidate: str
    for_s: int | None
    in_progress: bool
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """The status of the app.

    Args:
        app: name of the app.
        url: its URL; empty without ingress.
        mode: its revision mode, ``Multiple`` or ``Single``.
        state: its provisioning state.
        split: its traffic split in words.
        serving_since: when the serving revision got its traffic, ISO 8601; empty if unknown.
        unchanged_s: seconds since the app was changed in any way, so that its traffic is at least
            as old; null if unknown.
        rollout: the run that holds the deployment lock; null without one.
        rows: its revisions, newest first.
        cache: statistics of its cache in words; empty if they were not read.
        recent_problem: why the last ten minutes were not read, or empty.
    """

    app: str
    url: str
    mode: str
    state: str
    split: str
    serving_since: str
    unchanged_s: int | None
    rollout: Rollout | None
    rows: tuple[Row, ...]
    cache: str = ""
    recent_problem: str = ""

    @property
    def stable(self) -> Row | None:
        """The revision that serves, or None."""
        return next((row for row in self.rows if row.role == "stable"), None)

    @property
    def previous(self) -> Row | None:
        """The revision that served before, or None."""
        return next((row for row in self.rows if row.role == "previous"), None)


def app_status(
    app: App,
    revisions: tuple[Revision, ...],
    *,
    now_s: float,
    rollbacks: Mapping[str, RollbackCheck],
    holder_ended: bool = False,
    cache: str = "",
    serving_since: str = "",
    recent: Mapping[str, RecentTraffic] | None = None,
    recent_problem: str = "",
) -> AppStatus:
    """Return the status of *app*, newest revision first.

    Args:
        app: the app.
        revisions: its revisions, oldest first.
        now_s: seconds since 1970.
        rollbacks: by revision, whether a rollback to it would work.
        holder_ended: whether the run that holds the lock is known to have ended.
        cache: its cache's metrics, as text.
        serving_since: when the serving revision got its traffic, ISO 8601; empty if unknown.
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
        serving_since=serving_since,
        unchanged_s=int(app.unchanged_s) if app.unchanged_s else None,
        rollout=_rollout(journal, now_s, ended=holder_ended) if journal else None,
        rows=tuple(
            Row(
                revision=revision.name,
                role=roles.get(revision.name, ""),
                weight=revision.weight,
                labels=app.split.labels_of(revision.name),
                active=revision.active,
                state=revision.readiness.value,
                version=revision.content.version,
                commit=revision.content.commit,
                run=revision.content.run,
                created=revision.created,
                age_s=_seconds(revision.created_s, now_s),
                image=revision.image,
                rollback=rollbacks[revision.name],
                recent=(recent or {}).get(revision.name),
            )
            for revision in reversed(revisions)
        ),
        cache=cache,
        recent_problem=recent_problem,
    )


def _rollout(journal: Journal, now_s: float, *, ended: bool) -> Rollout:
    return Rollout(
        run=journal.run,
        url=journal.link,
        kind=journal.kind.value,
        phase=journal.phase.key,
        candidate=journal.candidate,
        for_s=_seconds(journal.since, now_s),
        in_progress=journal.lease_valid(now_s) and not ended and not journal.pending,
        pending=tuple(item.value for item in journal.pending),
    )


def _seconds(since_s: float, now_s: float) -> int | None:
    return max(0, int(now_s - since_s)) if since_s else None
