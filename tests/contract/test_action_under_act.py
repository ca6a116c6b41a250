"""action.yml as GitHub would run it: real workflow files under `act`, against the local Azure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy_action.sandbox.scene import ROOT
from tests.stage import NEXT_VERSION, Stage

ACT = Path(sys.executable).parent / "act"
WORKFLOW = """
name: Ship
on:
  push:
    branches: [main]
  workflow_dispatch:
    inputs:
      reason: {description: Why, required: false}
permissions: {}
jobs:
  ship:
    runs-on: ubuntu-latest
    permissions: {id-token: write, contents: write}
    steps:
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
      - name: The following step reads the outputs
        env:
          RESULT: ${{ steps.ship.outputs.result }}
          REVISION: ${{ steps.ship.outputs.revision }}
        run: echo "it was $RESULT as $REVISION" > "$SEEN"
"""


@pytest.fixture
def workflow(stage: Stage) -> Stage:
    """A stage whose repository holds a workflow and, beside it, the action itself."""
    desk = stage.scene.directory / "desk"
    stage.scene.git("clone", "--quiet", str(stage.scene.remote), str(desk), cwd=desk.parent)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "action.yml", "requirements.txt", "deploy_action", ".github/*.*"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = desk / ".action" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    for file in (desk / ".github" / "workflows").glob("*.yml"):
        file.unlink()
    text = WORKFLOW.replace("APP", stage.scene.app)
    (desk / ".github" / "workflows" / "ship.yml").write_text(text, "utf-8")
    stage.scene.git("add", "--all", "--force", ".", cwd=desk)
    stage.scene.git("commit", "--quiet", "-m", "Ship with the action", cwd=desk)
    stage.scene.git("push", "--quiet", "origin", "HEAD:main", cwd=desk)
    shutil.rmtree(desk)
    stage.scene.check_out()
    return stage


def act(stage: Stage, event: str, *words: str) -> tuple[int, str, str]:
    """Run the workflow for *event*; return exit code, log, and what the following step saw."""
    seen = stage.scene.directory / f"seen-{event}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    variables = {**stage.scene.environment, "SEEN": str(seen)}
    done = subprocess.run(
        [
            *(str(ACT), event, "-P", "ubuntu-latest=-self-hosted", "--no-cache-server", *words),
            *(word for name, value in variables.items() for word in ("--env", f"{name}={value}")),
        ],
        cwd=stage.scene.workspace,
        env={**kept, **pip, "XDG_CACHE_HOME": str(stage.scene.directory / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = seen.read_text("utf-8") if seen.exists() else ""
    return done.returncode, done.stdout + done.stderr, found


def test_a_push_to_main_deploys_and_a_dispatch_rolls_back(workflow: Stage) -> None:
    code, log, seen = act(workflow, "push")

    assert code == 0, log
    assert seen.startswith("it was deployed as ")
    candidate = seen.split()[-1]
    assert workflow.weights() == {candidate: 100}
    assert workflow.serves()["version"] == NEXT_VERSION
    assert "Raise the add-in to 1.3.0.3 [skip ci]" in workflow.on_branch("log", "-1", "main")

    workflow.scene.check_out()
    code, log, seen = act(workflow, "workflow_dispatch", "--input", "reason=errors at login")

    assert code == 0, log
    assert seen == f"it was rolled-back as {workflow.first}\n"
    assert workflow.weights() == {workflow.first: 100}
