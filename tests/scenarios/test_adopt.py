"""A revision that someone else created is deployed; it is never changed or deactivated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.stage import VERSION, Stage, assert_lock_released
from tests.support.eventually import eventually
from tests.support.other_tools import create_revision, pin

SETTINGS = {"candidate": "newest", "settings_file": "none", "resource_group": "TheWell-Infra-East"}


def shown(stage: Stage, revision: str) -> dict[str, Any]:
    """Return what an abort must not change of *revision*."""
    properties = stage.scene.revisions()[revision]
    return {"active": properties["active"], "template": properties["template"]}


@pytest.mark.parametrize("expected", ["newest", "bicep"])
def test_it_receives_the_traffic_in_steps_without_a_build(stage: Stage, expected: str) -> None:
    pin(stage)
    candidate = create_revision(stage)
    before = shown(stage, candidate)
    since = stage.requests()[-1]["at"]
    with stage.users().busy() as users:
        run = stage.run(**{**SETTINGS, "candidate": expected}, identity_path="/version")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {candidate: 100}
    assert shown(stage, candidate) == before
    assert "25 % to the candidate" in run.log
    assert {call["host"] for call in stage.requests(since) if "registry" in call["host"]} == set()
    assert users.failures == []
    assert_lock_released(stage)
    assert run.outputs["revision"] == candidate
    assert run.outputs["previous-revision"] == stage.first
    assert run.outputs["image"] == before["template"]["containers"][0]["image"]
    traffic = json.loads(run.outputs["traffic-json"])
    assert traffic == stage.scene.resource()["properties"]["configuration"]["ingress"]["traffic"]


def test_a_rollback_knows_the_revision_before_it(stage: Stage) -> None:
    pin(stage)
    create_revision(stage)
    assert stage.run(**SETTINGS).exit_code == 0
    run = stage.run("rollback")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}


def test_the_next_deployment_and_rollback_go_on_from_it(stage: Stage) -> None:
    pin(stage)
    candidate = create_revision(stage)
    assert stage.run(**SETTINGS).exit_code == 0
    stage.push_healthy()
    deployed = stage.run(manifest="addin/manifest.xml")
    back = stage.run("rollback")

    assert deployed.exit_code == 0, deployed.log
    assert deployed.outputs["previous-revision"] == candidate
    assert back.exit_code == 0, back.log
    assert stage.weights() == {candidate: 100}


def test_a_failed_gate_leaves_it_as_it_is(stage: Stage) -> None:
    pin(stage)
    candidate = create_revision(stage)
    before = shown(stage, candidate)
    with stage.users().busy() as users:
        run = stage.run(**SETTINGS, smoke_test="exit 3")

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert shown(stage, candidate) == before
    assert before["active"]
    assert set(users.answers) == {stage.first}
    assert_lock_released(stage)


def test_a_failed_bake_restores_the_traffic_and_leaves_it_as_it_is(stage: Stage) -> None:
    pin(stage)
    candidate = create_revision(stage)
    before, tags = shown(stage, candidate), stage.tags()
    stage.push_healthy()  # a checkout, which the check below is taken from
    check = json.dumps(
        {"name": "orders", "shell": f"test $(curl -s {stage.url} | wc -c) -lt 0", "interval": "0s"}
    )
    run = stage.run(**SETTINGS, analysis_checks=check)

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert shown(stage, candidate) == before
    assert_lock_released(stage)
    assert stage.tags() == tags


def test_without_a_new_revision_there_is_nothing_to_do(stage: Stage) -> None:
    pin(stage)
    create_revision(stage)
    assert stage.run(**SETTINGS).outputs["result"] == "deployed"
    again = stage.run(**SETTINGS)

    assert again.exit_code == 0, again.log
    assert again.outputs["result"] == "unchanged"


def test_traffic_that_follows_the_latest_revision_is_a_warning(stage: Stage) -> None:
    candidate = create_revision(stage)
    eventually(
        lambda: stage.scene.resource()["properties"]["latestReadyRevisionName"] == candidate,
        "the new revision is ready",
    )
    run = stage.run(**SETTINGS)

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "unchanged"
    assert "The traffic follows the latest revision" in run.log


def test_the_version_that_it_states_must_not_be_lower(stage: Stage) -> None:
    stage.push_healthy()
    deployed = stage.run(manifest="addin/manifest.xml")
    older = create_revision(
        stage,
        DEPLOY_ACTION_REVISION=f"{stage.scene.app}--bicep",
        DEPLOY_ACTION_VERSION="1.3.0.1",
    )
    run = stage.run(**SETTINGS)

    assert run.exit_code == 3, run.log
    assert "Version 1.3.0.1 is lower than version 1.3.0.3" in run.log
    assert stage.weights() == {deployed.outputs["revision"]: 100}
    assert older in stage.active()


def test_a_revision_that_has_some_traffic_is_refused(stage: Stage) -> None:
    pin(stage)
    candidate = create_revision(stage)
    traffic = [
        {"revisionName": stage.first, "weight": 90},
        {"revisionName": candidate, "weight": 10},
    ]
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": {"ingress": {"traffic": traffic}}}},
    )
    stage.wait_until_idle()
    run = stage.run(**SETTINGS)

    assert run.exit_code == 3, run.log
    assert "already receives 10 % of the traffic" in run.log
    assert stage.weights() == {stage.first: 90, candidate: 10}


def test_an_image_beside_it_is_refused(stage: Stage) -> None:
    run = stage.run(**SETTINGS, image="contoso.azurecr.io/api:1")

    assert run.exit_code == 2
    assert "Input image: it cannot be combined with candidate" in run.log
    assert stage.serves()["version"] == VERSION
