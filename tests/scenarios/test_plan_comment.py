"""A dry run keeps one comment with the plan on its pull request."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.stage import Run, Stage, on_github

NUMBER = 7
PLAN = {"dry_run": "true", "comment": "true"}
BOT = "github-actions[bot]"


@pytest.fixture
def pull(stage: Stage) -> Stage:
    """A stage whose runs are for pull request 7."""
    stage.push_healthy()
    stage.inputs = on_github(stage)
    declare(stage)
    triggered_by(stage, fork=False)
    return stage


def triggered_by(stage: Stage, *, fork: bool) -> None:
    """Write the event of the pull request, from a branch or from a fork."""
    base = stage.variables["GITHUB_REPOSITORY"]
    head = f"{'mallory' if fork else 'the-well'}/{stage.scene.app}"
    event = {
        "pull_request": {
            "number": NUMBER,
            "head": {"repo": {"full_name": head}},
            "base": {"repo": {"full_name": base}},
        }
    }
    file = stage.scene.directory / "event.json"
    file.write_text(json.dumps(event), "utf-8")
    stage.variables |= {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(file)}


def declare(stage: Stage, *comments: tuple[str, str], writable: bool = True) -> None:
    """Let GitHub have the pull request, with comments of others."""
    stage.admin(
        "github",
        {
            "name": stage.variables["GITHUB_REPOSITORY"],
            "issue": NUMBER,
            "writable": writable,
            "comments": [{"user": user, "body": body} for user, body in comments],
        },
    )


def comments(stage: Stage, author: str = BOT) -> list[str]:
    """Return the texts of an author's comments, as GitHub's API lists them."""
    token, name = stage.inputs["git_token"], stage.variables["GITHUB_REPOSITORY"]
    url = f"https://api.github.com/repos/{name}/issues/{NUMBER}/comments?per_page=100&page="
    listed: list[dict[str, Any]] = []
    for page in range(1, 4):
        result = stage.scene.session.get(
            f"{url}{page}", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        assert result.status_code == requests.codes.ok
        listed += result.json()
    return [item["body"] for item in listed if item["user"]["login"] == author]


def plan(stage: Stage, settings: str = "", **inputs: str) -> Run:
    """Make a dry run with the comment."""
    return stage.run(**{**stage.inputs, **PLAN, **inputs}, settings=f"{settings}\n")


def test_one_comment_follows_the_plan(pull: Stage) -> None:
    first = plan(pull, "template: {env: {GREETING: hello}}")
    [before] = comments(pull)
    second = plan(pull, "template: {env: {GREETING: goodbye}}")
    [after] = comments(pull)

    assert first.exit_code == second.exit_code == 0, first.log + second.log
    assert 'env.GREETING: "hello"' in before
    assert 'env.GREETING: "goodbye"' in after
    assert "hello" not in after
    assert "| 1 | 25 % | 75 % |" in after
    assert "/actions/runs/2)" in after


def test_each_app_and_environment_has_a_comment_of_its_own(pull: Stage) -> None:
    plan(pull)
    file = pull.scene.workspace / ".github/deploy-action.yml"
    file.write_text(file.read_text("utf-8") + "  staging: {extends: prod}\n", "utf-8")
    run = plan(pull, environment="staging")
    assert run.exit_code == 0, run.log

    assert len(comments(pull)) == 2


def test_x1_a_comment_of_somebody_else_with_our_marker_is_not_changed(pull: Stage) -> None:
    copied = f"<!-- deploy-action plan of {pull.scene.app} in prod -->\nMerge this."
    declare(pull, ("mallory", copied))
    plan(pull)
    plan(pull, "template: {env: {A: b}}")

    assert len(comments(pull)) == 1
    assert comments(pull, "mallory") == [copied]


def test_the_own_comment_is_found_behind_a_hundred_others(stage: Stage) -> None:
    stage.push_healthy()
    stage.inputs = on_github(stage)
    declare(stage, *(("dana", f"comment {number}") for number in range(120)))
    triggered_by(stage, fork=False)
    runs = [plan(stage) for _ in range(2)]

    assert [run.exit_code for run in runs] == [0, 0]
    assert len(comments(stage)) == 1


def test_a_plan_that_is_refused_replaces_the_earlier_one(pull: Stage) -> None:
    plan(pull)
    refused = plan(pull, "template: {env: {DB: {secret: nothing}}}")

    [comment] = comments(pull)
    assert refused.exit_code == 3
    assert "A deployment would be refused:" in comment
    assert "names secret 'nothing'" in comment


def test_settings_that_cannot_be_read_replace_the_earlier_plan(pull: Stage) -> None:
    """The app and the environment are known from the inputs."""
    plan(pull)
    invalid = plan(pull, "another-key: 1\nno-such-key: 1")

    [comment] = comments(pull)
    assert invalid.exit_code == 2
    assert invalid.outputs["result"] == "invalid"
    assert "A deployment would be refused:" in comment
    assert "no-such-key" in comment
    assert "another-key" in comment
    assert "Version" not in comment


def test_invalid_settings_without_the_input_comment_write_nothing(pull: Stage) -> None:
    plan(pull)
    [before] = comments(pull)
    plan(pull, "no-such-key: 1", comment="false")

    assert comments(pull) == [before]


@pytest.mark.parametrize("fork", [False, True])
def test_without_the_permission_the_plan_is_made_with_a_warning(pull: Stage, fork: bool) -> None:
    declare(pull, writable=False)
    triggered_by(pull, fork=fork)

    run = plan(pull)

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "planned"
    expected = "from a fork is read-only" if fork else "Grant the job the permission pull-requests"
    assert expected in run.log
    assert "::warning" in run.log
    assert comments(pull) == []


def test_a_run_without_a_pull_request_and_a_deployment_write_no_comment(pull: Stage) -> None:
    deployed = plan(pull, dry_run="false")
    pull.variables["GITHUB_EVENT_PATH"] = ""
    pushed = plan(pull)

    assert deployed.exit_code == pushed.exit_code == 0, deployed.log + pushed.log
    assert "this run is not for a pull request" in pushed.log
    assert comments(pull) == []


def test_x1_hostile_text_stays_text(pull: Stage) -> None:
    hostile = "```\\n@everyone <img src=x> [a](https://evil.example) | <!-- -->"
    run = plan(pull, f'template: {{env: {{A: "{hostile}"}}}}')

    [comment] = comments(pull)
    assert run.exit_code == 0, run.log
    [line] = [line for line in comment.splitlines() if "@everyone" in line]
    before = comment.partition(line)[0].splitlines()
    fences = [text for text in before if text.startswith("```")]
    assert fences == ["````diff"], "the text is inside a block that it cannot close"
    assert line.count("\\n") == 1
