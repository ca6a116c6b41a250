"""action.yml as GitHub would run it: real workflow files under `act`, against the local Azure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy_action.sandbox import launch
from tests.stage import NEXT_VERSION, Stage
from tests.support.paths import ROOT

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
      - name: The following step reads the outputs
        env:
          RESULT: ${{ steps.ship.outputs.result }}
          REVISION: ${{ steps.ship.outputs.revision }}
        run: echo "it was $RESULT as $REVISION" > "$SEEN"
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose repository holds a workflow and, beside it, the action itself.

    Its Azure lets other hosts through, because the action installs its packages in the workflow.
    """
    process, environment = launch.start(tmp_path, "--let-through")
    try:
        yield _with_workflow(Stage.set_up(environment, tmp_path, "under-act"))
    finally:
        launch.stop(process)


def _with_workflow(stage: Stage) -> Stage:
    desk = stage.scene.directory / "desk"
    stage.scene.git("clone", "--quiet", str(stage.scene.remote), str(desk), cwd=desk.parent)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "action.yml", "requirements.txt", "deploy_action"],
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


@dataclass(frozen=True, slots=True)
class Ended:
    """A workflow run: exit code, log, what the following step saw, the action's job summary."""

    code: int
    log: str
    seen: str
    summary: str


def act(stage: Stage, event: str, *words: str) -> Ended:
    """Run the workflow for *event*."""
    home = stage.scene.directory / event
    home.mkdir()
    seen, log = home / "seen", home / "log"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    variables = {**stage.scene.environment, "SEEN": str(seen)}
    summary = ""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(str(ACT), event, "-P", "ubuntu-latest=-self-hosted", "--no-cache-server"),
                *words,
                *(w for name, value in variables.items() for w in ("--env", f"{name}={value}")),
            ],
            cwd=stage.scene.workspace,
            env={**kept, **pip, "XDG_CACHE_HOME": str(home / "cache")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        # act empties the summary's file after each step and shows it nowhere.
        while process.poll() is None:
            for file in home.glob("cache/act/*/act/workflow/*SUMMARY*"):
                summary = file.read_text("utf-8") or summary
            time.sleep(0.01)
    found = seen.read_text("utf-8") if seen.exists() else ""
    return Ended(process.returncode, log.read_text("utf-8"), found, summary)


@pytest.mark.slow
def test_a_push_to_main_deploys_and_a_dispatch_rolls_back(workflow: Stage) -> None:
    pushed = act(workflow, "push")

    assert pushed.code == 0, pushed.log
    assert pushed.seen.startswith("it was deployed as ")
    assert "1.3.0.3 serves 100 %" in pushed.summary.splitlines()[0]
    candidate = pushed.seen.split()[-1]
    assert workflow.weights() == {candidate: 100}
    assert workflow.serves()["version"] == NEXT_VERSION
    assert "Bump the add-in to 1.3.0.3 [skip ci]" in workflow.on_branch("log", "-1", "main")

    workflow.scene.check_out()
    back = act(workflow, "workflow_dispatch", "--input", "reason=errors at login")

    assert back.code == 0, back.log
    assert back.seen == f"it was rolled-back as {workflow.first}\n"
    assert "rolled back" in back.summary.splitlines()[0]
    assert "errors at login" in back.summary
    assert workflow.weights() == {workflow.first: 100}
