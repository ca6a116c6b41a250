"""Summary, log and outputs of each result are as reviewed; the documentation shows these files."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from deploy_action.adapters.github_runner import Runner
from deploy_action.adapters.report_folder import ReportFolder
from deploy_action.report.json_report import Context
from deploy_action.reporter import Reporter
from deploy_action.runtime.runner_log import RunnerLog
from tests.report.examples import EXAMPLES, Script
from tests.stage import outputs_of
from tests.support.golden import Golden
from tests.support.report_schema import read_report


@pytest.mark.parametrize("name", EXAMPLES)
def test_summary_log_and_outputs_are_as_reviewed(name: str, tmp_path: Path, golden: Golden) -> None:
    example, log = EXAMPLES[name], io.StringIO()
    run = Script(example.command)
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_JOB": "deploy",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_SERVER_URL": "https://github.com",
        "DEPLOY_ACTION_TOKEN": "55dd48",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "RUNNER_TEMP": str(tmp_path),
    }
    reporter = Reporter(
        runner=Runner(
            environment=environment, log=RunnerLog(log, commands=True, clock=run.time_of_day)
        ),
        record=run.record,
        folder=ReportFolder(environment=environment, token="55dd48"),
        context=Context(
            tool_version="1.0.0", run_id="4711.1.55dd48", started_at="2027-01-15T08:00:00Z"
        ),
    )
    run.record.listeners.append(reporter)
    if name != "invalid":  # the settings are known
        reporter.announce_artifact(30)
    example.play(run)

    report = read_report(reporter.folder.report)
    outputs = outputs_of(tmp_path / "output")
    shown = "\n".join(f"{key}: {value}" for key, value in outputs.items() if value)
    temp = [(re.escape(str(tmp_path)), "RUNNER_TEMP")]
    assert reporter.problems == {}
    assert report["result"] == outputs["result"]
    golden.check(f"results/{name}/summary.md", (tmp_path / "summary.md").read_text("utf-8"))
    golden.check(f"results/{name}/log.txt", log.getvalue(), temp)
    golden.check(f"results/{name}/outputs.txt", shown, temp)
