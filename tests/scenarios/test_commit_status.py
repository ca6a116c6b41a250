"""The setting commit-status: the result of a run on its commit, or a warning."""

from __future__ import annotations

import json
from typing import Any

from tests.stage import Stage, on_github

MANIFEST = {"manifest": "addin/manifest.xml", "commit_status": "true"}
RUN_URL = "https://github.com/the-well/{app}/actions/runs/{number}"


def statuses(stage: Stage, commit: str) -> list[dict[str, Any]]:
    """Return the statuses of a commit, newest first, as GitHub lists them."""
    token = stage.scene.environment["SANDBOX_GITHUB_TOKEN"]
    url = f"https://api.github.com/repos/the-well/{stage.scene.app}/commits/{commit}/statuses"
    headers = {"Authorization": f"Bearer {token}"}
    response_body: list[dict[str, Any]] = stage.scene.session.get(
        url, headers=headers, timeout=30
    ).json()
    return response_body


def test_a_deployment_is_pending_and_then_successful_on_its_commit(stage: Stage) -> None:
    pushed = stage.push_healthy()
    inputs = on_github(stage)

    run = stage.run(**MANIFEST, **inputs)

    assert run.exit_code == 0, run.log
    last, first = statuses(stage, pushed)
    assert [first["state"], last["state"]] == ["pending", "success"]
    assert last["context"] == f"deploy-action/prod/{stage.scene.app}"
    assert last["description"] == "prod: 1.3.0.3 serves 100 %"
    assert last["target_url"] == RUN_URL.format(app=stage.scene.app, number=1)


def test_an_aborted_deployment_is_a_failure(stage: Stage) -> None:
    pushed = stage.push_unhealthy()
    inputs = on_github(stage)

    run = stage.run(**MANIFEST, **inputs, gate_timeout="2s")

    assert run.exit_code == 4, run.log
    assert [status["state"] for status in statuses(stage, pushed)] == ["failure", "pending"]
    assert "1.3.0.3 was not deployed" in statuses(stage, pushed)[0]["description"]


def test_a_missing_permission_is_a_warning_that_names_it(stage: Stage) -> None:
    stage.push_healthy()
    inputs = on_github(stage)
    refused = {"message": "Resource not accessible by integration"}
    stage.admin(
        "faults",
        [{"host": "api.github.com", "path": "*/statuses/*", "status": 403, "body": refused}],
    )

    run = stage.run(**MANIFEST, **inputs)

    assert run.exit_code == 0, run.log
    assert run.logged("warning: Commit status failed: GitHub's API returned status 403")
    assert "Commit status failed" in run.summary
    assert run.logged("Grant the job statuses: write, or set commit-status to false")
    assert json.dumps(run.outputs).count("deployed") == 1


def test_without_a_token_it_is_a_warning(stage: Stage) -> None:
    stage.push_healthy()

    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.logged("Commit status failed: git-token is empty, or the run is not on GitHub.")


def test_it_is_off_by_default(stage: Stage) -> None:
    pushed = stage.push_healthy()
    inputs = on_github(stage)

    run = stage.run(**{**MANIFEST, "commit_status": ""}, **inputs)

    assert run.exit_code == 0, run.log
    assert statuses(stage, pushed) == []
