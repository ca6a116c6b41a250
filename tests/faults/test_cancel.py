"""Cancel a workflow in the middle of every call, with the runner's own signals.

The action's second step finishes what the first step could not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.interruption_points import INPUTS, POINTS, Point, halted
from tests.stage import Stage, assert_lock_released
from tests.support.runner import cancel, second_step


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_cancelled_job_is_completely_reverted_or_finished(stage: Stage, point: Point) -> None:
    pushed = stage.push_better()
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
