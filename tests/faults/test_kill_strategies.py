"""Kill -9 in the middle of the writes that blue-green and direct do not share with canary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.interruption_points import INPUTS, PATIENT, Point, halted
from tests.stage import NEXT_VERSION, VERSION, Stage, assert_lock_released

PROMOTION = Point(name="the promotion", method="PATCH", nth=3)
WRITES = [
    PROMOTION,
    Point(name="passing the commit point", method="PATCH", nth=4, promoted=True),
    Point(name="releasing the lock", method="PATCH", nth=5, promoted=True),
]
POINTS = [one for write in WRITES for one in (write, replace(write, after=True))]
STRATEGIES = pytest.mark.parametrize("strategy", ["blue-green", "direct"])


def _kill(stage: Stage, point: Point, strategy: str) -> None:
    stage.push_healthy()
    stage.scene.fill_cache()
    with halted(stage, point, strategy=strategy, **PATIENT) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()


@STRATEGIES
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_repair_finishes_or_undoes_it(stage: Stage, point: Point, strategy: str) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        _kill(stage, point, strategy)
        run = stage.run("repair", take_over="true", manifest=INPUTS["manifest"], **PATIENT)

    assert run.exit_code == 0, run.log
    promoted = point.promoted or point.after
    assert stage.serves()["version"] == (NEXT_VERSION if promoted else VERSION)
    [(serving, weight)] = stage.weights().items()
    assert (serving, weight) == (stage.serves()["revision"], 100)
    assert set(stage.active()) <= {stage.first, serving}
    assert not promoted or stage.stale_keys() == []
    assert_lock_released(stage)
    assert users.failures == []


@STRATEGIES
@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_after_the_promotion_the_next_run_recovers(
    stage: Stage, strategy: str, command: str
) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        _kill(stage, replace(PROMOTION, after=True), strategy)
        stage.end_lease()
        stage.scene.check_out()
        if command == "deploy":
            inputs = {**INPUTS, **PATIENT, "lock_wait": "40s"}
            run = stage.run(**inputs, strategy=strategy)
        else:
            run = stage.run("rollback")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    expected = run.outputs["version"] if command == "deploy" else VERSION
    assert stage.serves()["version"] == expected
    assert_lock_released(stage)
    assert users.failures == []


@STRATEGIES
def test_every_write_is_one_of_the_tables(stage: Stage, strategy: str) -> None:
    """Pinning and creating are those of canary, in `interruption_points`."""
    stage.push_healthy()
    since = stage.requests()[-1]["at"]
    run = stage.run(**INPUTS, strategy=strategy)

    assert run.exit_code == 0, run.log
    writes = [call for call in stage.requests(since) if call["method"] == "PATCH"]
    assert len(writes) == max(point.nth for point in POINTS)
    back = stage.run("rollback")
    assert back.exit_code == 0, back.log
    assert stage.weights() == {stage.first: 100}
