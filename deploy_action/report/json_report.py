"""The record as a JSON report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from deploy_action.core.events import (
    CacheCleared,
    GateFinished,
    PhaseEnded,
    PhaseStarted,
    TrafficShifted,
    UndoFinished,
    WarningRaised,
)
from deploy_action.core.record import Record
from deploy_action.report.json_model import (
    SCHEMA_VERSION,
    AppReport,
    CacheReport,
    Clearing,
    DiagnosisReport,
    GateReport,
    PhaseReport,
    Publication,
    RemovedKeys,
    Report,
    Restored,
    RunReport,
    StepReport,
    TrafficChange,
    WarningReport,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Facts that are not in the record.

    Args:
        tool_version: version of the action.
        run_id: id of this run.
        started_at: start of the run, ISO 8601 in UTC.
    """

    tool_version: str
    run_id: str
    started_at: str


def report_of(record: Record, context: Context) -> Report:
    """Return the report of *record*; works at any point of a run."""
    facts, ending, outcome = record.facts, record.ending, record.outcome
    diagnosis = record.diagnosis
    return Report(
        schema_version=SCHEMA_VERSION,
        tool_version=context.tool_version,
        command=record.command,
        result=ending.result if ending else "running",
        exit_code=ending.exit_code if ending else None,
        reason=(ending.reason if ending else "") or facts.get("reason", ""),
        hint=ending.hint if ending else "",
        faults=ending.faults if ending else (),
        location=ending.place if ending else None,
        started_at=context.started_at,
        duration_s=round(ending.at if ending else record.elapsed_s, 3),
        run=RunReport(
            id=context.run_id,
            url=facts.get("run-url", ""),
            repository=facts.get("repository-url", ""),
        ),
        app=AppReport(
            name=facts.get("app", ""),
            environment=facts.get("environment", ""),
            resource_id=facts.get("resource-id", ""),
            url=facts.get("url", ""),
        ),
        serving=outcome.serving,
        serving_weight=outcome.share,
        attempted=outcome.attempted,
        previous=outcome.previous,
        traffic=outcome.split.entries if outcome.split else None,
        plan=record.plan.data if record.plan else None,
        phases=_phases(record),
        steps=_steps(record),
        gates=_gates(record),
        traffic_changes=tuple(
            TrafficChange(at_s=round(event.at, 3), reason=event.why, traffic=event.split.entries)
            for event in record.events
            if isinstance(event, TrafficShifted)
        ),
        restored=tuple(
            Restored(what=event.what, ok=event.ok, detail=event.detail)
            for event in record.events
            if isinstance(event, UndoFinished)
        ),
        diagnosis=DiagnosisReport(cause=diagnosis.cause, hint=diagnosis.hint, log=diagnosis.log)
        if diagnosis
        else None,
        cache=_cache(record),
        publication=Publication(
            commit=facts.get("commit", ""),
            pull_request=facts.get("pull-request", ""),
            pending=facts.get("pending", ""),
        ),
        checks=record.checks,
        warnings=tuple(
            WarningReport(text=event.text, location=event.place)
            for event in record.events
            if isinstance(event, WarningRaised)
        ),
        bug_report=record.bug_report,
        status=record.status,
        bumped=record.bumped,
    )


def as_json(value: Any) -> Any:
    """Return *value* with dataclasses as objects, whose keys have dashes."""
    match value:
        case Enum():
            return value.value
        case _ if is_dataclass(value):
            return {
                key(item.name): as_json(getattr(value, item.name))
                for item in fields(value)
                if not item.name.startswith("_")
            }
        case Mapping():
            return {str(name): as_json(item) for name, item in value.items()}
        case list() | tuple():
            return [as_json(item) for item in value]
    return value


def key(name: str) -> str:
    """Return the JSON key of an attribute."""
    return name.replace("_", "-")


def _phases(record: Record) -> tuple[PhaseReport, ...]:
    ends = {event.phase: event for event in record.events if isinstance(event, PhaseEnded)}
    phases = []
    for start in record.events:
        if not isinstance(start, PhaseStarted):
            continue
        end = ends.get(start.phase)
        until = end.at if end else record.elapsed_s
        phases.append(
            PhaseReport(
                name=start.phase.key,
                title=start.title,
                started_s=round(start.at, 3),
                duration_s=round(until - start.at, 3),
                ok=end.ok if end else None,
            )
        )
    return tuple(phases)


def _gates(record: Record) -> tuple[GateReport, ...]:
    gates, phase = [], ""
    for event in record.events:
        if isinstance(event, PhaseStarted):
            phase = event.phase.key
        elif isinstance(event, PhaseEnded):
            phase = ""
        elif isinstance(event, GateFinished):
            gates.append(
                GateReport(
                    name=event.gate, verdict=event.verdict, evidence=event.evidence, phase=phase
                )
            )
    return tuple(gates)


def _steps(record: Record) -> tuple[StepReport, ...]:
    """Return each planned weight, and when the attempted revision first had it."""
    candidate = record.attempted.revision
    reached: dict[int, float] = {}
    for event in record.events:
        if isinstance(event, TrafficShifted):
            reached.setdefault(event.split.weight_of(candidate), event.at)
    planned = [
        int(weight)
        for step in (record.plan.data["steps"] if record.plan else ())
        for revision, weight in step["weights"].items()
        if revision == candidate
    ]
    return tuple(
        StepReport(
            weight=weight,
            reached=weight in reached,
            at_s=round(reached[weight], 3) if weight in reached else None,
        )
        for weight in planned
    )


def _cache(record: Record) -> CacheReport:
    clearings = tuple(
        Clearing(
            moment=event.moment,
            complete=event.complete,
            removed=tuple(
                RemovedKeys(pattern=pattern, keys=count) for pattern, count in event.removed
            ),
        )
        for event in record.events
        if isinstance(event, CacheCleared)
    )
    return CacheReport(
        keys_cleared=record.keys_cleared,
        clearings=clearings,
        statistics=record.facts.get("cache", ""),
    )
