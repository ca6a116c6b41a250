"""The labels of the serving revision and of the candidate move with the traffic."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.faults.interruption_points import Point, halted
from tests.stage import Stage, assert_lock_released
from tests.support.other_tools import create_revision

LABELS = {"label_live": "production", "label_candidate": "next"}
MANIFEST = {"manifest": "addin/manifest.xml"}


@pytest.fixture
def labelled(stage: Stage) -> Stage:
    """A stage whose serving revision has the live label, and another one a foreign label."""
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {
            "properties": {
                "configuration": {
                    "ingress": {
                        "traffic": [
                            {"revisionName": stage.first, "weight": 100, "label": "production"},
                            {"revisionName": stage.first, "weight": 0, "label": "other"},
                        ]
                    }
                }
            }
        },
    )
    stage.wait_until_idle()
    stage.push_healthy()
    return stage


def labels(stage: Stage) -> dict[str, str]:
    """Return the revision of each label."""
    traffic = stage.scene.resource()["properties"]["configuration"]["ingress"]["traffic"]
    return {item["label"]: item["revisionName"] for item in traffic if item.get("label")}


def before(stage: Stage) -> dict[str, str]:
    return {"production": stage.first, "other": stage.first}


def test_they_move_in_the_same_write_as_the_weights(labelled: Stage) -> None:
    stage = labelled
    address = stage.url.removeprefix("https://")
    app, _, domain = address.partition(".")
    label_url = f"https://{app}---next.{domain}/version"
    smoke_test = f'test "$(curl -s {label_url})" = "$(curl -s $CANDIDATE_URL/version)"'
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, **LABELS, smoke_test=smoke_test)

    assert run.exit_code == 0, run.log
    new = run.outputs["revision"]
    assert labels(stage) == {"production": new, "other": stage.first}
    assert stage.weights() == {new: 100}
    assert f"25 {new} @next" in run.log
    assert f"100 {new} @production" in run.log
    assert f"labels: next points to {new} until it serves" in run.log
    assert users.failures == []

    back = stage.run("rollback", **LABELS)
    assert back.exit_code == 0, back.log
    assert labels(stage) == before(stage)
    assert stage.weights() == {stage.first: 100}


@pytest.mark.parametrize("strategy", ["canary", "blue-green"])
def test_an_abort_restores_them(labelled: Stage, strategy: str) -> None:
    stage = labelled
    run = stage.run(**MANIFEST, **LABELS, strategy=strategy, smoke_test="exit 1")

    assert run.exit_code == 4, run.log
    assert labels(stage) == before(stage)
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert_lock_released(stage)


FAILING_CHECK = json.dumps({"name": "orders", "shell": "exit 1", "interval": "0s"})


def test_an_abort_at_a_step_restores_them(labelled: Stage) -> None:
    stage = labelled
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, **LABELS, analysis_checks=FAILING_CHECK)

    assert run.exit_code == 4, run.log
    assert f"25 {run.outputs['attempted-revision']} @next" in run.log
    assert labels(stage) == before(stage)
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert users.failures == []
    assert_lock_released(stage)


@pytest.mark.parametrize("traffic_steps", ["25,100", "100"])
def test_an_adopted_revision_gets_them_and_an_abort_takes_them_back(
    labelled: Stage, traffic_steps: str
) -> None:
    """The check fails at the first step, or in the bake if there is none."""
    stage = labelled
    candidate = create_revision(stage)
    adopt = {"candidate": "newest", "traffic_steps": traffic_steps, **LABELS}
    run = stage.run(**adopt, analysis_checks=FAILING_CHECK)

    assert run.exit_code == 4, run.log
    shifted = f"25 {candidate} @next" if traffic_steps == "25,100" else f"100 {candidate} @prod"
    assert shifted in run.log
    assert labels(stage) == before(stage)
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first, candidate]

    again = stage.run(**adopt)
    assert again.exit_code == 0, again.log
    assert labels(stage) == {"production": candidate, "other": stage.first}
    assert stage.weights() == {candidate: 100}

    back = stage.run("rollback", **LABELS)
    assert back.exit_code == 0, back.log
    assert labels(stage) == before(stage)
    assert stage.weights() == {stage.first: 100}


WRITES = [
    Point(name="labelling the candidate", method="PATCH", nth=2),
    Point(name="the first step", method="PATCH", nth=3),
    Point(name="the promotion", method="PATCH", nth=5),
]


@pytest.mark.parametrize(
    "point", [item for write in WRITES for item in (write, replace(write, after=True))], ids=str
)
@pytest.mark.parametrize("command", ["repair", "rollback"])
def test_after_a_kill_they_are_where_the_traffic_is(
    labelled: Stage, point: Point, command: str
) -> None:
    stage = labelled
    with halted(stage, point, **LABELS) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()
    take_over = {"take_over": "true"} if command == "repair" else {}
    run = stage.run(command, **LABELS, **take_over)

    assert run.exit_code == 0, run.log
    [(serving, weight)] = stage.weights().items()
    assert weight == 100
    assert labels(stage) == {"production": serving, "other": stage.first}
    if command == "rollback" or point.name != "the promotion":
        assert serving == stage.first
    assert_lock_released(stage)


@pytest.mark.parametrize(
    "point",
    [
        Point(name="the first step", method="PATCH", nth=3, after=True),
        Point(name="the promotion", method="PATCH", nth=5, after=True),
    ],
    ids=str,
)
def test_after_a_killed_adoption_they_are_where_the_traffic_is(
    labelled: Stage, point: Point
) -> None:
    stage = labelled
    candidate = create_revision(stage)
    with halted(stage, point, candidate="newest", **LABELS) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()
    run = stage.run("repair", take_over="true", **LABELS)

    assert run.exit_code == 0, run.log
    serving = candidate if point.name == "the promotion" else stage.first
    assert stage.weights() == {serving: 100}
    assert labels(stage) == {"production": serving, "other": stage.first}
    assert stage.active() == [stage.first, candidate]
    assert_lock_released(stage)


def test_two_labels_of_the_same_name_are_refused(stage: Stage) -> None:
    run = stage.run(**MANIFEST, label_live="live", label_candidate="live")

    assert run.exit_code == 2
    assert "label-candidate: it must differ from label-live" in run.log
