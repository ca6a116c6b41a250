"""The command validate: what a deployment would refuse, without one."""

from __future__ import annotations

import pytest

from tests.scenarios.test_permissions import signed_in_as
from tests.stage import Run, Stage, on_github

MANIFEST = {"manifest": "addin/manifest.xml"}


def results(run: Run) -> dict[str, str]:
    """Return the state of each check as the log's table has it."""
    states = ("passed", "warning", "failed")
    rows = [line.split(None, 1) for line in run.log.splitlines() if line.startswith(states)]
    return {row[1].split("  ")[0].strip(): row[0] for row in rows if len(row) > 1}


def azure_calls(stage: Stage, since: float) -> list[str]:
    """Return what was sent to Azure after *since*."""
    return [call["path"] for call in stage.requests(since)]


def last_call(stage: Stage) -> float:
    """Return when Azure was last called."""
    return max((call["at"] for call in stage.requests()), default=-1.0)


def test_offline_checks_need_no_network(stage: Stage) -> None:
    since = last_call(stage)
    stage.variables |= {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}

    run = stage.run("validate", **MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "valid"
    assert {"settings", "Dockerfile", "manifest", "checkout"} <= results(run).keys()
    assert set(results(run).values()) <= {"passed", "warning"}
    assert "| passed | manifest |" in run.summary
    assert azure_calls(stage, since) == []


def test_everything_that_is_wrong_offline_is_reported_at_once(stage: Stage) -> None:
    manifest = stage.scene.workspace / "addin/manifest.xml"
    manifest.write_text(manifest.read_text("utf-8").replace("1.3.0.2", "one"), "utf-8")
    (stage.scene.workspace / ".dockerignore").write_text("addin/[\n", "utf-8")

    run = stage.run("validate", **MANIFEST, context=".")

    assert run.exit_code == 2, run.log
    assert run.outputs["result"] == "invalid"
    failed = {name for name, state in results(run).items() if state == "failed"}
    assert failed == {"Dockerfile", "manifest", "checkout"}
    assert run.log.count("::error ") == 3


def test_a_manifest_that_is_not_committed_is_refused(stage: Stage) -> None:
    manifest = stage.scene.workspace / "addin/manifest.xml"
    manifest.write_text(manifest.read_text("utf-8") + "\n", "utf-8")

    run = stage.run("validate", **MANIFEST)

    assert run.exit_code == 3, run.log
    assert run.outputs["result"] == "refused"
    assert results(run)["checkout"] == "failed"
    assert "Commit or discard them before this step." in run.log


def test_a_settings_file_with_mistakes_is_reported_with_its_place(stage: Stage) -> None:
    run = stage.run("validate", settings="container: -x\nhealth-pathh: /x\n")

    assert run.exit_code == 2, run.log
    rows = [line for line in run.log.splitlines() if line.startswith("failed   settings  ")]
    assert [row.split()[2] for row in rows] == ["input", "input"]
    assert ["health-pathh" in row for row in rows] == [False, True]
    assert "Did you mean health-path?" in rows[1]
    assert run.summary.count("| failed | settings |") == 2


def test_missing_settings_are_rows_of_the_table(stage: Stage) -> None:
    run = stage.run("validate", settings_file="none", settings="traffic-steps: 10,100\n")

    assert run.exit_code == 2, run.log
    assert results(run)["settings"] == "failed"
    assert run.log.count("failed   settings  Input ") == 2


def test_a_job_that_may_not_sign_in_is_an_error_but_not_in_a_pull_request(stage: Stage) -> None:
    stage.variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = ""
    deploys = stage.run("validate")
    stage.variables["GITHUB_EVENT_NAME"] = "pull_request"
    reviews = stage.run("validate")

    assert deploys.exit_code == 3, deploys.log
    assert "Grant the job the permission id-token: write." in deploys.log
    assert reviews.exit_code == 0, reviews.log
    assert results(reviews)["job permissions"] == "warning"


def test_a_full_validation_changes_nothing_and_passes(stage: Stage) -> None:
    before = stage.scene.resource()
    inputs = {**MANIFEST, **on_github(stage), "cache_patterns": "manifest:*"}

    run = stage.run("validate", **inputs, full="true")

    assert run.exit_code == 0, run.log
    assert results(run)["cache"] == "passed"
    assert results(run)["publishing"] == "passed"
    assert results(run)["plan"] == "passed"
    assert results(run)["permissions on the app"] == "passed"
    assert stage.scene.resource() == before


def test_a_full_validation_names_missing_roles_and_goes_on(stage: Stage) -> None:
    identity = signed_in_as(stage)

    run = stage.run("validate", **identity, full="true")

    assert run.exit_code == 3, run.log
    assert results(run)["permissions on the app"] == "failed"
    assert (
        f"az role assignment create --assignee {identity['client_id']} --role "
        f"'Container Apps Contributor' --scope {stage.scene.path}"
    ) in run.log
    assert results(run)["health path"] == "passed"
    assert "plan" not in results(run)


@pytest.mark.parametrize(
    ("inputs", "check"),
    [
        ({"health_path": "/nowhere"}, "health path"),
        ({"registry": "elsewhere.azurecr.io"}, "registry and builder"),
        ({"app": "no-such-app"}, "app"),
        ({"cache_url": "redis://127.0.0.1:1", "cache_required": "true"}, "cache"),
    ],
)
def test_a_full_validation_refuses_what_a_deployment_refuses(
    stage: Stage, inputs: dict[str, str], check: str
) -> None:
    run = stage.run("validate", **inputs, full="true")

    assert run.exit_code in {2, 3}, run.log
    assert results(run)[check] == "failed"


def test_a_full_validation_in_a_pull_request_does_not_publish(stage: Stage) -> None:
    stage.variables |= {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REF_NAME": "7/merge",
        "GITHUB_REF_TYPE": "branch",
    }
    stage.scene.git("checkout", "--detach", cwd=stage.scene.workspace)

    run = stage.run("validate", **MANIFEST, full="true")

    assert run.exit_code == 0, run.log
    assert "publishing" not in results(run)
