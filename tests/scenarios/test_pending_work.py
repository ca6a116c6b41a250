"""Work that a run could not do stays in the journal, and the next run does it."""

from __future__ import annotations

import pytest

from tests.stage import NEXT_VERSION, Stage, assert_lock_released

MANIFEST = {"manifest": "addin/manifest.xml"}
NO_CACHE = {
    "cache_url": "redis://127.0.0.1:1/0",
    "cache_patterns": "manifest:*",
    "cache_required": "true",
}


def journal(stage: Stage) -> dict[str, str]:
    return {name: text for name, text in stage.tags().items() if name.startswith("deploy-action.")}


@pytest.fixture
def incomplete(stage: Stage) -> Stage:
    """Two deployments, then a rollback whose required cache cannot be cleared."""
    stage.push_healthy()
    assert stage.run(**MANIFEST).exit_code == 0
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    assert stage.run(**MANIFEST).exit_code == 0

    run = stage.run("rollback", **NO_CACHE)

    assert run.exit_code == 5, run.log
    assert stage.serves()["version"] == NEXT_VERSION
    assert "the rollback is incomplete" in run.summary.splitlines()[0]
    assert "nothing was changed" not in run.summary.lower()
    assert journal(stage)["deploy-action.kind"] == "rollback"
    assert journal(stage)["deploy-action.pending"] == "cache"
    return stage


@pytest.mark.parametrize("command", ["rollback", "repair"])
def test_j1_an_incomplete_rollback_is_completed_and_goes_no_further_back(
    incomplete: Stage, command: str
) -> None:
    weights = incomplete.weights()
    incomplete.scene.fill_cache()

    run = incomplete.run(command, cache_patterns="manifest:*")

    assert run.exit_code == 0, run.log
    assert incomplete.weights() == weights, "not one more revision back"
    assert int(run.outputs["cache-keys-cleared"]) > 0
    assert_lock_released(incomplete)


def test_j1_the_next_deployment_completes_an_incomplete_rollback(incomplete: Stage) -> None:
    incomplete.push("addin/app/greeting.py", "Good evening", "Good night")

    run = incomplete.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert incomplete.serves()["version"] == "1.3.0.5"
    assert_lock_released(incomplete)


def test_o1_a_failure_after_the_commit_point_is_a_warning(stage: Stage) -> None:
    """The branch refuses the version commit after the promotion."""
    stage.push_healthy()
    hook = stage.scene.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'the branch is closed' >&2\nexit 1\n")
    hook.chmod(0o755)

    run = stage.run(**MANIFEST, commit="push")

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "deployed"
    assert stage.serves()["version"] == NEXT_VERSION
    assert "is not on the branch" in run.summary
    assert "nothing was changed" not in run.summary.lower()
