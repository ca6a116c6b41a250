"""Writes the result of a run as a status of the commit that it deploys."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deploy_action.adapters.github_api import CommitStatus, GitHub, GitHubError
from deploy_action.core.events import Event, PhaseEnded, RunEnded
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.report.headline import headline
from deploy_action.services.announcements import Job

if TYPE_CHECKING:
    from deploy_action.services import Services

_STATES = {
    "deployed": "success",
    "rolled-back": "success",
    "aborted": "failure",
    "abort-failed": "failure",
    "refused": "failure",
    "invalid": "failure",
    "superseded": "failure",
    "cancelled": "error",
    "failed": "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusWriter:
    """Writes ``pending`` once the plan is made, and the result at the end.

    Args:
        github: returns the repository's API; raises `GitHubError` if it is not known.
        context: the status' name.
        commit: the commit that is deployed, if the record names none.
    """

    github: Callable[[], GitHub]
    context: str
    commit: str

    def jobs(self, event: Event, record: Record) -> Sequence[Job]:
        """Return the status to write because of *event*."""
        state = _state(event, record)
        commit = record.outcome.attempted.commit or self.commit
        if not state or not re.fullmatch("[0-9a-f]{40}", commit):
            return ()
        status = CommitStatus(
            state=state,
            context=self.context,
            description=headline(record, str).partition(" ")[2],
            page=record.facts.get("run-url", ""),
        )
        return [Job(what="Commit status", work=partial(self._write, commit, status))]

    def _write(self, commit: str, status: CommitStatus) -> str:
        try:
            self.github().set_status(commit, status)
        except GitHubError as error:
            return str(error)
        return ""


def _state(event: Event, record: Record) -> str:
    """Return the state of the status; empty if *event* changes nothing."""
    deploying = record.command in {"deploy", "rollback"}
    match event:
        case PhaseEnded(phase=Phase.PLAN, ok=True) if deploying and record.ending is None:
            return "pending"
        case RunEnded(result="repaired") if record.command == "repair":
            serves = record.outcome.serving.revision == record.outcome.attempted.revision
            return "success" if serves else "failure"
        case RunEnded() if deploying:
            return _STATES.get(event.result, "")
    return ""


def make_status_writer(services: Services) -> StatusWriter:
    """Return the writer for the repository of this run."""
    settings, env = services.settings, services.environment

    def github() -> GitHub:
        api, repository = env.get("GITHUB_API_URL", ""), env.get("GITHUB_REPOSITORY", "")
        if not (settings.git_token and api and repository):
            raise GitHubError("git-token is empty, or the run is not on GitHub")
        return GitHub(api, repository, token=settings.git_token)

    return StatusWriter(
        github=github,
        context=f"deploy-action/{settings.environment}/{settings.app}",
        commit=services.run.commit if settings.command.value == "deploy" else "",
    )
