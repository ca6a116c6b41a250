"""Keeps one comment with the plan of a dry run on its pull request up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy_action.core.settings.choices import Command
from deploy_action.errors import DeployError
from deploy_action.report import plan_comment as text

if TYPE_CHECKING:
    from deploy_action.adapters.github_runner import PullRequestEvent
    from deploy_action.services import Services


@contextmanager
def plan_comment(services: Services) -> Iterator[None]:
    """Write the comment after the dry run inside the block; its errors never affect the run.

    A plan that is refused replaces the comment of an earlier plan, too.
    """
    settings = services.settings
    if not (settings.comment and settings.dry_run and settings.command is Command.DEPLOY):
        yield
        return
    try:
        yield
    except DeployError as error:
        _keep(services, problem=" ".join(filter(None, (error.message, error.hint))))
        raise
    _keep(services)


def _keep(services: Services, *, problem: str = "") -> None:
    record, pull = services.record, services.runner.pull_request
    if pull is None:
        record.say("comment: this run is not for a pull request, so there is nothing to comment on")
        return
    try:
        page = _write(services, pull, text.plan_comment(record, problem=record.redact(problem)))
    except DeployError as error:
        record.warn(f"The plan was not written as a comment: {_reason(error, pull)}")
    else:
        record.say(f"The plan is in the comment {page}")


def _write(services: Services, pull: PullRequestEvent, body: str) -> str:
    """Update this action's own comment, or create it; return its page."""
    from deploy_action.adapters.github_api import GitHub  # noqa: PLC0415  only with GitHub's API

    env, token = services.environment, services.settings.git_token
    api, repository = env.get("GITHUB_API_URL", ""), env.get("GITHUB_REPOSITORY", "")
    if not (token and api and repository):
        raise DeployError("git-token and the variables of a GitHub workflow are needed.")
    services.secret(token)
    github = GitHub(api, repository, token=token)
    marker = body.partition("\n")[0]
    own = github.login()
    for comment in github.comments(pull.number):
        # Others may have copied the marker; their comments are never changed.
        if comment.author == own and comment.body.startswith(marker):
            return github.update_comment(comment.id, body)
    return github.create_comment(pull.number, body)


def _reason(error: DeployError, pull: PullRequestEvent) -> str:
    from deploy_action.adapters.github_api import ForbiddenError  # noqa: PLC0415  see above

    if not isinstance(error, ForbiddenError):
        return error.message
    if pull.from_fork:
        return "the token of a pull request from a fork is read-only. See the job summary instead."
    return f"{error.message} Grant the job the permission pull-requests: write."
