"""Concurrent changes by runs, rollbacks and people are detected and preserved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.stage import Stage, assert_lock_released
from tests.support.eventually import eventually
from tests.support.preloaded import Process

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version"}
SLOWLY = {**INPUTS, "step_interval": "60s", "bake": "60s"}


def _rollout_at(stage: Stage, weight: int, **inputs: str) -> Process:
    """Start a deployment and return once the candidate holds *weight* percent."""
    stage.push_healthy()
    process = stage.started(**{**SLOWLY, **inputs})
    eventually(
        lambda: weight in _candidates_share(stage), f"the candidate gets {weight} %", process
    )
    return process


def _held_rollout(stage: Stage) -> tuple[Process, Callable[[], None]]:
    """Start a deployment whose smoke test passes only when the returned function is called."""
    stage.push_healthy()
    signal = stage.scene.directory / "finish"
    wait = f"while [ ! -e '{signal}' ]; do sleep 0.05; done"
    process = stage.started(**INPUTS, smoke_test=wait, gate_timeout="30m", time_limit="8h")
    eventually(lambda: len(stage.active()) == 2, "the candidate exists", process)
    return process, signal.touch


def _lines_until(process: Process, text: str) -> str:
    """Read the log up to the line that contains *text*."""
    assert process.stdout is not None
    lines = ""
    for line in process.stdout:
        lines += line
        if text in line:
            return lines
    raise AssertionError(lines)


def _candidates_share(stage: Stage) -> list[int]:
    return [w for name, w in stage.weights().items() if name not in {stage.first, "latest"}]


@pytest.mark.parametrize("weight", [25, 100], ids=["in a step", "during the bake"])
def test_a_rollback_does_not_wait_and_stops_the_rollout(stage: Stage, weight: int) -> None:
    interval = "30m" if weight < 100 else "1s"
    with stage.users().busy() as users:
        rollout = _rollout_at(stage, weight, step_interval=interval, bake="30m", time_limit="8h")
        rollback = stage.run("rollback", reason="it looks wrong")
        stage.runs -= 1
        gave_way = stage.finished(rollout)

    assert rollback.exit_code == 0, rollback.log
    assert gave_way.exit_code == 6, gave_way.log
    assert gave_way.outputs["result"] == "superseded"
    assert gave_way.outputs["revision"] == stage.first, "what serves now, not what it deployed"
    assert gave_way.outputs["traffic"] == f"100 {stage.first}"
    assert "rolls back this app" in gave_way.log or "has taken over app" in gave_way.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first], "its candidate was put to sleep"
    assert stage.checkout_is_clean()
    assert stage.on_branch("rev-list", "--count", "main") == "2", "nothing was published"
    assert_lock_released(stage)
    assert users.failures == []


def test_a_rollback_stops_a_rollout_before_its_first_shift(stage: Stage) -> None:
    """The target already has the traffic, but the rollout would shift it a moment later."""
    stage.push("addin/app/health.py", "HEALTHY = True", "HEALTHY = False")
    rollout = stage.started(**SLOWLY, gate_timeout="60s")
    eventually(lambda: len(stage.active()) == 2, "the candidate exists", rollout)

    rollback = stage.run("rollback")
    stage.runs -= 1
    ended = stage.finished(rollout)

    assert rollback.exit_code == 0, rollback.log
    assert rollback.outputs["result"] == "rolled-back"
    assert ended.exit_code in {4, 6}
    assert stage.weights() == {stage.first: 100}
    assert_lock_released(stage)


def test_a_second_run_is_refused_and_names_the_run_that_holds_the_lock(stage: Stage) -> None:
    first, finish = _held_rollout(stage)
    second = stage.run(**INPUTS)
    finish()
    stage.runs -= 1
    done = stage.finished(first)

    assert second.exit_code == 6
    assert second.outputs["result"] == "superseded"
    assert second.outputs["revision"] == stage.first
    assert second.outputs["traffic"] == f"100 {stage.first}"
    assert second.outputs["url"] == stage.url
    assert "https://github.com/the-well/well-intake/actions/runs/1" in second.log
    assert " has been deploying this app for " in second.log
    assert "in phase create" in second.log
    assert done.exit_code == 0, done.log


def test_a_second_run_with_lock_wait_deploys_after_the_first(stage: Stage) -> None:
    first, finish = _held_rollout(stage)
    waiting = stage.started(**INPUTS, lock_wait="10m")
    lines = _lines_until(waiting, "waiting up to 600 s")
    finish()
    stage.runs -= 1
    done = stage.finished(first)
    stage.runs += 1
    second = stage.finished(waiting)

    assert done.exit_code == 0, done.log
    assert "Another run owns this app. Run 1" in lines
    assert second.exit_code == 0, second.log
    assert second.outputs["previous-revision"] == done.outputs["revision"]


def test_of_two_concurrent_runs_only_one_shifts_traffic(stage: Stage) -> None:
    stage.push_healthy()
    with stage.users().busy() as users:
        first_run = stage.started(**INPUTS, commit="none")
        other = stage.started(**INPUTS, commit="none")
        ends = {stage.finished(other).exit_code}
        stage.runs -= 1
        ends.add(stage.finished(first_run).exit_code)

    assert ends <= {0, 4, 6}
    [(serving, weight)] = stage.weights().items()
    assert weight == 100
    assert stage.serves()["revision"] == serving or serving == "latest"
    assert_lock_released(stage)
    assert users.failures == []


def test_a_manual_change_in_the_portal_is_never_overwritten(stage: Stage) -> None:
    rollout = _rollout_at(stage, 25, step_interval="3s")
    [candidate] = [name for name in stage.weights() if name != stage.first]
    theirs = [
        {"revisionName": stage.first, "weight": 60},
        {"revisionName": candidate, "weight": 40, "label": "mine"},
    ]
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": {"ingress": {"traffic": theirs}}}},
    )
    run = stage.finished(rollout)

    assert run.exit_code == 6, run.log
    assert "Someone else changed the traffic" in run.log
    assert "60 " in run.log
    assert "75 " in run.log, "both splits are logged"
    assert stage.weights() == {stage.first: 60, candidate: 40}
    assert run.outputs["traffic"] == f"60 {stage.first} | 40 {candidate} @mine"
    assert set(stage.active()) == {stage.first, candidate}, "users are on both"
    assert_lock_released(stage)


def test_labels_of_others_survive_a_deployment(stage: Stage) -> None:
    theirs = [{"revisionName": stage.first, "weight": 100, "label": "golden"}]
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": {"ingress": {"traffic": theirs}}}},
    )
    stage.push_healthy()
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    traffic = stage.scene.resource()["properties"]["configuration"]["ingress"]["traffic"]
    assert {"revisionName": stage.first, "weight": 0, "label": "golden"} in traffic
    assert stage.weights() == {run.outputs["revision"]: 100}


def test_a_plan_that_may_take_longer_than_allowed_is_refused(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**INPUTS, time_limit="10s")

    assert run.exit_code == 2
    assert "Input time-limit: this plan may take" in run.log
    assert stage.active() == [stage.first]
    assert stage.checkout_is_clean()
