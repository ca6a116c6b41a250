"""Apps with internal ingress, which the runner cannot reach, and apps without ingress."""

from __future__ import annotations

import pytest

from tests.stage import Run, Stage, assert_lock_released
from tests.support.other_tools import configure

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version"}
REVISION = '[ "${CANDIDATE_REVISION%%--*}" = "$CONTAINER_APP" ]'
UNREACHABLE = "so its revisions are judged by the state that the platform reports"


@pytest.fixture
def internal(stage: Stage) -> Stage:
    """A stage whose app has internal ingress, with a request log of the runner's view."""
    configure(stage, ingress={"external": False})
    stage.push_healthy()
    return stage


@pytest.fixture
def outside(internal: Stage) -> Stage:
    """The same, called from outside its network, where Azure itself answers 404."""
    body = "Error 404 - This Container App is stopped or does not exist.\n"
    internal.admin("faults", [{"host": "*.internal.*", "status": 404, "body": body}])
    return internal


@pytest.fixture
def worker(stage: Stage) -> Stage:
    """A stage whose app has no ingress, in Single revision mode."""
    configure(stage, activeRevisionsMode="Single", ingress=None)
    stage.push_healthy()
    return stage


def gates(run: Run) -> str:
    """Return the summary's table of gates."""
    return run.summary.partition("<summary>Gates")[2].partition("</details>")[0]


def served(stage: Stage) -> str:
    """Return the version that clients inside the app's network receive."""
    ingress = stage.scene.resource()["properties"]["configuration"]["ingress"]
    response = stage.scene.session.get(f"https://{ingress['fqdn']}/version", timeout=30)
    return str(response.json()["version"])


def test_an_internal_app_is_judged_by_the_platform_and_the_smoke_test(outside: Stage) -> None:
    stage = outside
    stage.variables["CONTAINER_APP"] = stage.scene.app
    run = stage.run(**INPUTS, smoke_test=REVISION)

    assert run.exit_code == 0, run.log
    assert UNREACHABLE in run.log
    assert "25 % to the candidate" in run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert "the platform reports Provisioned, Healthy" in gates(run)
    assert "smoke test" in gates(run)
    assert "identity" not in gates(run)
    assert_lock_released(stage)

    back = stage.run("rollback")
    assert back.exit_code == 0, back.log
    assert stage.weights() == {stage.first: 100}
    assert UNREACHABLE in back.log


def test_an_internal_app_keeps_its_traffic_if_the_candidate_is_not_ready(outside: Stage) -> None:
    stage = outside
    stage.push_unhealthy()
    run = stage.run(**INPUTS, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert_lock_released(stage)


def test_an_internal_app_keeps_its_traffic_if_the_smoke_test_fails(outside: Stage) -> None:
    stage = outside
    run = stage.run(**INPUTS, smoke_test="exit 3")

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert_lock_released(stage)


def test_an_internal_app_that_the_runner_reaches_is_checked_by_requests(internal: Stage) -> None:
    stage = internal
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert UNREACHABLE not in run.log
    assert "/health/ready returned 200" in gates(run)
    assert "identity" in gates(run)
    assert served(stage) == run.outputs["version"]


def test_validate_names_what_is_not_requested(outside: Stage) -> None:
    run = outside.run("validate", **INPUTS, full="true")

    assert run.exit_code == 0, run.log
    assert "internal ingress and does not answer this runner" in run.summary


def test_an_app_without_ingress_is_replaced_without_steps(worker: Stage) -> None:
    stage = worker
    stage.variables["CONTAINER_APP"] = stage.scene.app
    analysis = {"analysis": "required"}  # there are no requests to analyze
    run = stage.run(**INPUTS, **analysis, smoke_test=f'{REVISION} && [ -z "$CANDIDATE_URL" ]')

    assert run.exit_code == 0, run.log
    assert "no ingress: there are no traffic steps, and the gates are the state" in run.log
    assert "25 %" not in run.log
    new = run.outputs["revision"]
    properties = stage.scene.resource()["properties"]
    assert properties["latestReadyRevisionName"] == new
    assert not properties["configuration"].get("ingress")
    assert run.outputs["url"] == run.outputs["revision-url"] == ""
    assert_lock_released(stage)

    back = stage.run("rollback", **analysis)
    assert back.exit_code == 0, back.log
    copy = stage.scene.resource()["properties"]["latestReadyRevisionName"]
    assert copy == back.outputs["revision"]
    revisions = stage.scene.revisions()
    assert revisions[copy]["template"] == revisions[stage.first]["template"]
    assert_lock_released(stage)


@pytest.mark.parametrize("reason", ["never ready", "smoke test"])
def test_an_app_without_ingress_gets_its_earlier_revision_back(worker: Stage, reason: str) -> None:
    stage = worker
    if reason == "never ready":
        stage.push_unhealthy()
        run = stage.run(**INPUTS, gate_timeout="3s")
    else:
        run = stage.run(**INPUTS, smoke_test="exit 3")

    assert run.exit_code == 4, run.log
    properties = stage.scene.resource()["properties"]
    copy = properties["latestReadyRevisionName"]
    assert copy == properties["latestRevisionName"] == run.outputs["revision"]
    revisions = stage.scene.revisions()
    assert revisions[copy]["template"] == revisions[stage.first]["template"]
    assert_lock_released(stage)


def test_an_app_without_ingress_in_multiple_mode_is_refused(stage: Stage) -> None:
    configure(stage, ingress=None)
    stage.push_healthy()
    before = stage.scene.resource()
    run = stage.run(**INPUTS)

    assert run.exit_code == 3, run.log
    assert "has no ingress" in run.log
    assert "az containerapp revision set-mode --mode single" in run.log
    assert stage.scene.resource() == before
