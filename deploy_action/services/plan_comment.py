"""Keeps one comment with the plan of a dry run on its pull request up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.schema import setting_specs
from deploy_action.errors import DeployError, InputError
from deploy_action.report import plan_comment as text

if TYPE_CHECKING:
    from deploy_action.adapters.github_runner import PullRequestEvent, Runner
    from deploy_action.core.record import Record
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
    services.secret(settings.git_token)
    runner, record, token = services.runner, services.record, settings.git_token
    try:
        yield
    except DeployError as error:
        problem = " ".join(filter(None, (error.message, error.hint)))
        _keep(runner, record, token, problem=problem)
        raise
    _keep(runner, record, token)


def comment_on_invalid_settings(runner: Runner, record: Record, error: InputError) -> None:
    """Replace the comment of an earlier plan although the settings cannot be read.

    Only what the inputs say is known: without the input ``app`` there is nothing to find it by.
    """
    env = runner.environment
    asked = all(_input(env, name).lower() == "true" for name in ("COMMENT", "DRY_RUN"))
    app, token = _input(env, "APP"), _input(env, "GIT_TOKEN")
    if not (asked and app and _input(env, "COMMAND") in {"", "deploy"}):
        return
    [default] = [spec.default for spec in setting_specs() if spec.name == "environment"]
    environment = _input(env, "ENVIRONMENT") or default
    record.set_facts(app=app, environment=environment, run_url=runner.run.link)
    faults = [str(fault) for fault in error.faults] or [error.message]
    _keep(runner, record, token, problem="\n".join([*faults, error.hint]))


def _input(environment: Mapping[str, str], name: str) -> str:
    return environment.get(f"INPUT_{name}", "").strip()


def _keep(runner: Runner, record: Record, token: str, *, problem: str = "") -> None:
    pull = runner.pull_request
    if pull is None:
        record.say("comment: this run is not for a pull request, so there is nothing to comment on")
        return
    body = text.plan_comment(record, problem=record.redact(problem))
    try:
        page = _write(runner.environment, token, pull, body)
    except DeployError as error:
        record.warn(f"The plan was not written as a comment: {_reason(error, pull)}")
    else:
        record.say(f"The plan is in the comment {page}")


def _write(env: Mapping[str, str], token: str, pull: PullRequestEvent, body: str) -> str:
    """Update this action's own comment, or create it; return its page."""
    from deploy_action.adapters.github_api import GitHub  # noqa: PLC0415  only with GitHub's API

    api, repository = env.get("GITHUB_API_URL", ""), env.get("GITHUB_REPOSITORY", "")
    if not (token and api and repository):
        raise DeployError("git-token and the variables of a GitHub workflow are needed.")
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
