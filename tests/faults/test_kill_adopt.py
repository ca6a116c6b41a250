"""Kill -9 in the middle of every write of a deployment that adopts a revision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.interruption_points import INPUTS, PATIENT, Point, halted
from tests.stage import Stage, assert_lock_released
from tests.support.other_tools import create_revision, pin

WRITES = [
    Point(name="locking the app", method="PATCH", nth=1),
    Point(name="the first step", method="PATCH", nth=2),
    Point(name="the promotion", method="PATCH", nth=4, shifted=True),
    Point(name="passing the commit point", method="PATCH", nth=5, shifted=True, promoted=True),
    Point(name="releasing the lock", method="PATCH", nth=6, shifted=True, promoted=True),
]
AT_EVERY_WRITE = pytest.mark.parametrize(
    "point", [one for write in WRITES for one in (write, replace(write, after=True))], ids=str
)
ADOPT = {"candidate": "newest"}


def _killed(stage: Stage, point: Point) -> str:
    pin(stage)
    candidate = create_revision(stage)
    with halted(stage, point, **ADOPT, **PATIENT) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()
    return candidate


@AT_EVERY_WRITE
def test_a_repair_never_deactivates_it(stage: Stage, point: Point) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        candidate = _killed(stage, point)
        template = stage.scene.revisions()[candidate]["template"]
        run = stage.run("repair", take_over="true")

    assert run.exit_code == 0, run.log
    assert_lock_released(stage)
    assert stage.active() == [stage.first, candidate]
    assert stage.scene.revisions()[candidate]["template"] == template
    [(serving, weight)] = stage.weights().items()
    assert weight == 100
    if point.promoted:
        assert serving == candidate
    elif not point.shifted and not point.after:
        assert serving == stage.first
    assert users.failures == []


@AT_EVERY_WRITE
def test_the_next_run_deploys_it(stage: Stage, point: Point) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        candidate = _killed(stage, point)
        stage.end_lease()
        run = stage.run(**{**INPUTS, **ADOPT, **PATIENT, "lock_wait": "40s"})

    assert run.exit_code == 0, run.log
    assert stage.weights() == {candidate: 100}
    assert candidate in stage.active()
    assert_lock_released(stage)
    assert users.failures == []
    back = stage.run("rollback")
    assert stage.weights() == {stage.first: 100}, back.log
