"""The JSON report agrees with its published schema and with the outputs, and shows no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.validation import Check, CheckState
from deploy_action.errors import Fault, InputError, SourceLocation
from deploy_action.report import outputs
from deploy_action.report.json_report import Context, as_json, report_of
from deploy_action.report.json_schema import schema
from tests.report.examples import PLAN
from tests.report.test_summary import NEW, OLD, aborted, all_to, deployed, record_of
from tests.support.paths import ROOT

CONTEXT = Context(tool_version="1.0.0", run_id="4711.1.k3f9", started_at="2026-11-25T10:00:00Z")
PUBLISHED = json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8"))


def report(record: Record) -> dict[str, Any]:
    """Return the report as a reader of the file gets it, after a check against the schema."""
    value = json.loads(json.dumps(as_json(report_of(record, CONTEXT))))
    jsonschema.Draft7Validator(PUBLISHED).validate(value)
    assert isinstance(value, dict)
    return value


def invalid() -> Record:
    record = record_of("validate")
    place = SourceLocation(file="deploy.yml", line=3, column=5)
    failed = Check(
        name="settings",
        state=CheckState.FAILED,
        detail="no such setting",
        remedy="Remove it.",
        location=place,
        invalid=True,
    )
    record.validated((failed,))
    faults = [Fault(message="no such setting", location=place), Fault(message="app is missing")]
    record.fail(InputError.of(faults))
    return record


def planned() -> Record:
    record = record_of()
    record.observed(all_to(OLD.revision), OLD)
    record.attempted = NEW
    steps = [
        {"weights": {NEW.revision: weight, OLD.revision: 100 - weight}} for weight in (25, 100)
    ]
    record.planned(("~ image",), {**PLAN, "steps": steps})
    return record


@pytest.mark.parametrize("make", [deployed, aborted, invalid, planned])
def test_every_report_agrees_with_the_published_schema_and_has_all_keys(
    make: Callable[[], Record],
) -> None:
    assert set(report(make())) == set(PUBLISHED["required"]) == set(PUBLISHED["properties"])


def test_every_key_of_the_schema_is_described() -> None:
    for definition in (schema(), *schema()["definitions"].values()):
        for name, about in definition["properties"].items():
            assert about["description"], name


def test_the_report_and_the_outputs_say_the_same() -> None:
    for make in (deployed, aborted):
        record = make()
        value, output = report(record), outputs.values(record)

        assert value["result"] == output["result"]
        assert value["reason"] == output["reason"]
        assert value["serving"]["version"] == output["version"]
        assert value["attempted"]["revision"] == output["attempted-revision"]
        assert value["previous"]["version"] == output["previous-version"]
        assert f"{value['duration-s']:.0f}" == output["duration"]


def test_an_aborted_deployment_lists_its_phases_gates_and_what_was_restored() -> None:
    value = report(aborted())

    assert (value["result"], value["exit-code"]) == ("aborted", 4)
    assert [(phase["name"], phase["ok"]) for phase in value["phases"]] == [("gates", False)]
    assert value["gates"] == [
        {
            "name": "health",
            "verdict": "fail",
            "evidence": "/health/ready returned 503",
            "phase": "gates",
        }
    ]
    assert value["restored"] == [{"what": "the traffic", "ok": True, "detail": "100 api--v1-3-0-2"}]


def test_planned_steps_name_which_of_them_were_reached() -> None:
    record = planned()
    with record.phase(Phase.SHIFT):
        split = all_to(OLD.revision).with_candidate(NEW.revision, 25)
        record.traffic_shifted(split, "25 % to the candidate")

    steps = report(record)["steps"]

    assert [(step["weight"], step["reached"]) for step in steps] == [(25, True), (100, False)]
    assert steps[0]["at-s"] > 0
    assert steps[1]["at-s"] is None


def test_a_run_in_progress_has_a_report_without_exit_code() -> None:
    record = record_of()
    record.observed(all_to(OLD.revision), OLD)
    value = report(record)

    assert (value["result"], value["exit-code"]) == ("running", None)
    assert value["serving"]["revision"] == OLD.revision


def test_the_output_plan_is_the_plan_of_the_report_and_empty_if_it_is_too_long() -> None:
    record = planned()
    assert json.loads(outputs.values(record)["plan"]) == report(record)["plan"]

    long = record_of()
    long.planned((), {"app": "a" * outputs.LONGEST_PLAN, "steps": []})
    assert outputs.values(long)["plan"] == ""


def test_nothing_is_known_of_an_app_that_was_never_read() -> None:
    record = record_of()
    record.fail(RuntimeError("boom"))
    value = report(record)

    assert value["serving"] == as_json(RevisionInfo())
    assert value["traffic"] is None
    assert value["exit-code"] == 1
