"""An unexpected error leaves a complete bug report, without secrets, and the log names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.stage import Run, Stage, outputs_of
from tests.support.paths import ROOT

SECRET = "hush-hush-4711"
# The interpreter reports each import to an audit hook, which may raise any error. This one comes
# after the first requests to Azure.
PROGRAM = f"""
import sys

def hook(event, arguments):
    if event == "import" and arguments[0] == "deploy_action.services.cache":
        raise ArithmeticError("the password is {SECRET}")

sys.addaudithook(hook)
sys.path.insert(0, {str(ROOT)!r})
from deploy_action.cli import main
main()
"""

GROUP = ("--resource-group", "TheWell-Infra-East")


def crashed(stage: Stage, *arguments: str, **variables: str) -> Run:
    stage.runs += 1
    environment = stage.scene.runner_environment(stage.runs, cache_url=f"redis://:{SECRET}@h:1/0")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**environment, "GITHUB_ACTIONS": "true", **variables},
        cwd=stage.scene.workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    files = stage.scene.directory / f"run-{stage.runs}"
    return Run(
        exit_code=done.returncode,
        log=done.stdout + done.stderr,
        outputs=outputs_of(files / "output"),
        summary=(files / "summary.md").read_text("utf-8"),
    )


def test_the_bug_report_has_versions_traceback_and_requests(stage: Stage) -> None:
    run = crashed(stage, "status", "--app", stage.scene.app, *GROUP)

    file = Path(run.outputs["log-folder"]) / "bug-report.txt"
    text = file.read_text("utf-8")
    assert (run.exit_code, run.outputs["result"]) == (1, "failed"), run.log
    assert "Traceback (most recent call last):" in text
    assert "deploy_action/commands/status.py" in text
    assert "ArithmeticError: the password is ***" in text
    assert "command: status" in text
    assert "azure-mgmt-appcontainers: " in text
    requests = text.partition("requests\n")[2].splitlines()
    path = f"https://management.azure.com{stage.scene.path}?api-version="
    assert [line for line in requests if path in line and ": 200 (request id " in line]
    where = f"bug-report.txt of the artifact {run.outputs['artifact']}"
    assert f"The bug report is in {file}, {where}" in run.log
    assert f"Attach {where} to an issue." in run.summary
    assert "Traceback" not in run.log
    shown = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    assert SECRET not in text + run.summary + "\n".join(shown)
    assert SECRET not in (file.parent / "report.json").read_text("utf-8")
    assert SECRET not in (file.parent / "deployment.log").read_text("utf-8")
    assert run.outputs["log-retention-days"] == "30"


def test_debugging_logs_every_request_and_the_traceback(stage: Stage) -> None:
    run = crashed(stage, "status", "--app", stage.scene.app, *GROUP, RUNNER_DEBUG="1")
    log = (Path(run.outputs["log-folder"]) / "deployment.log").read_text("utf-8")

    path = f"GET https://management.azure.com{stage.scene.path}?api-version="
    assert [line for line in run.log.splitlines() if path in line and ": 200 (" in line]
    assert " debug   request   " in log
    assert "Traceback" in run.log
    assert f"the password is {SECRET}" not in run.log + log
