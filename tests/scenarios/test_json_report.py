"""Every command writes a JSON report, which agrees with its schema and with the outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.stage import NEXT_VERSION, VERSION, Run, Stage
from tests.support.eventually import eventually
from tests.support.report_schema import read_report


def report_of(run: Run) -> dict[str, Any]:
    """Return the report of *run*, after a check against the schema."""
    value = read_report(Path(run.outputs["report"]))
    assert value["result"] == run.outputs["result"], run.log
    assert value["exit-code"] == run.exit_code
    return value


def test_plan_deployment_status_and_rollback_are_reported(stage: Stage) -> None:
    stage.push_healthy()
    planned = report_of(plan := stage.run(dry_run="true"))
    deployed = report_of(done := stage.run(cache_patterns="page:*"))
    status = report_of(stage.run("status"))
    back = report_of(stage.run("rollback", reason="errors at login"))

    assert json.loads(plan.outputs["plan"]) == planned["plan"]
    assert plan.outputs["attempted-version"] == NEXT_VERSION
    assert [step["reached"] for step in planned["steps"]] == [False] * len(planned["steps"])
    assert deployed["serving"]["version"] == NEXT_VERSION
    assert deployed["previous"]["version"] == VERSION
    assert deployed["steps"]
    assert all(step["reached"] for step in deployed["steps"])
    assert deployed["publication"]["commit"] == stage.branch_head() == done.outputs["commit"]
    assert [phase["name"] for phase in deployed["phases"]][-1] == "report"
    assert status["status"]["rows"][0]["revision"] == deployed["serving"]["revision"]
    assert back["reason"] == "errors at login"
    assert back["serving"]["revision"] == stage.first
    assert back["attempted"]["revision"] == stage.first


def test_an_aborted_and_a_refused_deployment_are_reported(stage: Stage) -> None:
    stage.push_unhealthy()
    aborted = report_of(failed := stage.run(gate_timeout="3s"))
    stage.scene.ask("PATCH", stage.scene.path, {"tags": {}})
    refused = report_of(denied := stage.run("rollback"))
    invalid = report_of(stage.run("rollback", revision="nothing-like-that"))

    assert "fail" in {gate["verdict"] for gate in aborted["gates"]}
    assert all(item["ok"] for item in aborted["restored"])
    assert aborted["diagnosis"]
    assert failed.outputs["reason"] == aborted["reason"]
    assert failed.outputs["attempted-version"] == NEXT_VERSION
    assert denied.outputs["result"] == "refused"
    for report, run in ((aborted, failed), (refused, denied)):
        assert report["serving"]["revision"] == run.outputs["revision"] == stage.first
        assert run.outputs["url"] == stage.url
        assert run.outputs["traffic"] == f"100 {stage.first}"
    assert invalid["exit-code"] == 2
    assert invalid["serving"]["revision"] == stage.first


def test_validate_is_reported(stage: Stage) -> None:
    report = report_of(stage.run("validate"))

    assert {check["state"] for check in report["checks"]} <= {"passed", "warning"}


def test_a_killed_run_leaves_its_log_and_report_for_the_artifact(stage: Stage) -> None:
    stage.push_healthy()
    process = stage.started(bake="300s")
    eventually(
        lambda: not {stage.first, "latest"} & set(stage.weights()), "the candidate is promoted"
    )
    process.kill()
    outputs = stage.finished(process).outputs

    folder = Path(outputs["log-folder"])
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert outputs["log-retention-days"] == "30"
    assert outputs["artifact"].endswith(f"-1-t{stage.runs}")
    assert (report["result"], report["exit-code"]) == ("running", None)
    assert " info    traffic   " in (folder / "deployment.log").read_text("utf-8")


def test_the_log_file_has_every_line_of_the_log(stage: Stage) -> None:
    stage.push_unhealthy()
    run = stage.run(gate_timeout="3s", log_retention_days="0")

    text = (Path(run.outputs["log-folder"]) / "deployment.log").read_text("utf-8")
    copied = {line[43:].strip() for line in text.splitlines()}
    start = re.compile(r"\d\d:\d\d:\d\dZ \S+ +")  # time and component
    lines = [line for line in run.log.splitlines() if not line.startswith("::")]
    printed = {start.sub("", line, count=1).strip() for line in lines}
    assert run.outputs["log-retention-days"] == "0"
    assert {line for line in printed if line} <= copied
    assert " error   gates     " in text
    assert " error   result    " in text


def test_an_enterprise_server_uploads_no_artifact(stage: Stage) -> None:
    stage.variables["GITHUB_SERVER_URL"] = "https://github.contoso.com"

    assert stage.run("status").outputs["log-retention-days"] == "0"


def test_s1_no_file_of_a_debugged_run_has_a_value_that_the_runner_masks(stage: Stage) -> None:
    stage.push_healthy()
    stage.variables["RUNNER_DEBUG"] = "1"
    run = stage.run(cache_patterns="page:*", secrets="api-key=not-for-anybody")

    masks = [
        unquote(line.removeprefix("::add-mask::"))
        for line in run.log.splitlines()
        if line.startswith("::add-mask::")
    ]
    files = list(Path(run.outputs["log-folder"]).iterdir())
    text = "".join(file.read_text("utf-8") for file in files)
    assert run.exit_code == 0, run.log
    assert len(files) == 2
    assert "not-for-anybody" in masks
    assert len(masks) > 5
    assert [mask for mask in masks if mask in text] == []
    assert " debug   request   PATCH https://management.azure.com/" in text
