"""Apps in Single revision mode: deployed, undone and rolled back without switching the mode."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from tests.stage import NEXT_VERSION, VERSION, Run, Stage, assert_lock_released
from tests.support.eventually import eventually
from tests.support.other_tools import configure, create_revision
from tests.support.preloaded import Process
from tests.support.runner import cancel

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version", "strategy": "blue-green"}
FAILING_CHECK = json.dumps({"name": "orders", "shell": "exit 1", "interval": "0s"})


@pytest.fixture
def single(stage: Stage) -> Stage:
    """A stage whose app is in Single revision mode."""
    configure(stage, activeRevisionsMode="Single")
    return stage


def assert_single(stage: Stage) -> None:
    """Check that the mode is unchanged, and that the newest revision receives the traffic."""
    configuration = stage.scene.resource()["properties"]["configuration"]
    assert configuration["activeRevisionsMode"] == "Single"
    assert configuration["ingress"]["traffic"] == [{"weight": 100, "latestRevision": True}]
    assert_lock_released(stage)


def assert_restored(stage: Stage, run: Run) -> None:
    """Check that a copy of the first revision serves, and that the run reports it."""
    properties = stage.scene.resource()["properties"]
    copy = properties["latestReadyRevisionName"]
    served = stage.serves()
    assert (served["version"], served["revision"]) == (VERSION, copy)
    assert copy == properties["latestRevisionName"]
    assert copy.endswith("-undo")
    revisions = stage.scene.revisions()
    assert revisions[copy]["template"] == revisions[stage.first]["template"]
    assert run.outputs["revision"] == copy
    assert run.outputs["traffic"] == f"100 {copy}"
    assert_single(stage)


def held_in_smoke_test(stage: Stage, **inputs: str) -> tuple[Process, Callable[[], None]]:
    """Start a deployment that waits in its smoke test; the returned function makes that fail."""
    arrived, released = stage.scene.directory / "arrived", stage.scene.directory / "released"
    smoke_test = f"touch {arrived}; while [ ! -e {released} ]; do sleep 0.1; done; exit 1"
    process = stage.started(**INPUTS, smoke_test=smoke_test, gate_timeout="60s", **inputs)
    eventually(arrived.exists, "the smoke test runs")
    return process, released.touch


@pytest.mark.parametrize("strategy", ["blue-green", "direct"])
def test_a_deployment_and_a_rollback_keep_the_mode(single: Stage, strategy: str) -> None:
    stage = single
    stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(**{**INPUTS, "strategy": strategy})

    assert run.exit_code == 0, run.log
    new = run.outputs["revision"]
    assert stage.serves() == {**stage.serves(), "version": NEXT_VERSION, "revision": new}
    assert f"Azure shifts all traffic to {new} as soon as it is ready" in run.log
    assert "-undo, a copy of it; until the copy is ready, users stay on" in run.log
    assert run.outputs["traffic"] == f"100 {new}"
    assert run.outputs["previous-revision"] == stage.first
    assert f"{NEXT_VERSION} serves 100 %" in run.summary
    assert users.failures == []
    assert_single(stage)

    with stage.users().busy() as users:
        back = stage.run("rollback")
    assert back.exit_code == 0, back.log
    assert back.outputs["result"] == "rolled-back"
    copy = back.outputs["revision"]
    assert stage.serves()["version"] == VERSION
    assert stage.serves()["revision"] == copy
    assert copy.endswith("-back")
    assert users.failures == []
    assert_single(stage)

    again = stage.run("rollback", revision="first")
    assert again.outputs["result"] == "unchanged", "the copy serves the same already"
    assert again.outputs["revision"] == copy


def test_a_candidate_that_never_becomes_ready_reaches_no_user(single: Stage) -> None:
    stage = single
    stage.push_unhealthy()
    with stage.users().busy() as users:
        run = stage.run(**INPUTS, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert run.outputs["attempted-revision"] not in users.answers
    assert users.failures == []
    assert_restored(stage, run)
    assert f"{VERSION} serves 100 %" in run.summary


@pytest.mark.parametrize(
    "fault", [{"smoke_test": "exit 1"}, {"analysis_checks": FAILING_CHECK}], ids=["gate", "bake"]
)
def test_a_failure_after_the_shift_restores_the_earlier_revision(
    single: Stage, fault: dict[str, str]
) -> None:
    stage = single
    stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(**INPUTS, **fault)

    assert run.exit_code == 4, run.log
    assert users.failures == []
    assert_restored(stage, run)
    assert "shifted by Azure" in run.summary
    assert "restored" in run.summary

    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    after = stage.run(**INPUTS)
    assert after.exit_code == 0, after.log
    assert stage.serves()["revision"] == after.outputs["revision"]
    assert_single(stage)


def test_an_abort_starts_the_earlier_revision_with_the_earlier_secrets(single: Stage) -> None:
    stage = single
    secret, variable = [{"name": "key", "value": "old"}], {"name": "KEY", "secretRef": "key"}
    template = stage.scene.resource()["properties"]["template"]
    template["containers"][0]["env"].append(variable)
    properties = {"template": {**template, "revisionSuffix": "keyed"}}
    configure(stage, properties=properties, secrets=secret)
    keyed = f"{stage.scene.app}--keyed"
    eventually(lambda: stage.serves()["revision"] == keyed, "the revision with a secret serves")
    stage.push_healthy()
    run = stage.run(**INPUTS, secrets="key=new", smoke_test="exit 1")

    assert run.exit_code == 4, run.log
    restored = run.log.index("restored: secrets and tags (restored)")
    assert restored < run.log.index("-undo was created, a copy of")
    [value] = stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/listSecrets")["value"]
    assert value["value"] == "old"
    assert stage.serves()["revision"].endswith("-undo")
    assert_single(stage)


def test_a_revision_that_somebody_else_creates_is_kept(single: Stage) -> None:
    stage = single
    stage.push_healthy()
    process, stop = held_in_smoke_test(stage)
    other = create_revision(stage, "other")
    stop()
    run = stage.finished(process)

    assert run.exit_code in {4, 6}, run.log
    assert f"someone else created revision {other}" in run.log
    eventually(lambda: stage.serves()["revision"] == other, "the other revision serves")
    assert_single(stage)


def test_a_candidate_that_azure_refuses_leaves_the_serving_revision(single: Stage) -> None:
    stage = single
    stage.push_healthy()
    operation = {"status": "Failed", "code": "ContainerAppOperationError", "message": "no image"}
    stage.admin("faults", [{"change": "template", "times": "1", "operation": operation}])
    run = stage.run(**INPUTS)

    assert run.exit_code == 4, run.log
    assert "no image" in run.log
    assert f"was not touched: 100 {stage.first}" in run.log
    assert stage.active() == [stage.first]
    assert run.outputs["revision"] == stage.first
    assert_single(stage)


@pytest.mark.parametrize("ready", [False, True])
def test_a_rollback_stops_a_running_deployment(single: Stage, ready: bool) -> None:
    """The candidate may have all traffic already, or still be starting."""
    stage = single
    if ready:
        stage.push_healthy()
        process, stop = held_in_smoke_test(stage)
    else:
        stage.push_unhealthy()
        process = stage.started(**INPUTS, gate_timeout="60s")
        stop = partial(cancel, process)
        eventually(lambda: len(stage.active()) == 2, "the candidate exists")
    with stage.users().busy() as users:
        back = stage.run("rollback")
    stop()
    stage.runs -= 1
    run = stage.finished(process)

    assert back.exit_code == 0, back.log
    assert run.exit_code in {4, 6, 130}, run.log
    assert "left to the run that took over" in run.log
    assert stage.serves()["revision"] == back.outputs["revision"]
    assert stage.serves()["version"] == VERSION
    assert users.failures == []
    assert_single(stage)


def test_a_rollback_restores_the_secrets_of_a_killed_deployment(single: Stage) -> None:
    stage = single
    configure(stage, secrets=[{"name": "key", "value": "old"}])
    stage.push_healthy()
    process, stop = held_in_smoke_test(stage, secrets="key=new")
    process.kill()
    stop()  # the shell of the smoke test is still running
    process.communicate()
    back = stage.run("rollback")

    assert back.exit_code == 0, back.log
    [value] = stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/listSecrets")["value"]
    assert value["value"] == "old"
    assert stage.serves()["version"] == VERSION
    assert_single(stage)


def test_settings_that_need_multiple_mode_are_refused(single: Stage) -> None:
    stage = single
    stage.push_healthy()
    before = stage.scene.resource()

    canary = stage.run(**{**INPUTS, "strategy": "canary"})
    assert canary.exit_code == 3, canary.log
    assert "is in Single revision mode" in canary.log
    assert "Set strategy: blue-green or strategy: direct, which keep the mode." in canary.log
    labels = stage.run(**INPUTS, label_live="production")
    assert labels.exit_code == 3
    assert "where labels have no effect" in labels.log
    adopted = stage.run(strategy="blue-green", candidate="newest")
    assert adopted.outputs["result"] == "unchanged", "the newest revision serves already"
    assert stage.scene.resource() == before


def test_validate_status_and_the_plan_work(single: Stage) -> None:
    stage = single
    stage.push_healthy()
    before = stage.scene.resource()

    validated = stage.run("validate", **INPUTS, full="true")
    assert validated.exit_code == 0, validated.log
    assert f"Single revision mode, serving: {stage.first}" in validated.summary
    planned = stage.run(**INPUTS, dry_run="true")
    assert planned.outputs["result"] == "planned"
    assert json.loads(planned.outputs["plan"])["deactivated"] == [stage.first]
    shown = stage.run("status")
    assert shown.exit_code == 0, shown.log
    assert "Single mode" in shown.log
    assert shown.outputs["revision"] == stage.first
    assert stage.scene.resource() == before
