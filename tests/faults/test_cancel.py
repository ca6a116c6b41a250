"""Cancel a workflow in the middle of every call, with the runner's own signals.

The action's second step finishes what the first step could not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.sandbox.world.clock import INSTANT
from tests.faults.interruption_points import ARM, INPUTS, POINTS, Point, halted
from tests.stage import Stage, assert_lock_released
from tests.support.runner import cancel, second_step


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_cancelled_job_is_completely_reverted_or_finished(stage: Stage, point: Point) -> None:
    pushed = stage.push_healthy()
    stage.scene.fill_cache()
    with stage.users().busy(pause_s=0.05) as users:
        with halted(stage, point) as process:
            cancel(process)
        run = stage.finished(process)
        second = second_step(stage, run, **INPUTS)

    assert run.exit_code == 130, run.log
    assert run.outputs["result"] == "cancelled"
    assert "was cancelled" in run.summary.splitlines()[0]
    assert second is not None
    assert second.exit_code == 0, second.log
    files = {file.name for file in Path(run.outputs["log-folder"]).iterdir()}
    assert files >= {"deployment.log", "report.json", "finish-deployment.log", "finish-report.json"}
    assert_lock_released(stage)
    assert users.failures == []
    if point.shifted:
        assert stage.stale_keys() == []
    [(serving, weight)] = stage.weights().items()
    assert weight == 100
    if point.promoted:
        assert serving not in {stage.first, "latest"}, "it was through: users stay on it"
    else:
        assert serving in {stage.first, "latest"}
        assert stage.active() == [stage.first]
        assert stage.checkout_is_clean()
        assert stage.branch_head() == pushed
        if not point.shifted:
            assert set(users.answers) == {stage.first}


LATE = [point for point in POINTS if point.promoted and point.host in {"git", ARM, "redis"}]


@pytest.fixture(params=[0.02, 0.05], ids=lambda factor: f"{factor} of Azure's durations")
def slower(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """An app in an Azure that takes a while for each operation."""
    stage.clock(factor=float(request.param))
    yield stage
    stage.clock(factor=INSTANT)


@pytest.mark.parametrize("point", LATE, ids=str)
def test_j1_a_cancel_after_the_promotion_is_finished_at_any_speed_of_azure(
    slower: Stage, point: Point
) -> None:
    patient = {"identity_path": "", "operation_timeout": "60s", "gate_timeout": "60s"}
    slower.push_healthy()
    slower.scene.fill_cache()
    with halted(slower, point, **patient) as process:
        cancel(process)
    run = slower.finished(process)
    second = second_step(slower, run, **{**INPUTS, **patient})

    assert second is None or second.exit_code == 0, second.log
    assert_lock_released(slower)
    assert slower.stale_keys() == []
    [(serving, weight)] = slower.weights().items()
    assert weight == 100
    assert serving not in {slower.first, "latest"}
    assert "1.3.0.3" in slower.on_branch("show", "main:addin/manifest.xml")
