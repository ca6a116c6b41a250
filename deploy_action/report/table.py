"""Renders the app's status for a terminal and as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

from deploy_action.core.amount import amount
from deploy_action.core.status import AppStatus, RecentTraffic, Rollout, Row

COLUMNS = (
    "role",
    "weight",
    "state",
    "version",
    "age",
    "commit",
    "rollback",
    "last 10 min",
    "revision",
)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def table(now: AppStatus) -> str:
    """Return what serves, a rollout in progress, and one line per revision, newest first."""
    rows = [COLUMNS, *(cells(row) for row in now.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [f"{now.app} at {now.url}, {now.mode} mode, {now.state}", *facts(now)]
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    lines += notes(now.rows)
    return "\n".join(line.rstrip() for line in lines)


def facts(now: AppStatus) -> list[str]:
    """Return what serves since when, and what else is not in the table."""
    lines = [_serves(now.stable, now)] if now.stable else ["no revision serves traffic"]
    if now.rollout:
        lines.append(_rollout(now.rollout))
    if now.recent_problem:
        lines.append(f"last 10 min: metrics not available: {now.recent_problem}")
    if now.cache:
        lines.append(f"cache: {now.cache}")
    return lines


def notes(rows: Sequence[Row]) -> list[str]:
    """Return for each revision why a rollback to it would not work."""
    return [
        f"rollback to {row.revision}: {row.rollback.works.value}, {row.rollback.reason}"
        for row in rows
        if row.rollback.reason and row.role != "stable"
    ]


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of one revision, in the order of `COLUMNS`."""
    labels = "".join(f" @{label}" for label in row.labels)
    return (
        row.role,
        f"{row.weight} %",
        row.state,
        row.version,
        age(row.age_s),
        row.commit[:7],
        "" if row.role == "stable" else row.rollback.works.value,
        _recent(row.recent) if row.recent else "",
        row.revision + labels,
    )


def age(seconds: int | None) -> str:
    """Return a duration in its largest unit; empty if unknown.

    >>> [age(5), age(150), age(7_300), age(200_000), age(None)]
    ['5 s', '2 min', '2 h', '2 d', '']
    """
    if seconds is None:
        return ""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _serves(row: Row, now: AppStatus) -> str:
    commit = f" from commit {row.commit[:7]}" if row.commit else ""
    run = f" by run {row.run}" if row.run else ""
    created = f", deployed {row.created}" if row.created else ""
    ago = f" ({age(row.age_s)} ago)" if row.created and row.age_s is not None else ""
    since = f" since {now.serving_since}" if now.serving_since else ""
    # Without a record, the last change of any kind is the latest moment.
    known = not since and now.unchanged_s
    unchanged = f"; the app has not changed for {age(now.unchanged_s)}" if known else ""
    name = row.version or row.revision
    return f"{name} serves {row.weight} %{since}{created}{ago}{commit}{run}{unchanged}"


def _rollout(rollout: Rollout) -> str:
    url = f" ({rollout.url})" if rollout.url else ""
    since = f" for {age(rollout.for_s)}" if rollout.for_s is not None else ""
    if rollout.in_progress:
        what = "rolling back to" if rollout.kind == "rollback" else "deploying"
        return (
            f"in progress: run {rollout.run}{url} has been {what} {rollout.candidate}{since}, "
            f"phase {rollout.phase}"
        )
    if rollout.pending:
        work = ", ".join(rollout.pending)
        return f"unfinished work of run {rollout.run}{url}, left to the next run: {work}"
    return (
        f"interrupted: run {rollout.run}{url} stopped in phase {rollout.phase} with candidate "
        f"{rollout.candidate}; the next run or the command repair recovers from it"
    )


def _recent(recent: RecentTraffic) -> str:
    restarts = f", restarts in {recent.restarts} of 10 minutes" if recent.restarts else ""
    usage = f", {recent.usage}" if recent.usage else ""
    return f"{amount(recent.requests, 'request')}, {recent.errors} failed{restarts}{usage}"
