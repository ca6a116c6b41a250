"""Failures that teams have had with other tools, and how this action handles them.

tests/FAILURE_MODES.md has the whole list, with the test for each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.stage import Stage
from tests.support.eventually import eventually

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version"}


@pytest.fixture
def troubled(stage: Stage) -> Iterator[Stage]:
    """A stage whose faults are removed after the test."""
    yield stage
    stage.clock(factor=0.002)
    requests.delete(_faults(stage), timeout=30, proxies={"http": ""})


def _faults(stage: Stage) -> str:
    return f"{stage.scene.environment['SANDBOX_URL']}/faults"


def _script(stage: Stage, *faults: dict[str, Any]) -> None:
    requests.post(_faults(stage), json=faults, timeout=30, proxies={"http": ""}).raise_for_status()


def _configure(stage: Stage, configuration: dict[str, Any]) -> None:
    body = {"properties": {"configuration": configuration}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", body)
    stage.wait_until_idle()


def test_04_a_probe_that_passes_once_and_then_a_crash_loop(troubled: Stage) -> None:
    stage = troubled
    stage.push_healthy()
    path = {"path": "/health/ready", "revision": f"{stage.scene.app}--v*"}
    _script(stage, {**path, "times": "4-", "crash": True, "drop": True})
    with stage.users().busy() as users:
        run = stage.run(**INPUTS)

    assert run.exit_code == 4, run.log
    assert "The candidate failed at" in run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert users.answers[stage.first]


def test_07_weights_that_do_not_divide_evenly_and_entries_of_others(stage: Stage) -> None:
    stage.push_healthy()
    first_run = stage.run(**INPUTS)
    theirs = [
        {"revisionName": stage.first, "weight": 33, "label": "old"},
        {"revisionName": first_run.outputs["revision"], "weight": 67},
    ]
    _configure(stage, {"ingress": {"traffic": theirs}})
    before = stage.scene.resource()["properties"]["configuration"]["ingress"]["traffic"]
    stage.push("addin/app/health.py", "HEALTHY = True", "HEALTHY = False")
    aborted = stage.run(**INPUTS, gate_timeout="2s")
    after = stage.scene.resource()["properties"]["configuration"]["ingress"]["traffic"]

    assert aborted.exit_code == 4
    assert after == before

    stage.push("addin/app/health.py", "HEALTHY = False", "HEALTHY = True")
    done = stage.run(**INPUTS)
    assert done.exit_code == 0, done.log
    for shifted in [line for line in done.log.splitlines() if "% to the candidate" in line]:
        weights = [int(part.split()[0]) for part in shifted.partition(": ")[2].split(" | ")]
        assert sum(weights) == 100


def test_08_traffic_is_never_restored_to_an_inactive_revision(stage: Stage) -> None:
    stage.push_healthy()
    rollout = stage.started(**{**INPUTS, "step_interval": "60s"})
    while not any(0 < weight < 100 for weight in stage.weights().values()):
        assert rollout.poll() is None
    rollout.kill()
    rollout.communicate()
    [candidate] = set(stage.weights()) - {stage.first}
    stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/revisions/{stage.first}/deactivate")

    run = stage.run("repair", take_over="true")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first], "woken before it got its users back"
    assert candidate not in stage.active()
    assert stage.serves()["revision"] == stage.first


def test_09_deploying_a_commit_again_creates_another_revision(stage: Stage) -> None:
    stage.push_healthy()
    first_run = stage.run(**INPUTS)
    stage.runs -= 1  # the same run's number once more
    again = stage.run(**INPUTS, commit="none")

    assert again.exit_code == 0, again.log
    assert again.outputs["revision"] != first_run.outputs["revision"]
    assert stage.weights() == {again.outputs["revision"]: 100}


def test_13_no_request_fails_when_old_revisions_are_deactivated(stage: Stage) -> None:
    words = ["Hello", "Hi 1", "Hi 2", "Hi 3"]
    with stage.users().busy() as users:
        for old, new in itertools.pairwise(words):
            stage.push("addin/app/greeting.py", old, new)
            run = stage.run(**INPUTS, keep_revisions="1")
            assert run.exit_code == 0, run.log

    assert users.failures == []
    assert len(stage.active()) == 2, "the newest, and the one to go back to"
    assert stage.first not in stage.active()


def test_15_a_rollback_warns_about_changed_app_wide_settings(stage: Stage) -> None:
    stage.push_healthy()
    first_run = stage.run(**INPUTS)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    stage.run(**INPUTS)
    _configure(stage, {"secrets": [{"name": "api-key", "value": "s3cret-value"}]})

    run = stage.run("rollback")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {first_run.outputs["revision"]: 100}
    assert "have changed since" in run.log
    assert "s3cret-value" not in run.log + run.summary


def test_18_each_sign_in_uses_a_new_assertion(stage: Stage) -> None:
    """An assertion expires after five minutes; a rollout takes longer."""
    before = stage.requests()[-1]["at"]
    stage.push_healthy()
    assert stage.run(**INPUTS).exit_code == 0

    new = stage.requests(before)
    requests_made = [call for call in new if call["host"].endswith("actions.githubusercontent.com")]
    tokens = [call for call in new if call["path"].endswith("/oauth2/v2.0/token")]
    assert len(requests_made) == len(tokens) >= 2


def test_22_a_shared_outage_does_not_fail_the_candidate(troubled: Stage) -> None:
    stage = troubled
    stage.push_healthy()
    sick = {"path": "/health/ready", "status": 503}
    _script(
        stage,
        {**sick, "revision": f"{stage.scene.app}--v*", "times": "4-9"},
        {**sick, "revision": stage.first, "times": "2-8"},
    )
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert "both revisions are failing, traffic is unchanged" in run.log
    assert stage.weights() == {run.outputs["revision"]: 100}


def test_23_a_refused_version_commit_does_not_undo_the_promotion(stage: Stage) -> None:
    pushed = stage.push_healthy()
    hook = stage.scene.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert "is deployed, but its commit is not on the branch" in run.log
    assert "::warning " in run.log
    assert stage.branch_head() == pushed
    assert stage.serves()["version"] == run.outputs["version"]


def test_24_the_version_commit_starts_no_run(stage: Stage) -> None:
    stage.push_healthy()
    stage.run(**INPUTS)

    assert "[skip ci]" in stage.on_branch("log", "-1", "--format=%s", "main")


def test_28_the_plan_warns_about_duplicate_background_work(stage: Stage) -> None:
    rule = {"name": "orders", "azureQueue": {"queueName": "orders", "queueLength": 5}}
    template = {
        "revisionSuffix": "queue",
        "scale": {"minReplicas": 1, "maxReplicas": 2, "rules": [rule]},
    }
    stage.scene.arm(
        "PATCH", f"/containerApps/{stage.scene.app}", {"properties": {"template": template}}
    )
    eventually(
        lambda: stage.scene.resource()["properties"]["latestReadyRevisionName"] != stage.first,
        "the new revision is ready",
    )
    stage.push_healthy()
    run = stage.run(**INPUTS, dry_run="true")

    assert "Scale rule orders processes background work" in run.log


def test_29_an_unreachable_candidate_is_not_healthy(troubled: Stage) -> None:
    stage = troubled
    stage.push_healthy()
    _script(stage, {"path": "*", "revision": f"{stage.scene.app}--v*", "drop": True})
    run = stage.run(**INPUTS, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert "unreachable" in run.log
    assert stage.weights() == {stage.first: 100}


def test_30_an_operation_that_never_ends_times_out(troubled: Stage) -> None:
    stage = troubled
    stage.push_healthy()
    stage.clock(factor=1000)
    run = stage.run(**INPUTS, operation_timeout="2s")

    assert run.exit_code in {4, 5}, run.log
    assert "Timed out after 2 s" in run.log
    stage.clock(factor=0.002)
