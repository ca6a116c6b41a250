"""The structure of the JSON report.

Names become keys with dashes; `json_schema` generates ``docs/report.schema.json`` from these
classes and their docstrings. Within one value of ``schema-version``, keys are only added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.status import AppStatus
from deploy_action.core.traffic.split import Entry
from deploy_action.core.validation import Check
from deploy_action.errors import Fault, SourceLocation

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The execution of the action.

    Args:
        id: GitHub run id, attempt and a token, or ``local`` and a token.
        url: URL of the GitHub run; empty for a local run.
        repository: URL of the repository; empty if unknown.
    """

    id: str
    url: str
    repository: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppReport:
    """The container app.

    Args:
        name: name of the app.
        environment: environment in the settings file; empty without one.
        resource_id: Azure resource ID; empty if unknown.
        url: URL of the app; empty if unknown.
    """

    name: str
    environment: str
    resource_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReport:
    """One phase of the run.

    Args:
        name: key of the phase, such as ``gates``.
        title: what the command does in it.
        started_s: start, in seconds since the start of the run.
        duration_s: duration in seconds; of a phase in progress, the duration so far.
        ok: whether it succeeded; null while it is in progress.
    """

    name: str
    title: str
    started_s: float
    duration_s: float
    ok: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """The final result of a gate or of the analysis of a step.

    Args:
        name: name of the gate.
        verdict: ``pass``, ``fail``, ``inconclusive`` or ``unreachable``.
        evidence: what was measured.
        phase: key of the phase; empty outside phases.
    """

    name: str
    verdict: str
    evidence: str
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficChange:
    """A traffic split that was written and read back.

    Args:
        at_s: time, in seconds since the start of the run.
        reason: why it was written.
        traffic: the split.
    """

    at_s: float
    reason: str
    traffic: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One planned step of the traffic shift; the last one is the promotion.

    Args:
        weight: share of the traffic of the attempted revision, 0-100.
        reached: whether the split was written and read back.
        at_s: time, in seconds since the start of the run; null if it was not reached.
    """

    weight: int
    reached: bool
    at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """One change that the run reverted or tried to revert.

    Args:
        what: what was restored.
        ok: whether that worked.
        detail: the resulting state, or how to restore it by hand.
    """

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedKeys:
    """The cache keys that one pattern removed.

    Args:
        pattern: the pattern.
        keys: number of keys.
    """

    pattern: str
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """One clearing of the cache.

    Args:
        moment: when, such as ``before`` or ``after``.
        complete: whether no matching key was left.
        removed: removed keys by pattern.
    """

    moment: str
    complete: bool
    removed: tuple[RemovedKeys, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReport:
    """The cache.

    Args:
        keys_cleared: number of keys that the run cleared.
        clearings: each clearing.
        statistics: statistics of the cache after the run; empty if they were not read.
    """

    keys_cleared: int
    clearings: tuple[Clearing, ...]
    statistics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The version commit.

    Args:
        commit: SHA of the version commit; empty if the run published none.
        pull_request: URL of its pull request; empty if there is none.
        pending: version that serves although its commit is not on the branch yet.
    """

    commit: str
    pull_request: str
    pending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisReport:
    """The diagnosis of a failed candidate.

    Args:
        cause: the likely cause; empty if unknown.
        hint: what to do about it.
        log: last lines of the container's log.
    """

    cause: str
    hint: str
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningReport:
    """A warning.

    Args:
        text: the warning.
        location: the file at fault; null if none is.
    """

    text: str
    location: SourceLocation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the action or of the command line.

    Args:
        schema_version: version of this format.
        tool_version: version of the action.
        command: ``deploy``, ``rollback``, ``repair``, ``status``, ``validate`` or ``bump``.
        result: how the run ended, as in the output ``result``; ``running`` until then.
        exit_code: exit code; null while the run is in progress.
        reason: why the run did not do what it should; for a rollback, the given reason.
        hint: what to do about it.
        faults: all faults of the settings or files, if there are several.
        location: the file at fault; null if none is.
        started_at: start of the run, ISO 8601 in UTC.
        duration_s: duration of the run in seconds.
        run: the execution of the action.
        app: the container app.
        serving: the revision that serves now.
        serving_weight: its share of the traffic, 0-100; 0 if unknown.
        attempted: the revision that the run tried to deploy or to roll back to.
        previous: the revision that served before; empty unless the run changed it.
        traffic: the last traffic split read from Azure; null if none was read.
        plan: what the deployment changes; null if nothing was planned.
        phases: the phases of the run, with timings.
        steps: the planned steps of the traffic shift.
        gates: results of the gates and of the analysis.
        traffic_changes: every split that was written and read back.
        restored: what an abort, a cancellation or a repair restored.
        diagnosis: why the candidate failed; null unless it did.
        cache: the cache.
        publication: the version commit.
        checks: the checks of ``validate``.
        warnings: all warnings.
        bug_report: where the report of an unexpected error is; empty without one.
        status: the status of the app; null for other commands.
        bumped: the files that ``bump`` planned or changed, as in ``bump --json``; null for other
            commands.
    """

    schema_version: int
    tool_version: str
    command: str
    result: str
    exit_code: int | None
    reason: str
    hint: str
    faults: tuple[Fault, ...]
    location: SourceLocation | None
    started_at: str
    duration_s: float
    run: RunReport
    app: AppReport
    serving: RevisionInfo
    serving_weight: int
    attempted: RevisionInfo
    previous: RevisionInfo
    traffic: tuple[Entry, ...] | None
    plan: Mapping[str, Any] | None
    phases: tuple[PhaseReport, ...]
    steps: tuple[StepReport, ...]
    gates: tuple[GateReport, ...]
    traffic_changes: tuple[TrafficChange, ...]
    restored: tuple[Restored, ...]
    diagnosis: DiagnosisReport | None
    cache: CacheReport
    publication: Publication
    checks: tuple[Check, ...]
    warnings: tuple[WarningReport, ...]
    bug_report: str
    status: AppStatus | None
    bumped: tuple[Mapping[str, Any], ...] | None
