"""Kill -9 in the middle of every write of a run in Single revision mode; a repair recovers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.interruption_points import INPUTS, PATIENT, Point, halted
from tests.stage import NEXT_VERSION, VERSION, Stage, assert_lock_released
from tests.support.other_tools import configure
from tests.support.runner import cancel, second_step

BLUE_GREEN = {**INPUTS, "strategy": "blue-green"}


def _both(*points: Point) -> list[Point]:
    return [item for point in points for item in (point, replace(point, after=True))]


CREATION = Point(name="creating the candidate", method="PATCH", nth=1)
PROMOTION = Point(name="the promotion", method="PATCH", nth=2, shifted=True)
DEPLOYMENT = [
    *_both(CREATION),
    Point(name="watching the candidate", path="*/revisions/APP--v*"),
    Point(name="asking the candidate", path="/health/ready", revision="APP--v*", shifted=True),
    *_both(
        PROMOTION,
        Point(name="passing the commit point", method="PATCH", nth=3, promoted=True),
        Point(name="releasing the lock", method="PATCH", nth=4, promoted=True),
    ),
]
ROLLBACK = [
    *_both(Point(name="creating the copy", method="PATCH", nth=1)),
    Point(name="watching the copy", path="*/revisions/APP--*back"),
    *_both(
        Point(name="the promotion", method="PATCH", nth=2),
        Point(name="releasing the lock", method="PATCH", nth=3),
    ),
]
UNDO = _both(
    Point(name="creating the copy of stable", method="PATCH", nth=2),
    Point(name="releasing the lock", method="PATCH", nth=3),
)


@pytest.fixture
def single(stage: Stage) -> Stage:
    """A stage whose app is in Single revision mode, and a better commit."""
    configure(stage, activeRevisionsMode="Single")
    stage.push_healthy()
    return stage


def _kill(stage: Stage, point: Point, command: str = "deploy", **inputs: str) -> None:
    with halted(stage, point, command, **PATIENT, **inputs) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()


def _assert_consistent(stage: Stage, *versions: str) -> str:
    """Check that the newest revision serves one of *versions*; return the version."""
    properties = stage.scene.resource()["properties"]
    assert properties["configuration"]["activeRevisionsMode"] == "Single"
    assert properties["latestReadyRevisionName"] == properties["latestRevisionName"]
    served = stage.serves()
    assert served["revision"] == properties["latestRevisionName"]
    assert served["version"] in versions
    assert_lock_released(stage)
    return str(served["version"])


@pytest.mark.parametrize(
    ("point", "strategy"),
    [
        *((point, "blue-green") for point in DEPLOYMENT),
        *((point, "direct") for point in DEPLOYMENT if point.method == "PATCH"),
    ],
    ids=str,
)
def test_a_repair_finishes_or_undoes_a_deployment(
    single: Stage, point: Point, strategy: str
) -> None:
    stage = single
    with stage.users().busy(pause_s=0.05) as users:
        _kill(stage, point, strategy=strategy)
        run = stage.run("repair", take_over="true", manifest=INPUTS["manifest"], **PATIENT)

    assert run.exit_code == 0, run.log
    promoted = point.promoted or (point.name == PROMOTION.name and point.after)
    _assert_consistent(stage, NEXT_VERSION if promoted else VERSION)
    assert users.failures == []


@pytest.mark.parametrize(
    "point", [CREATION, *(replace(item, after=True) for item in (CREATION, PROMOTION))], ids=str
)
@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_the_next_deployment_or_rollback_recovers(
    single: Stage, point: Point, command: str
) -> None:
    stage = single
    with stage.users().busy(pause_s=0.05) as users:
        _kill(stage, point, strategy="blue-green")
        created = stage.is_locked()
        stage.end_lease()
        stage.scene.check_out()
        if command == "deploy":
            run = stage.run(**{**BLUE_GREEN, **PATIENT, "lock_wait": "40s"})
        else:
            run = stage.run("rollback", **PATIENT)

    assert users.failures == []
    if command == "deploy":
        assert run.exit_code == 0, run.log
        assert _assert_consistent(stage, NEXT_VERSION, "1.3.0.4") == run.outputs["version"]
    else:
        assert run.exit_code == (0 if created else 3), run.log
        _assert_consistent(stage, VERSION)


def test_every_write_is_one_of_the_tables(single: Stage) -> None:
    stage, marks = single, []
    for command in ("deploy", "rollback"):
        marks.append(stage.requests()[-1]["at"])
        run = stage.run(command, **(BLUE_GREEN if command == "deploy" else {}))
        assert run.exit_code == 0, run.log
    for points, since, until in ((DEPLOYMENT, *marks), (ROLLBACK, marks[1], float("inf"))):
        writes = [
            call
            for call in stage.requests(since)
            if (call["method"] == "PATCH" or "activate" in call["path"]) and call["at"] <= until
        ]
        assert len(writes) == max(point.nth for point in points if point.method == "PATCH")


@pytest.mark.parametrize("point", ROLLBACK, ids=str)
def test_a_repair_finishes_or_undoes_a_rollback(single: Stage, point: Point) -> None:
    stage = single
    deployed = stage.run(**{**BLUE_GREEN, **PATIENT})
    assert deployed.exit_code == 0, deployed.log
    with stage.users().busy(pause_s=0.05) as users:
        _kill(stage, point, "rollback")
        run = stage.run("repair", take_over="true", manifest=INPUTS["manifest"], **PATIENT)

    assert run.exit_code == 0, run.log
    created = point.after or point.name != "creating the copy"
    _assert_consistent(stage, *([VERSION, NEXT_VERSION] if created else [NEXT_VERSION]))
    assert users.failures == []


@pytest.mark.parametrize("point", UNDO, ids=str)
def test_a_repair_completes_an_abort(single: Stage, point: Point) -> None:
    stage = single
    with stage.users().busy(pause_s=0.05) as users:
        _kill(stage, point, strategy="direct", smoke_test="exit 1")
        run = stage.run("repair", take_over="true", manifest=INPUTS["manifest"], **PATIENT)

    assert run.exit_code == 0, run.log
    _assert_consistent(stage, VERSION)
    assert users.failures == []


@pytest.mark.parametrize(
    "point",
    [replace(CREATION, after=True), DEPLOYMENT[3], replace(PROMOTION, after=True)],
    ids=str,
)
def test_a_cancelled_deployment_is_undone(single: Stage, point: Point) -> None:
    stage = single
    with stage.users().busy(pause_s=0.05) as users:
        with halted(stage, point, **{**BLUE_GREEN, **PATIENT}) as process:
            cancel(process)
        run = stage.finished(process)
        second = second_step(stage, run, **BLUE_GREEN)

    assert run.exit_code in {130, 143, -9}, run.log
    if second is not None:
        assert second.exit_code == 0, second.log
    _assert_consistent(stage, VERSION)
    assert users.failures == []
