"""Each strategy shifts traffic as documented, and is undone completely."""

from __future__ import annotations

import json

import pytest

from tests.stage import NEXT_VERSION, Stage, assert_lock_released

MANIFEST = {"manifest": "addin/manifest.xml"}


@pytest.mark.parametrize("strategy", ["blue-green", "direct"])
def test_all_traffic_moves_at_once(stage: Stage, strategy: str) -> None:
    stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, strategy=strategy)

    assert run.exit_code == 0, run.log
    assert users.failures == []
    assert stage.serves()["version"] == NEXT_VERSION
    assert "25 %" not in run.summary, "no step in between"
    assert_lock_released(stage)


def test_a_failure_after_the_promotion_restores_the_traffic(stage: Stage) -> None:
    """It fails in the bake; direct has none."""
    stage.push_healthy()
    check = json.dumps({"name": "orders", "shell": "exit 1", "interval": "0s"})
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, strategy="blue-green", analysis_checks=check)

    assert run.exit_code == 4, run.log
    assert "promoted" in run.summary
    assert users.failures == []
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert_lock_released(stage)


@pytest.mark.parametrize("strategy", ["blue-green", "direct"])
def test_a_candidate_that_fails_its_gates_receives_no_traffic(stage: Stage, strategy: str) -> None:
    stage.push_unhealthy()
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, strategy=strategy, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert set(users.answers) == {stage.first}
    assert users.failures == []
    assert stage.weights() == {stage.first: 100}
    assert_lock_released(stage)
