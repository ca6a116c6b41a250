"""Unusual apps: Single mode, no healthy revision, no ingress, missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stage import Stage
from tests.support.eventually import eventually

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version"}


def _configure(stage: Stage, **configuration: Any) -> None:
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": configuration}},
    )
    stage.wait_until_idle()


def test_a_canary_in_single_mode_is_refused_with_the_way_to_convert_it(
    stage: Stage,
) -> None:
    _configure(stage, activeRevisionsMode="Single")
    stage.push_healthy()
    before = stage.scene.resource()

    run = stage.run(**INPUTS)

    assert run.exit_code == 3, run.log
    assert "is in Single revision mode" in run.log
    assert "convert-mode: true" in run.log
    assert "az containerapp revision set-mode --mode multiple" in run.log
    assert stage.scene.resource() == before


def test_an_app_in_single_mode_is_converted_with_convert_mode(stage: Stage) -> None:
    _configure(stage, activeRevisionsMode="Single")
    stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(**INPUTS, convert_mode="true")

    assert run.exit_code == 0, run.log
    configuration = stage.scene.resource()["properties"]["configuration"]
    assert configuration["activeRevisionsMode"] == "Multiple"
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert stage.first in stage.active(), "the way back stays warm"
    assert users.failures == []


def test_without_a_healthy_stable_the_candidate_gets_all_traffic_at_once(stage: Stage) -> None:
    stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/revisions/{stage.first}/deactivate")
    stage.push_healthy()
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert "no healthy revision to roll back to" in run.log
    assert "25 %" not in run.log
    assert stage.serves()["version"] == run.outputs["version"]


def test_without_a_healthy_stable_a_bad_candidate_is_deactivated_and_reported(stage: Stage) -> None:
    stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/revisions/{stage.first}/deactivate")
    stage.push_unhealthy()
    run = stage.run(**INPUTS, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert stage.active() == []
    assert stage.weights() in ({stage.first: 100}, {"latest": 100})


def test_an_app_at_zero_replicas_can_be_deployed_to(stage: Stage) -> None:
    template = {"revisionSuffix": "dozy", "scale": {"minReplicas": 0, "maxReplicas": 2}}
    stage.scene.arm(
        "PATCH", f"/containerApps/{stage.scene.app}", {"properties": {"template": template}}
    )
    dozy = f"{stage.scene.app}--dozy"
    eventually(
        lambda: stage.scene.resource()["properties"]["latestReadyRevisionName"] == dozy,
        "the new revision is ready",
    )
    stage.clock(advance=400)
    eventually(
        lambda: stage.scene.revisions()[dozy]["runningState"] == "ScaledToZero",
        "the new revision is scaled to zero",
    )
    assert stage.scene.revisions()[dozy]["replicas"] == 0
    stage.push_healthy()

    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert f"stable {dozy} (Provisioned, None, ScaledToZero)" in run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert stage.serves()["version"] == run.outputs["version"]

    back = stage.run("rollback")
    assert back.exit_code == 0, back.log
    assert stage.weights() == {dozy: 100}
    assert stage.serves()["revision"] == dozy, "the first user wakes it"


def test_an_app_without_ingress_has_no_traffic_to_move(stage: Stage) -> None:
    _configure(stage, ingress=None)
    stage.push_healthy()
    run = stage.run(**INPUTS)

    assert run.exit_code == 3
    assert "has no ingress" in run.log


@pytest.mark.parametrize("wrong", [{"app": "nobody"}, {"resource_group": "nowhere"}])
def test_an_app_that_does_not_exist_is_named_with_the_inputs_to_check(
    stage: Stage, wrong: dict[str, str]
) -> None:
    stage.push_healthy()
    run = stage.run(**INPUTS, **wrong)

    assert run.exit_code == 3
    assert "Check the inputs app, resource-group and subscription-id." in run.log
