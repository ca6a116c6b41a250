"""Renders the record: the log at once, summary and JSON report after each phase, then the rest.

A reporting error never reaches the deployment or its undo. A channel that fails is reported in the
others.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy_action.adapters.github_runner import Runner
from deploy_action.adapters.report_folder import ReportFolder
from deploy_action.core.events import (
    Crashed,
    Event,
    PhaseEnded,
    PhaseStarted,
    RunEnded,
    Validated,
    WarningRaised,
)
from deploy_action.core.record import Record
from deploy_action.errors import sentences
from deploy_action.report import console, outputs, summary, terminal
from deploy_action.report.headline import ending_title
from deploy_action.report.json_report import Context, as_json, report_of
from deploy_action.runtime.bug_report import bug_report
from deploy_action.runtime.polling import waits_for
from deploy_action.runtime.request_trace import TRACE

_MOST_FAULTS = 10
_RETENTION_DAYS = 30  # of a bug report, while the settings are unknown
_MOST_WARNINGS = 8  # GitHub shows ten annotations a step; the runner adds one of its own


@dataclass(slots=True)
class Reporter:
    """Renders one record.

    Args:
        runner: log, summary, outputs and annotations.
        record: what to render.
        folder: where the JSON report is written.
        context: what the JSON report says about the run itself.
        artifact: name of the artifact that gets log and report; empty if there will be none.
        problems: by channel, why it cannot be written.
    """

    runner: Runner
    record: Record
    folder: ReportFolder
    context: Context
    problems: dict[str, str] = field(default_factory=dict)
    artifact: str = ""
    _announced: bool = False
    _warned: int = 0
    _phase: str = ""
    _phase_began_s: float = 0.0

    def __call__(self, event: Event) -> None:
        """Render one event; never raises an error."""
        if isinstance(event, Crashed):
            self._attempt("bug report", lambda: self._write_bug_report(event.error))
        self._attempt("log", lambda: self._to_log(event))
        warned_late = isinstance(event, WarningRaised) and self.record.ending is not None
        if isinstance(event, PhaseEnded | RunEnded) or warned_late:
            self._attempt("job summary", self._write_summary)
            self._attempt("JSON report", self._write_report)
        if isinstance(event, RunEnded):
            self._attempt("outputs", self._write_outputs)
            self._attempt("log", lambda: self._annotate_end(event))
            self._name_report()
            if self.problems:  # report the problems in the channels that still work
                self._attempt("job summary", self._write_summary)

    def announce_artifact(self, retention_days: int) -> None:
        """Set what the action's last step needs to upload the log and the report."""
        self._announced = True
        days = retention_days if self.runner.takes_artifacts else 0
        self.artifact = self.runner.artifact if days else ""
        self._attempt(
            "outputs",
            lambda: self.runner.outputs(
                outputs.artifact_values(
                    self.runner.artifact, folder=str(self.folder.path), days=days
                )
            ),
        )

    def progress(self) -> str:
        """Return what the run is doing, for a log that would be silent otherwise."""
        return f"{waits_for() or self._in_progress()}{self._time_left()}"

    def _in_progress(self) -> str:
        started = [event for event in self.record.events if isinstance(event, PhaseStarted)]
        what = started[-1].title if started and self._phase else self.record.command
        since = started[-1].at if started and self._phase else 0.0
        return f"{what}: in progress for {self.record.elapsed_s - since:.0f} s"

    def _time_left(self) -> str:
        """Return how long the rest of the plan takes at least, if that is a minute or more."""
        if self.record.plan is None or self.record.ending:
            return ""
        least_s = self.record.plan.data["minutes"]["least"] * 60 - self.record.elapsed_s
        return f"; the run takes at least {least_s / 60:.0f} min more" if least_s >= 60 else ""

    def report_only(self) -> None:
        """Write the JSON report and log its path, nothing else; never raises an error."""
        self._attempt("JSON report", self._write_report)
        self._name_report()

    def failed(self, channel: str, cause: str) -> None:
        """Report once that *channel* cannot be written, in the others."""
        if channel in self.problems:
            return
        self.problems[channel] = cause
        text = f"The {channel} cannot be written: {cause}."
        self.runner.log.text(f"warning: {text}", level="warning", component="reporting")
        self.runner.annotate("warning", "Reporting", text, None)

    def _attempt(self, channel: str, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self.failed(channel, error.strerror or type(error).__name__)
        except Exception as error:  # noqa: BLE001  the deployment continues
            self.failed(channel, type(error).__name__)

    def _to_log(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._phase, self._phase_began_s = event.phase.key, event.at
        log, text = self.runner.log, console.line(event)
        level, component = console.level(event), console.component(event, self._phase)
        if log.terminal:
            shown = terminal.line(event, self.record.attempted.revision, self._phase_began_s)
            log.show(shown, level=level, strong=isinstance(event, PhaseStarted | RunEnded))
            log.copy_only(text, level=level, component=component)
        elif isinstance(event, PhaseStarted) and self.runner.on_github:
            self.runner.group(text, component=component)
            log.copy_only(text, level=level, component=component)
        elif isinstance(event, PhaseEnded):
            self.runner.end_group()
            log.copy_only(text, level=level, component=component)
        else:
            title = "== " if isinstance(event, PhaseStarted) else ""
            table = isinstance(event, Validated)
            log.text(f"{title}{text}", level=level, component=component, plain=table)
        if isinstance(event, PhaseEnded):
            self._phase = ""
        if isinstance(event, WarningRaised) and self._warned < _MOST_WARNINGS:
            self._warned += 1
            self.runner.annotate("warning", "Deployment", event.text, event.place)

    def _annotate_end(self, event: RunEnded) -> None:
        if len(event.faults) > 1:
            for fault in event.faults[:_MOST_FAULTS]:
                self.runner.annotate("error", "Settings", fault.message, fault.location)
        elif event.exit_code:
            text = sentences(event.reason, event.hint)
            self.runner.annotate(
                "error", ending_title(self.record.command, event.result), text, event.place
            )
        elif event.result in {"deployed", "rolled-back"}:
            facts = self.record.facts
            serves = facts.get("version") or self.record.outcome.serving.name
            text = f"{serves} serves at {facts.get('url', '')}"
            if pending := facts.get("pending"):
                page = facts.get("pull-request")
                where = f" in {page}" if page else ""
                text += f"; the version commit of {pending} is pending{where}"
            self.runner.annotate(
                "notice", ending_title(self.record.command, event.result), text, None
            )

    def _write_outputs(self) -> None:
        report = self._report_path()
        self.runner.outputs(outputs.values(self.record.redacted(), report=report))

    def _write_summary(self) -> None:
        # Redacted before the text is escaped: afterwards, a secret may look different.
        record = self.record.redacted()
        self.runner.summary(summary.render(record, problems=self.problems, artifact=self.artifact))

    def _write_bug_report(self, error: BaseException) -> None:
        if not self._announced:
            self.announce_artifact(_RETENTION_DAYS)
        text = bug_report(
            error,
            context={
                "tool version": self.context.tool_version,
                "command": self.record.command,
                "phase": self.record.last_phase,
                "run": self.context.run_id,
                "started": self.context.started_at,
            },
            requests=TRACE.recent(),
        )
        self.folder.write_bug_report(self.record.redact(text))
        file = self.folder.bug_report
        artifact = f"{file.name} of the artifact {self.artifact}" if self.artifact else ""
        self.record.bug_report = artifact or str(file)
        text = f"The bug report is in {file}" + (artifact and f", {artifact}")
        self.runner.log.text(text, level="error", component="bug")

    def _write_report(self) -> None:
        report = as_json(report_of(self.record.redacted(), self.context))
        self.folder.write_report(json.dumps(report, indent=2, ensure_ascii=False) + "\n")

    def _name_report(self) -> None:
        if path := self._report_path():
            self.runner.log.text(f"Report: {path}", component="reporting")

    def _report_path(self) -> str:
        """Return the path of the JSON report; empty if it could not be written."""
        return "" if "JSON report" in self.problems else str(self.folder.report)
