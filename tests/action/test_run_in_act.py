"""action.yml as GitHub would run it: real workflow files under `act`, against the sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.sandbox import launch
from tests.stage import NEXT_VERSION, Stage
from tests.support.act import act, commit_workflows

ARM = "management.azure.com"
WORKFLOW = """
name: Ship
on:
  push:
    branches: [main]
  workflow_dispatch:
    inputs:
      reason: {description: Why, required: false}
      days: {description: Retention, required: false}
permissions: {}
jobs:
  ship:
    runs-on: ubuntu-latest
    permissions: {id-token: write, contents: write}
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - uses: ./.action
        id: ship
        with:
          command: ${{ github.event_name == 'workflow_dispatch' && 'rollback' || 'deploy' }}
          reason: ${{ inputs.reason }}
          revision: ''
          app: APP
          repository: APP
          builder: acr
          client-id: ${{ env.AZURE_CLIENT_ID }}
          tenant-id: ${{ env.AZURE_TENANT_ID }}
          subscription-id: ${{ env.AZURE_SUBSCRIPTION_ID }}
          health-passes: '2'
          health-interval: 0.1s
          traffic-steps: 50,100
          step-interval: 0.2s
          bake: 0.2s
          drain-time: 0s
          git-token: ''
          settings: |
            log-retention-days: ${{ inputs.days || 30 }}
      - name: The following step reads the outputs
        env:
          RESULT: ${{ steps.ship.outputs.result }}
          REVISION: ${{ steps.ship.outputs.revision }}
        run: echo "it was $RESULT as $REVISION" > "$WRITTEN"
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose repository contains a workflow and the action itself.

    Its sandbox forwards requests to other hosts, because the action installs its packages.
    """
    process, environment = launch.start(tmp_path, "--let-through")
    try:
        stage = Stage.set_up(environment, tmp_path, "under-act")
        text = WORKFLOW.replace("APP", stage.scene.app)
        commit_workflows(stage, {".github/workflows/ship.yml": text})
        yield stage
    finally:
        launch.stop(process)


@pytest.mark.long
@pytest.mark.slow
def test_a_push_to_main_deploys_and_a_dispatch_rolls_back(workflow: Stage) -> None:
    pushed = act(workflow, "push")

    assert pushed.code == 0, pushed.log
    assert pushed.written.startswith("it was deployed as ")
    assert "1.3.0.3 serves 100 %" in pushed.summary.splitlines()[0]
    candidate = pushed.written.split()[-1]
    ((name, files),) = pushed.artifacts.items()
    assert name.startswith("deployment-ship-1-")
    assert sorted(files) == ["deployment.log", "report.json"]
    assert " bytes for 30 days" in pushed.log
    assert json.loads(files["report.json"])["serving"]["revision"] == candidate
    assert "info    traffic   traffic promoted: 100 " in files["deployment.log"]
    assert workflow.weights() == {candidate: 100}
    assert workflow.serves()["version"] == NEXT_VERSION
    assert "Bump the add-in to 1.3.0.3 [skip ci]" in workflow.on_branch("log", "-1", "main")

    workflow.scene.check_out()
    back = act(
        workflow,
        "workflow_dispatch",
        *("--input", "reason=errors at login", "--input", "days=0"),
    )

    assert back.code == 0, back.log
    assert back.artifacts == {}, "retention 0 disables the artifact"
    assert back.written == f"it was rolled-back as {workflow.first}\n"
    assert "rolled back" in back.summary.splitlines()[0]
    assert "errors at login" in back.summary
    assert workflow.weights() == {workflow.first: 100}


@pytest.mark.slow
def test_the_log_and_the_report_of_a_cancelled_step_are_uploaded(workflow: Stage) -> None:
    """The step's process gets the signal of GitHub's runner; act itself cancels by killing."""
    held = {"host": ARM, "method": "PATCH", "path": f"*/{workflow.scene.app}", "times": "3"}
    workflow.admin("faults", [{**held, "hold": True}])
    signalled: list[int] = []

    def cancel_in_the_first_step() -> None:
        if not signalled and workflow.faults()[-1]["holding"]:
            signalled.append(action_process(workflow))
            os.kill(signalled[0], signal.SIGINT)

    run = act(workflow, "push", meanwhile=cancel_in_the_first_step)

    assert run.code == 1, run.log
    ((name, files),) = run.artifacts.items()
    assert name.startswith("deployment-ship-1-")
    assert {"deployment.log", "report.json"} <= set(files)
    assert json.loads(files["report.json"])["result"] == "cancelled"
    assert " error   result    cancelled after " in files["deployment.log"]
    assert workflow.weights() == {workflow.first: 100}
    assert workflow.active() == [workflow.first]


def action_process(stage: Stage) -> int:
    """Return the id of the process that runs the command of the stage's workflow."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            inside = (folder / "cwd").readlink().is_relative_to(stage.scene.directory)
            if inside and words[-2] == b"action":
                return int(folder.name)
    raise LookupError("no process runs the action")
