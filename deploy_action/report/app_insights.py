"""The record as a release annotation and as a custom event of Application Insights.

Source: the models of ``azure-mgmt-applicationinsights`` and of Azure Monitor's exporter for
OpenTelemetry. Charts show only annotations of the category ``Deployment``.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from deploy_action.core.events import CacheCleared, PhaseEnded, PhaseStarted, TrafficShifted
from deploy_action.core.record import Record

_NAMESPACE = uuid.UUID("6d0f2f8a-3a37-4c55-8f6a-5f0b6a0c9f47")
_LONGEST_NAME, _LONGEST_VALUE = 150, 8000


def annotation(record: Record, *, run: str, moment: str, timestamp: str) -> dict[str, Any]:
    """Return the body of an annotation.

    Args:
        record: what happened so far.
        run: the run's id.
        moment: ``traffic`` for the first share of user traffic, or ``end``.
        timestamp: now, ISO 8601.
    """
    details = {
        "Environment": record.facts.get("environment", ""),
        "Revision": record.outcome.attempted.revision,
        "Version": record.outcome.attempted.version,
        "Commit": record.outcome.attempted.commit,
        "Run": record.facts.get("run-url", ""),
        "Result": record.ending.result if record.ending else "",
        "Reason": (record.ending.reason if record.ending else "")[:_LONGEST_VALUE],
    }
    return {
        # The same id for a repeat: writing it twice leaves one annotation.
        "Id": str(uuid.uuid5(_NAMESPACE, f"{run} {moment}")),
        "AnnotationName": _title(record)[:_LONGEST_NAME],
        "EventTime": timestamp,
        "Category": "Deployment",
        "Properties": json.dumps({name: text for name, text in details.items() if text}),
    }


def event(record: Record, *, timestamp: str) -> dict[str, Any]:
    """Return the custom event ``Deployment``, without the key, with facts and measurements.

    Args:
        record: of a run that has ended.
        timestamp: now, ISO 8601.
    """
    outcome = record.outcome
    properties = {
        "command": record.command,
        "result": record.ending.result if record.ending else "",
        "reason": record.ending.reason if record.ending else "",
        "environment": record.facts.get("environment", ""),
        "app": record.facts.get("app", ""),
        "version": outcome.serving.version,
        "revision": outcome.serving.revision,
        "attempted_version": outcome.attempted.version,
        "attempted_revision": outcome.attempted.revision,
        "previous_version": outcome.previous.version,
        "previous_revision": outcome.previous.revision,
        "commit": outcome.attempted.commit,
        "run": record.facts.get("run-url", ""),
    }
    base = {
        "ver": 2,
        "name": "Deployment",
        "properties": {name: text[:_LONGEST_VALUE] for name, text in properties.items() if text},
        "measurements": _measurements(record),
    }
    return {
        "name": "Microsoft.ApplicationInsights.Event",
        "time": timestamp,
        "tags": {"ai.cloud.role": "deploy-action"},
        "data": {"baseType": "EventData", "baseData": base},
    }


def _title(record: Record) -> str:
    outcome = record.outcome
    name = outcome.attempted.name or "deployment"
    if record.command == "rollback":
        return f"rolled back to {name}"
    if record.ending is None:
        return name
    serves = outcome.serving.revision == outcome.attempted.revision
    return f"{name} serves {outcome.share} %" if serves else f"{name} rolled back"


def _measurements(record: Record) -> dict[str, float]:
    """Return the duration of the run and of each phase, traffic steps and cleared keys."""
    values = {"duration_s": round(record.elapsed_s, 3)}
    started: dict[str, float] = {}
    for item in record.events:
        if isinstance(item, PhaseStarted):
            started[item.phase.key] = item.at
        elif isinstance(item, PhaseEnded) and item.phase.key in started:
            values[f"{item.phase.key}_s"] = round(item.at - started[item.phase.key], 3)
    values["traffic_changes"] = float(
        sum(isinstance(item, TrafficShifted) for item in record.events)
    )
    values["cache_keys_cleared"] = float(
        sum(
            count
            for item in record.events
            if isinstance(item, CacheCleared)
            for _, count in item.removed
        )
    )
    return values
