"""Kill a deployment in the middle of every call; the next run of any command recovers.

Whenever the process is killed, the app keeps serving, and the next run
reaches a consistent state without manual work.
"""

from __future__ import annotations

import pytest

from tests.faults.interruption_points import INPUTS, PATIENT, POINTS, Point, halted
from tests.stage import Stage, assert_lock_released

AT_EVERY_CALL = pytest.mark.parametrize("point", POINTS, ids=str)


def _kill_at(stage: Stage, point: Point) -> None:
    stage.push_healthy()
    stage.scene.fill_cache()
    with halted(stage, point, **PATIENT) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()


@AT_EVERY_CALL
def test_the_next_deployment_recovers_and_succeeds(stage: Stage, point: Point) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        _kill_at(stage, point)
        stage.end_lease()
        stage.scene.check_out()
        run = stage.run(**{**INPUTS, **PATIENT, "lock_wait": "40s"})

    assert run.exit_code == 0, run.log
    new, before = run.outputs["revision"], run.outputs["previous-revision"]
    assert stage.weights() == {new: 100}
    assert stage.serves()["version"] == run.outputs["version"]
    assert run.outputs["version"] in stage.on_branch("show", "main:addin/manifest.xml")
    assert set(stage.active()) <= {stage.first, before, new}
    assert_lock_released(stage)
    assert stage.stale_keys() == []
    assert users.failures == []
    assert set(users.answers) <= ({stage.first, before, new} | _dead(stage, point))


@AT_EVERY_CALL
def test_a_repair_finishes_or_undoes_it(stage: Stage, point: Point) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        _kill_at(stage, point)
        run = stage.run("repair", take_over="true", manifest=INPUTS["manifest"], **PATIENT)

    assert run.exit_code == 0, run.log
    assert_lock_released(stage)
    [(serving, weight)] = stage.weights().items()
    assert weight == 100
    assert set(stage.active()) <= {stage.first, serving}
    if point.shifted:
        assert stage.stale_keys() == []
    if point.promoted:
        assert serving not in {stage.first, "latest"}, "it had been promoted: users stay on it"
        assert stage.serves()["version"] in stage.on_branch("show", "main:addin/manifest.xml")
    elif not point.shifted:
        assert serving in {stage.first, "latest"}
    assert stage.serves()["revision"] == (stage.first if serving == "latest" else serving)
    assert users.failures == []
    assert set(users.answers) <= ({stage.first, serving} | _dead(stage, point))


@AT_EVERY_CALL
def test_a_rollback_restores_the_stable_revision(stage: Stage, point: Point) -> None:
    with stage.users().busy(pause_s=0.05) as users:
        _kill_at(stage, point)
        untouched = not stage.is_locked() and not point.promoted
        run = stage.run("rollback", reason="the machine died", **PATIENT)

    assert stage.serves()["revision"] == stage.first
    assert_lock_released(stage)
    assert users.failures == []
    assert set(users.answers) <= ({stage.first} | _dead(stage, point))
    if point.shifted:
        assert stage.stale_keys() == []
    if untouched:
        assert run.exit_code == 3, "there is nothing to go back from, and it says so"
    else:
        assert run.exit_code == 0, run.log
        assert stage.weights() == {stage.first: 100}


def _dead(stage: Stage, point: Point) -> set[str]:
    """Return revisions that passed their gates and may have served users before."""
    return set(stage.scene.revisions()) if point.shifted else set()
