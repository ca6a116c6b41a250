"""The collapsed sections of the summary; each is empty where there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterable

from deploy_action.core.events import (
    CacheCleared,
    GateFinished,
    PhaseEnded,
    PhaseStarted,
    TrafficShifted,
    UndoFinished,
)
from deploy_action.core.record import Record
from deploy_action.core.traffic.split import Split
from deploy_action.core.validation import Check
from deploy_action.report import table
from deploy_action.report.duration import duration
from deploy_action.report.markdown import code, fence, plain
from deploy_action.report.plan import plan_markdown

_SHORTEST_BAR_S = 0.1


def restored(record: Record) -> list[str]:
    """Return what an abort or a repair restored."""
    events = [event for event in record.events if isinstance(event, UndoFinished)]
    if not events:
        return []
    lines = ["| what | state | details |", "|---|---|---|"]
    for event in events:
        state = "restored" if event.ok else "**not restored**"
        lines.append(f"| {plain(event.what)} | {state} | {code(event.detail)} |")
    return lines


def diagnosis(record: Record) -> list[str]:
    """Return the likely cause of a failure and the container's last log lines."""
    diagnosis = record.diagnosis
    if diagnosis is None:
        return []
    hint = "" if record.ending and diagnosis.hint in record.ending.hint else diagnosis.hint
    lines = [f"**Likely cause:** {plain(f'{diagnosis.cause} {hint}'.rstrip())}", ""]
    log = ["Last lines of the container's log:", "", *fence(list(diagnosis.log), "text"), ""]
    return (lines if diagnosis.cause else []) + (log if diagnosis.log else [])


def plan(record: Record) -> list[str]:
    """Return what the deployment changes, and how."""
    return plan_markdown(record.plan.data) if record.plan else []


def status(record: Record) -> list[str]:
    """Return the table of the app's revisions, without columns that are empty."""
    now = record.status
    if now is None:
        return []
    rows = [table.cells(row) for row in now.rows]
    used = [column for column in range(len(table.COLUMNS)) if any(row[column] for row in rows)]
    lines = [f"- {plain(text)}" for text in table.facts(now)]
    if rows:
        lines += ["", _row(table.COLUMNS[column] for column in used), _row("---" for _ in used)]
    lines += [_row(plain(row[column]) for column in used) for row in rows]
    notes = [f"- {plain(text)}" for text in table.notes(now.rows)]
    return [*lines, *([""] if notes else []), *notes, ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def checks(record: Record) -> list[str]:
    """Return the table of the checks of `validate`."""
    rows = [
        f"| {check.state.value} | {plain(check.name)} | {_checked(check)} | {plain(check.remedy)} |"
        for check in record.checks
    ]
    if not rows:
        return []
    return ["| result | check | what was found | remedy |", "|---|---|---|---|", *rows, ""]


def _checked(check: Check) -> str:
    place = f"{code(str(check.location))}: " if check.location else ""
    return place + plain(check.detail)


def gates(record: Record) -> list[str]:
    """Return each gate's verdict and evidence."""
    results = [event for event in record.events if isinstance(event, GateFinished)]
    if not results:
        return []
    rows = [f"| {plain(x.gate)} | {plain(x.verdict)} | {code(x.evidence)} |" for x in results]
    return ["| gate | verdict | evidence |", "|---|---|---|", *rows]


def traffic(record: Record) -> list[str]:
    """Return every split that was read back, with a bar per revision."""
    shifts = [event for event in record.events if isinstance(event, TrafficShifted)]
    if not shifts:
        return []
    rows = [f"| {duration(x.at)} | {plain(x.why)} | {_bars(x.split)} |" for x in shifts]
    return ["| at | why | traffic split |", "|---:|---|---|", *rows]


def cache(record: Record) -> list[str]:
    """Return the keys that each clearing removed, without patterns that matched nothing."""
    clearings = [event for event in record.events if isinstance(event, CacheCleared)]
    rows = [
        f"| {plain(event.moment)} | {code(pattern)} | {count} |"
        for event in clearings
        for pattern, count in event.removed
        if count
    ]
    facts = [f"After the run: {code(record.facts['cache'])}"] if record.facts.get("cache") else []
    if not rows:
        return facts
    return ["| when | pattern | keys removed |", "|---|---|---:|", *rows, "", *facts]


def timeline(record: Record) -> list[str]:
    """Return the phases as a Gantt chart and as a table; phases without work are omitted."""
    ends = {event.phase: event for event in record.events if isinstance(event, PhaseEnded)}
    starts = [event for event in record.events if isinstance(event, PhaseStarted)]
    if not starts:
        return []
    # In milliseconds: Mermaid reads a start in seconds (X) as milliseconds. %s has no time zone.
    chart = ["```mermaid", "gantt", "  dateFormat x", "  axisFormat %s s"]
    table = ["", "| phase | from | took | |", "|---|---:|---:|---|"]
    for start in starts:
        end = ends.get(start.phase)
        until = end.at if end else record.elapsed_s
        title = start.phase.title(record.command)
        bad = end is not None and not end.ok
        # A colon or semicolon would end the task's name.
        name = title.replace(":", " ").replace(";", " ").replace("#", " ")
        mark = "crit, " if bad else "done, " if end else "active, "
        shown_until = max(until, start.at + _SHORTEST_BAR_S)
        chart.append(f"  {name} :{mark}{start.at * 1000:.0f}, {shown_until * 1000:.0f}")
        state = ("done" if end.ok else "**failed**") if end else "in progress"
        table.append(f"| {title} | {duration(start.at)} | {duration(until - start.at)} | {state} |")
    return [*chart, "```", *table]


def _bars(split: Split) -> str:
    """Return one bar of ten blocks per revision."""
    cells = []
    for entry in split.entries:
        filled = round(entry.weight / 10)
        label = f" @{entry.label}" if entry.label else ""
        bar = "█" * filled + "░" * (10 - filled)
        cells.append(f"{bar} {entry.weight} % {code((entry.revision or 'latest') + label)}")
    return "<br>".join(cells)
