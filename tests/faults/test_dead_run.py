"""A run that died holds the lock; where GitHub says that it has ended, nobody waits (L1, J1)."""

from __future__ import annotations

import pytest

from tests.faults.interruption_points import POINTS, halted
from tests.stage import Stage, assert_lock_released, end_on_github, on_github

MINUTES = {"manifest": "addin/manifest.xml", "operation_timeout": "300s", "gate_timeout": "300s"}
[FIRST_STEP] = [point for point in POINTS if point.name == "the first step" and point.after]


@pytest.fixture
def dead(stage: Stage) -> dict[str, str]:
    """A run died after its first step, with a lease of many minutes; return the inputs."""
    inputs = {**MINUTES, **on_github(stage)}
    stage.push_healthy()
    with halted(stage, FIRST_STEP, **inputs) as process:
        process.kill()
        process.communicate()
    stage.wait_until_idle()
    return inputs


def test_the_next_deployment_recovers_at_once_after_a_run_that_github_reports_as_ended(
    stage: Stage, dead: dict[str, str]
) -> None:
    end_on_github(stage, stage.runs)
    stage.scene.check_out()

    run = stage.run(**dead, lock_wait="0s")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert_lock_released(stage)


def test_a_run_that_github_reports_as_in_progress_is_left_alone(
    stage: Stage, dead: dict[str, str]
) -> None:
    before = stage.weights()
    stage.scene.check_out()

    run = stage.run(**dead, lock_wait="0s")

    assert run.exit_code == 6, run.log
    assert stage.weights() == before
