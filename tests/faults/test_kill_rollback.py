"""Kill a rollback in the middle of every call; the next run of any command recovers."""

from __future__ import annotations

import pytest

from tests.faults.interruption_points import INPUTS, PATIENT, WAY_BACK, Point, halted
from tests.stage import Stage, assert_lock_released
from tests.support.runner import cancel, second_step

AT_EVERY_CALL = pytest.mark.parametrize("point", WAY_BACK, ids=str)


@pytest.fixture
def deployed(stage: Stage) -> tuple[Stage, str]:
    """A stage on which 1.3.0.3 serves and the previous revision is inactive."""
    stage.push_healthy()
    run = stage.run(**{**INPUTS, **PATIENT})
    assert run.exit_code == 0, run.log
    stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/revisions/{stage.first}/deactivate")
    stage.scene.fill_cache()
    return stage, run.outputs["revision"]


@AT_EVERY_CALL
def test_a_repeated_rollback_completes(deployed: tuple[Stage, str], point: Point) -> None:
    stage, newest = deployed
    with stage.users().busy(pause_s=0.05) as users:
        with halted(stage, point, "rollback", **PATIENT) as process:
            process.kill()
            process.communicate()
        stage.wait_until_idle()
        run = stage.run("rollback", revision="first", **PATIENT)

    assert run.exit_code == 0, run.log
    assert_lock_released(stage)
    assert stage.stale_keys() == []
    assert stage.weights() == {stage.first: 100}
    assert stage.serves()["revision"] == stage.first
    assert set(users.answers) <= {stage.first, newest}
    assert users.failures == []


@AT_EVERY_CALL
def test_the_next_deployment_starts_from_the_serving_revision(
    deployed: tuple[Stage, str], point: Point
) -> None:
    stage, newest = deployed
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    with stage.users().busy(pause_s=0.05) as users:
        with halted(stage, point, "rollback", **PATIENT) as process:
            process.kill()
            process.communicate()
        stage.wait_until_idle()
        run = stage.run(**{**INPUTS, **PATIENT})

    assert run.exit_code == 0, run.log
    assert run.outputs["previous-revision"] == (stage.first if point.shifted else newest)
    assert run.outputs["version"] == "1.3.0.4"
    assert_lock_released(stage)
    assert stage.stale_keys() == []
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert users.failures == []


@AT_EVERY_CALL
def test_a_cancelled_rollback_leaves_traffic_on_a_healthy_revision(
    deployed: tuple[Stage, str], point: Point
) -> None:
    stage, newest = deployed
    # On a slow machine, the signal must not come after a read that Azure holds has timed out.
    patience = {"operation_timeout": "30s"} if point.method == "GET" else {}
    with stage.users().busy(pause_s=0.05) as users:
        with halted(stage, point, "rollback", **patience) as process:
            cancel(process)
        run = stage.finished(process)
        second = second_step(stage, run, **INPUTS)

    assert run.exit_code == 130, run.log
    assert second is not None
    assert second.exit_code == 0, second.log
    [(serving, weight)] = stage.weights().items()
    assert weight == 100
    assert serving in {stage.first, newest}
    assert_lock_released(stage)
    assert serving == newest or stage.stale_keys() == []
    assert stage.serves()["revision"] == serving
    assert users.failures == []
