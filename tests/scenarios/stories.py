"""One real run for each result of the action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.faults.interruption_points import POINTS, halted
from tests.stage import Run, Stage, end_on_github, on_github
from tests.support.runner import cancel

# Whether the latency is judged depends on how many requests fit into a step.
MANIFEST = {"manifest": "addin/manifest.xml", "analysis_latency_ratio": "0"}
ARM = "management.azure.com"
NO_CAPACITY = {"operation": {"status": "Failed", "code": "InternalError", "message": "no capacity"}}
[SECOND_STEP] = [point for point in POINTS if point.name == "the second step" and not point.after]
[CREATING] = [point for point in POINTS if point.name == "creating the candidate" and point.after]


def run(stage: Stage, command: str = "deploy", **inputs: str) -> Run:
    """Run the action with the settings of every story."""
    return stage.run(command, **{**MANIFEST, **stage.inputs, **inputs})


def arm_fails(stage: Stage, times: str, trouble: Mapping[str, Any]) -> None:
    """Let writes of the app fail."""
    path = f"*/{stage.scene.app}"
    stage.admin(
        "faults", [{"host": ARM, "method": "PATCH", "path": path, "times": times, **trouble}]
    )


def kill_in_a_step(stage: Stage) -> None:
    """Kill a deployment while its candidate has user traffic."""
    stage.push_healthy()
    with halted(stage, SECOND_STEP, **{**MANIFEST, **stage.inputs}) as process:
        process.kill()
        process.communicate()
    stage.wait_until_idle()


def deployed(stage: Stage) -> Run:
    """Deploy."""
    stage.push_healthy()
    return run(stage)


def deployed_with_pull_request(stage: Stage) -> Run:
    """Deploy to a repository whose branch takes pull requests only."""
    stage.push_healthy()
    return run(stage, **on_github(stage, "main"))


def deployed_with_warning(stage: Stage) -> Run:
    """Deploy; the remote refuses the version commit."""
    stage.push_healthy()
    hook = stage.scene.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'the branch is closed' >&2\nexit 1\n")
    hook.chmod(0o755)
    return run(stage)


def planned(stage: Stage) -> Run:
    """Plan only."""
    stage.push_healthy()
    return run(stage, dry_run="true")


def unchanged(stage: Stage) -> Run:
    """Roll back to what serves already."""
    stage.push_healthy()
    assert run(stage).exit_code == 0
    return run(stage, "rollback", revision=next(iter(stage.weights())))


def rolled_back(stage: Stage) -> Run:
    """Roll back to the previous version."""
    stage.push_healthy()
    assert run(stage).exit_code == 0
    return run(stage, "rollback", reason="errors at login")


def refused(stage: Stage) -> Run:
    """Refuse what would fail: there is no such registry."""
    stage.push_healthy()
    return run(stage, cache_required="true", cache_url="redis://127.0.0.1:1/0")


def invalid(stage: Stage) -> Run:
    """Reject wrong settings."""
    return run(stage, traffic_steps="10,5")


def superseded(stage: Stage) -> Run:
    """Leave the app to another run."""
    stage.push_healthy()
    with halted(stage, CREATING, **{**MANIFEST, "operation_timeout": "60s"}) as first:
        second = run(stage)
    stage.runs -= 1
    stage.finished(first)
    return second


def cancelled(stage: Stage) -> Run:
    """Cancel the job during a step."""
    stage.push_healthy()
    with halted(stage, SECOND_STEP, **{**MANIFEST, **stage.inputs}) as process:
        cancel(process)
    return stage.finished(process)


def action_required(stage: Stage) -> Run:
    """Abort, while Azure accepts no change any more."""
    stage.push_healthy()
    arm_fails(stage, "4-", {"status": 503})
    return run(stage, operation_timeout="2s")


def repaired(stage: Stage) -> Run:
    """Repair what a killed run left behind."""
    kill_in_a_step(stage)
    return run(stage, "repair", take_over="true")


def aborted_in_recover(stage: Stage) -> Run:
    """Stop because Azure cannot restore what a killed run left behind."""
    inputs = on_github(stage)
    kill_in_a_step(stage)
    end_on_github(stage, stage.runs)
    stage.scene.check_out()
    arm_fails(stage, "1-", NO_CAPACITY)
    return run(stage, **inputs)


def aborted_in_clear(stage: Stage) -> Run:
    """Abort because a required clearing of the cache is incomplete, as is the one of the undo."""
    stage.push_healthy()
    with stage.scene.cache() as cache:  # a clearing with this limit scans at most 6,000 keys
        cache.mset({f"manifest:{number}": "old" for number in range(6_200)})
    done = run(
        stage,
        cache_patterns="manifest:*",
        cache_required="true",
        cache_max_keys="10",
        cache_clear="before",
    )
    with stage.scene.cache() as cache:
        cache.flushdb()
    return done


def aborted_in_image(stage: Stage) -> Run:
    """Abort because the image cannot be built."""
    stage.push("addin/Dockerfile", "COPY app app", "COPY appp app")
    return run(stage)


def aborted_in_pin(stage: Stage) -> Run:
    """Abort because Azure cannot pin the traffic."""
    stage.push_healthy()
    arm_fails(stage, "1", NO_CAPACITY)
    return run(stage)


def aborted_in_create(stage: Stage) -> Run:
    """Abort because Azure cannot create the candidate."""
    stage.push_healthy()
    arm_fails(stage, "2", NO_CAPACITY)
    return run(stage)


def aborted_in_gates(stage: Stage) -> Run:
    """Abort because the candidate never becomes healthy."""
    stage.push_unhealthy()
    return run(stage, gate_timeout="2s")


def aborted_in_a_step(stage: Stage) -> Run:
    """Abort because Azure fails while the first users move."""
    stage.push_healthy()
    arm_fails(stage, "4", NO_CAPACITY)
    return run(stage)


def aborted_in_the_bake(stage: Stage) -> Run:
    """Abort because the candidate becomes unhealthy after the promotion."""
    stage.push_healthy()
    sick = {"revision": f"{stage.scene.app}--v*", "path": "/health/ready", "status": 503}
    stage.admin("faults", [{**sick, "times": "12-"}])
    return run(stage, traffic_steps="100", bake="30s", step_interval="0.3s")


STORIES: Mapping[str, Callable[[Stage], Run]] = {
    story.__name__.replace("_", "-"): story
    for story in (
        deployed,
        deployed_with_pull_request,
        deployed_with_warning,
        planned,
        unchanged,
        rolled_back,
        repaired,
        aborted_in_recover,
        aborted_in_clear,
        aborted_in_image,
        aborted_in_pin,
        aborted_in_create,
        aborted_in_gates,
        aborted_in_a_step,
        aborted_in_the_bake,
        action_required,
        refused,
        invalid,
        superseded,
        cancelled,
    )
}
