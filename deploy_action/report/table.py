"""Renders the app's status as a table for a terminal."""

from __future__ import annotations

from deploy_action.core.status import AppStatus, RecentTraffic, Row

_COLUMNS = ("role", "weight", "state", "version", "commit", "last 10 min", "revision")


def table(now: AppStatus) -> str:
    """Return a headline and one line per revision, newest first."""
    rows = [_COLUMNS, *(_cells(row) for row in now.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [f"{now.app} at {now.url}, {now.mode} mode, {now.state}"]
    if now.held_by:
        lines.append(f"locked by run {now.held_by} in phase {now.held_in}")
    if now.recent_problem:
        lines.append(f"last 10 min: not read: {now.recent_problem}")
    if now.cache:
        lines.append(f"cache: {now.cache}")
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    labels = "".join(f" @{label}" for label in row.labels)
    weight = f"{row.weight} %"
    recent = _recent(row.recent) if row.recent else ""
    return (row.role, weight, row.state, row.version, row.commit, recent, row.revision + labels)


def _recent(recent: RecentTraffic) -> str:
    restarts = f", restarts in {recent.restarts} of 10 minutes" if recent.restarts else ""
    usage = f", {recent.usage}" if recent.usage else ""
    return f"{recent.requests} requests, {recent.errors} failed{restarts}{usage}"
