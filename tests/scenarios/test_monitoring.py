"""Health of candidate and stable during gates, steps and bake, after an abort and a rollback."""

from __future__ import annotations

from tests.stage import Stage

HEALTH = "/health/ready"
CHECK = '{"name": "orders", "shell": "exit 1"}'


def unhealthy(stage: Stage, revision: str, times: str) -> None:
    """Let some of the health requests that a revision gets fail; the platform does not notice."""
    fault = {"revision": revision, "path": HEALTH, "times": times, "status": 500}
    stage.admin("faults", [fault])


def test_a_candidate_whose_health_path_fails_gets_no_traffic_although_the_platform_says_ready(
    stage: Stage,
) -> None:
    stage.push_healthy()
    unhealthy(stage, f"{stage.scene.app}--v*", "2-")

    run = stage.run(gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert "did not pass 2 times in a row" in run.log
    assert stage.serves()["revision"] == stage.first


def test_one_failed_check_in_a_step_is_no_verdict(stage: Stage) -> None:
    stage.push_healthy()
    unhealthy(stage, f"{stage.scene.app}--v*", "4")

    run = stage.run()

    assert run.exit_code == 0, run.log
    assert "25 % to the candidate" in run.log
    assert "50 % to the candidate" in run.log


def test_a_candidate_that_fails_during_the_bake_is_rolled_back(stage: Stage) -> None:
    stage.push_healthy()
    unhealthy(stage, f"{stage.scene.app}--v*", "4-")

    run = stage.run(strategy="blue-green", bake="5s")

    assert run.exit_code == 4, run.log
    assert "failed during the bake" in run.log
    assert stage.weights().get(stage.first, stage.weights().get("latest")) == 100


def test_an_abort_restores_the_exact_split_from_before(stage: Stage) -> None:
    stage.push_healthy()
    second = stage.run().outputs["revision"]
    split = [{"revisionName": stage.first, "weight": 30}, {"revisionName": second, "weight": 70}]
    traffic = {"properties": {"configuration": {"ingress": {"traffic": split}}}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", traffic)
    stage.wait_until_idle()
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")

    run = stage.run(analysis_checks=CHECK)

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 30, second: 70}


def test_a_stable_revision_that_fails_after_an_abort_is_reported(stage: Stage) -> None:
    stage.push_healthy()
    # Not during the gates and the first step, but from then on.
    unhealthy(stage, stage.first, "4-")

    run = stage.run(analysis_checks=CHECK, gate_timeout="3s")

    assert run.exit_code == 5, run.log
    assert "Not restored: the stable revision" in run.log


def test_a_target_that_fails_right_after_the_rollback_is_reported(stage: Stage) -> None:
    stage.push_healthy()
    assert stage.run().exit_code == 0
    unhealthy(stage, stage.first, "3-")

    run = stage.run("rollback", gate_timeout="3s")

    assert run.exit_code == 5, run.log
    assert stage.weights() == {stage.first: 100}
    assert "the rollback is incomplete" in run.log
