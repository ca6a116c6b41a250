"""Rollback by hand, and how the app stands."""

import json
import subprocess
import sys

from deploy_action.sandbox.scene import ROOT
from tests.stage import NEXT_VERSION, VERSION, Stage

MANIFEST = {"manifest": "addin/manifest.xml"}


def test_back_to_the_previous_revision(stage: Stage) -> None:
    stage.push_better()
    deployed = stage.run(**MANIFEST)
    with stage.users().busy() as users:
        run = stage.run("rollback", reason="errors at login")

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "rolled-back"
    assert run.outputs["revision"] == stage.first
    assert run.outputs["previous-revision"] == deployed.outputs["revision"]
    assert stage.weights() == {stage.first: 100}
    assert stage.serves()["version"] == VERSION
    assert users.failures == []
    assert "errors at login" in run.summary
    assert NEXT_VERSION in stage.on_branch("show", "main:addin/manifest.xml"), "never lowered"


def test_back_to_a_named_revision_that_has_to_be_woken(stage: Stage) -> None:
    for number, word in enumerate(["Hello", "Hi 1"]):
        stage.push("addin/app/greeting.py", word, f"Hi {number + 1}")
        stage.run(**MANIFEST)
    stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/revisions/{stage.first}/deactivate")
    run = stage.run("rollback", revision="first")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.serves()["revision"] == stage.first


def test_a_revision_that_does_not_exist_is_refused_with_those_that_do(stage: Stage) -> None:
    run = stage.run("rollback", revision="nonsense")

    assert run.exit_code == 2
    assert f"has no revision '{stage.scene.app}--nonsense'" in run.log
    assert stage.first in run.log
    assert "::error " in run.log


def test_with_nothing_before_it_there_is_nothing_to_go_back_to(stage: Stage) -> None:
    run = stage.run("rollback")

    assert run.exit_code == 3
    assert "does not know which revision came before" in run.log
    assert stage.weights()


def test_status_as_table_and_as_json(stage: Stage) -> None:
    stage.push_better()
    deployed = stage.run(**MANIFEST)
    run = stage.run("status")
    env = stage.scene.runner_environment(99)
    group = ["--app", stage.scene.app, "--resource-group", "TheWell-Infra-East"]
    shown = subprocess.run(
        [sys.executable, "-I", str(ROOT / ".github/run.py"), "status", "--json", *group],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "stable    100 %   ready" in run.log
    assert "previous  0 %     ready" in run.log
    rows = {row["role"]: row for row in json.loads(shown.stdout)["rows"]}
    assert rows["stable"]["revision"] == deployed.outputs["revision"]
    assert rows["stable"]["version"] == NEXT_VERSION
    assert rows["previous"]["revision"] == stage.first
