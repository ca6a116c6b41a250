"""Every command writes a JSON report, which agrees with its schema and with the outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from tests.stage import NEXT_VERSION, VERSION, Run, Stage
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8"))


def report_of(run: Run) -> dict[str, Any]:
    """Return the report of *run*, after a check against the schema."""
    value = json.loads(Path(run.outputs["report"]).read_text("utf-8"))
    jsonschema.Draft7Validator(SCHEMA).validate(value)
    assert value["result"] == run.outputs["result"], run.log
    assert value["exit-code"] == run.exit_code
    assert isinstance(value, dict)
    return value


def test_plan_deployment_status_and_rollback_are_reported(stage: Stage) -> None:
    stage.push_better()
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
    stage.push_sick()
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
