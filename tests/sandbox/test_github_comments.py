"""The sandbox's GitHub API answers for comments on pull requests as GitHub does."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.stage import Stage, on_github

NUMBER = 7


@pytest.fixture
def github(stage: Stage) -> Stage:
    """A repository with one pull request and 35 comments of a person."""
    stage.inputs = on_github(stage)
    declare(stage, comments=[{"user": "dana", "body": f"comment {n}"} for n in range(35)])
    return stage


def declare(stage: Stage, **about: Any) -> None:
    """Change what the sandbox knows about the pull request."""
    name = stage.variables["GITHUB_REPOSITORY"]
    stage.admin("github", {"name": name, "issue": NUMBER, **about})


def ask(stage: Stage, method: str, path: str, body: Any = None) -> requests.Response:
    """Send a request to the repository's part of the API, or to a whole URL."""
    home = f"https://api.github.com/repos/{stage.variables['GITHUB_REPOSITORY']}"
    headers = {"Authorization": f"Bearer {stage.inputs['git_token']}"}
    url = path if path.startswith("https:") else f"{home}{path}"
    return stage.scene.session.request(method, url, json=body, headers=headers, timeout=30)


def test_comments_come_in_pages_with_a_link_to_the_next(github: Stage) -> None:
    first = ask(github, "GET", f"/issues/{NUMBER}/comments")
    second = ask(github, "GET", first.links["next"]["url"])

    assert (len(first.json()), len(second.json())) == (30, 5)
    assert "next" not in second.links
    assert first.json()[0]["body"] == "comment 0"
    assert first.json()[0]["user"] == {"login": "dana", "type": "User"}


def test_a_comment_of_the_workflow_is_created_and_updated(github: Stage) -> None:
    viewer = ask(
        github, "POST", "https://api.github.com/graphql", {"query": "query { viewer { login } }"}
    )
    created = ask(github, "POST", f"/issues/{NUMBER}/comments", {"body": "one"})
    path = f"/issues/comments/{created.json()['id']}"
    updated = ask(github, "PATCH", path, {"body": "two"})

    assert (created.status_code, updated.status_code) == (201, 200)
    login = viewer.json()["data"]["viewer"]["login"]
    assert created.json()["user"]["login"] == login == "github-actions[bot]"
    assert updated.json()["body"] == "two"
    assert updated.json()["html_url"] == created.json()["html_url"]


def test_each_refusal_is_githubs(github: Stage) -> None:
    path = f"/issues/{NUMBER}/comments"
    missing = ask(github, "GET", "/issues/8/comments")
    long = ask(github, "POST", path, {"body": "x" * 65_537})
    declare(github, writable=False)
    forbidden = ask(github, "POST", path, {"body": "one"})

    assert missing.status_code == 404
    assert long.status_code == 422
    assert "Body is too long" in long.json()["errors"][0]["message"]
    assert forbidden.status_code == 403
    assert forbidden.json()["message"] == "Resource not accessible by integration"
