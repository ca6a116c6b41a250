"""GitHub's runner: the run's context, and the files and commands that the runner reads.

Also works outside GitHub Actions, without files and workflow commands.
"""

from __future__ import annotations

import io
import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy_action.core.run import Run
from deploy_action.errors import SourceLocation
from deploy_action.runtime.runner_log import RunnerLog

MOST_SUMMARY_BYTES = 1_000_000  # GitHub drops a summary beyond 1 MiB as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestEvent:
    """The pull request that a run is for, and whether it is from a fork."""

    number: int
    from_fork: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """The environment of this run: a GitHub runner or a developer's machine.

    Args:
        environment: the process environment.
        log: where commands go.
        folder: the input ``working-directory``.
        own_token: identifies this process where action.yml passes no token to its steps.
    """

    environment: Mapping[str, str]
    log: RunnerLog
    folder: str = ""
    own_token: str = field(default_factory=lambda: secrets.token_hex(3))

    @property
    def token(self) -> str:
        """An id that distinguishes this use of the action from others in the same GitHub run."""
        passed = self.environment.get("DEPLOY_ACTION_TOKEN", "")
        return passed if re.fullmatch(r"[a-z0-9]{1,16}", passed) else self.own_token

    @property
    def on_github(self) -> bool:
        """Whether workflow commands are understood."""
        return self.environment.get("GITHUB_ACTIONS") == "true"

    @property
    def checkout(self) -> Path:
        """The runner's workspace, or the current folder."""
        return Path(self.environment.get("GITHUB_WORKSPACE") or ".").resolve()

    @property
    def workspace(self) -> Path:
        """The folder of the checkout that paths of the settings are relative to."""
        folder = (self.checkout / self.folder.strip().replace("\\", "/")).resolve()
        return folder if folder.is_dir() else self.checkout  # a rollback needs no checkout

    @property
    def run(self) -> Run:
        """This process. Both steps of action.yml receive the same token."""
        env = self.environment
        branch = env.get("GITHUB_REF_NAME", "") if env.get("GITHUB_REF_TYPE") == "branch" else ""
        number = env.get("GITHUB_RUN_ID", "")
        server = env.get("GITHUB_SERVER_URL", "")
        repository = env.get("GITHUB_REPOSITORY", "")
        return Run(
            id=f"{number}.{env.get('GITHUB_RUN_ATTEMPT') or '1'}.{self.token}"
            if number
            else f"local.{self.token}",
            link=f"{server}/{repository}/actions/runs/{number}" if server and number else "",
            commit=env.get("GITHUB_SHA", ""),
            branch=branch,
        )

    @property
    def artifact(self) -> str:
        """A name for this run's artifact; two artifacts of a run cannot have the same name."""
        env = self.environment
        attempt = env.get("GITHUB_RUN_ATTEMPT") or "1"
        return f"deployment-{env.get('GITHUB_JOB') or 'job'}-{attempt}-{self.token}"

    @property
    def takes_artifacts(self) -> bool:
        """Whether the upload of artifacts works; GitHub Enterprise Server has no such service."""
        host = self.environment.get("GITHUB_SERVER_URL", "").partition("://")[2]
        return self.on_github and (host == "github.com" or host.endswith(".ghe.com"))

    @property
    def pushed_from(self) -> str:
        """The commit that the branch was at before the push that triggered the run, or nothing."""
        before = str(self._event.get("before") or "")
        return before if before.strip("0") else ""

    @property
    def pull_request(self) -> PullRequestEvent | None:
        """The pull request that the run is for, or None."""
        event = self._event
        pull = event.get("pull_request")
        issue = event.get("issue")
        if not isinstance(pull, dict) and isinstance(issue, dict) and issue.get("pull_request"):
            pull = issue
        if not isinstance(pull, dict) or not isinstance(pull.get("number"), int):
            return None
        head, base = (_repository(pull.get(side)) for side in ("head", "base"))
        return PullRequestEvent(number=pull["number"], from_fork=head != base)

    @property
    def _event(self) -> Mapping[str, Any]:
        """The payload of the event that triggered the run; empty if it cannot be read."""
        file = self.environment.get("GITHUB_EVENT_PATH")
        try:
            event = json.loads(Path(file).read_text("utf-8")) if file else {}
        except (OSError, ValueError):
            return {}
        return event if isinstance(event, dict) else {}

    def mask(self, secret: str) -> None:
        """Have the runner replace *secret* in its log; an empty one is ignored."""
        self.log.mask(secret)

    def group(self, title: str, *, component: str) -> None:
        """Open a foldable group in the log."""
        self.log.group(title, component=component)

    def end_group(self) -> None:
        """Close the group."""
        self.log.command("endgroup")

    def annotate(self, level: str, title: str, message: str, place: SourceLocation | None) -> None:
        """Put a message on the run's page, and on a line of a file when *place* is given.

        Args:
            level: ``error``, ``warning`` or ``notice``.
            title: one line.
            message: any text; cut at 4,000 characters.
            place: file, line and column of the user's file.
        """
        properties = {"title": title}
        if place:
            properties["file"] = self._in_repository(place.file)
            if place.line is not None:
                properties["line"] = str(place.line)
            if place.column is not None:
                properties["col"] = str(place.column)
        self.log.command(level, message, **properties)

    def _in_repository(self, file: str) -> str:
        """Return a file's path as annotations need it: relative to the root of its repository."""
        path = self.workspace / file
        if not self.folder or not path.is_file():
            return file
        roots = (folder for folder in path.parents if (folder / ".git").exists())
        root = next(roots, self.checkout)
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else file

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set the step's outputs; does nothing without a runner.

        Raises:
            OSError: they cannot be written. None of them is set then: half a value would make the
                runner fail the step.
        """
        target = self.environment.get("GITHUB_OUTPUT")
        if not target:
            return
        text = ""
        for name, value in values.items():
            delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
            text += f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        with Path(target).open("ab", buffering=0) as file:
            before = file.tell()
            try:
                _write_all(file, text.encode("utf-8", "replace"))
            except OSError:
                with suppress(OSError):  # no regular file
                    file.truncate(before)
                raise

    def summary(self, text: str) -> None:
        """Write the step's summary, replacing what this step wrote before; raises `OSError`."""
        target = self.environment.get("GITHUB_STEP_SUMMARY")
        if not target:
            return
        whole = text.encode("utf-8", "replace")
        if len(whole) > MOST_SUMMARY_BYTES:
            cut = whole[:MOST_SUMMARY_BYTES].decode("utf-8", "ignore")
            whole = f"{cut}\n\nThe summary was truncated because it is too long.\n".encode()
        Path(target).write_bytes(whole)


def _repository(side: Any) -> str:
    """Return the full name of the repository of a pull request's head or base; may be empty."""
    repository = side.get("repo") if isinstance(side, dict) else None
    return str(repository.get("full_name") or "") if isinstance(repository, dict) else ""


def _write_all(file: io.FileIO, content: bytes) -> None:
    while content:
        content = content[file.write(content) :]
