"""Explains why a candidate failed, while its revision still exists; never raises an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.adapters.event_stream import EventStream, LogsUnavailableError
from deploy_action.core.app_wide import secrets_of
from deploy_action.core.diagnosis import MOST_LOG_LINES, Evidence, SystemEvent, likely_cause, tidy
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.errors import DeployError
from deploy_action.runtime.concurrency import BackgroundTask

# The first events of a revision have timestamps slightly before its creation time.
_BEFORE_CREATION_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Explains failures of one app's revisions.

    Args:
        app: the app.
        stream: its event and log streams; called only after a failure.
        record: receives the likely cause and the container's last lines.
    """

    app: ContainerApp
    stream: Callable[[], EventStream]
    record: Record

    def explain(self, name: str, error: DeployError) -> None:
        """Record the likely cause of *error* and the last log lines of revision *name*."""
        try:
            revision = self.app.revision(name)
            stream = self.stream()
        except DeployError as problem:
            self.record.say(f"the revision's logs were not read: {problem.message}")
            return
        events: tuple[SystemEvent, ...] = ()
        log: tuple[str, ...] = ()
        if revision is not None:
            since_s = revision.created_s - _BEFORE_CREATION_S
            reading = BackgroundTask(lambda: self._log(stream, name))
            events, log = self._events(stream, name, since_s), reading.result()
        evidence = Evidence(
            error=error.message,
            state=revision.in_words if revision else "",
            events=events,
            log=log,
            missing_secrets=self._missing_secrets(revision),
        )
        cause = likely_cause(evidence)
        if cause or log:
            self.record.diagnosed(
                cause=cause.cause if cause else "", hint=cause.hint if cause else "", log=log
            )

    def _missing_secrets(self, revision: Revision | None) -> tuple[str, ...]:
        if revision is None:
            return ()
        try:
            secrets = secrets_of(revision.template)
            return tuple(sorted(secrets - self.app.read().secret_names)) if secrets else ()
        except (DeployError, ValueError):
            return ()

    def _events(self, stream: EventStream, name: str, since_s: float) -> tuple[SystemEvent, ...]:
        try:
            return stream.system_events(name, since_s)
        except LogsUnavailableError as error:
            self.record.say(f"the platform's events were not read: {error.message}")
            return ()

    def _log(self, stream: EventStream, name: str) -> tuple[str, ...]:
        try:
            return tidy(stream.console_lines(name, MOST_LOG_LINES))
        except LogsUnavailableError as error:
            self.record.say(f"the container's log was not read: {error.message}")
            return ()
