"""Application Insights: release annotations, an event per run, and missing permissions."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import requests
import yaml

from tests.scenarios.test_permissions import signed_in_as
from tests.scenarios.test_validate import results
from tests.stage import Run, Stage
from tests.support.identities import admin

MANIFEST = {"manifest": "addin/manifest.xml"}


def component(stage: Stage) -> str:
    name = "well-intake-env-insights"
    return f"{stage.scene.group_path}/providers/Microsoft.Insights/components/{name}"


def settings(**fields: str) -> str:
    return yaml.safe_dump(
        {"app-insights": {name.replace("_", "-"): fields[name] for name in fields}}
    )


def annotated(stage: Stage) -> list[dict[str, Any]]:
    """Return the annotations of this stage's revisions, oldest first."""
    params = {"start": "2000-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z", "api-version": "x"}
    answer = stage.scene.ask("GET", f"{component(stage)}/Annotations", params=params)
    return [
        item
        for item in answer.json()["value"]
        if json.loads(item["Properties"]).get("Revision", "").startswith(f"{stage.scene.app}--")
    ]


def events(stage: Stage) -> list[dict[str, Any]]:
    """Return the events of this stage's app."""
    url = f"{stage.scene.environment['SANDBOX_URL']}/telemetry"
    kept = requests.get(url, timeout=30, proxies={"http": ""}).json()["telemetry"]
    bases = [item["data"]["baseData"] for item in kept]
    return [base for base in bases if base.get("properties", {}).get("app") == stage.scene.app]


def deployed(stage: Stage, text: str, **inputs: str) -> Run:
    stage.variables["CONNECTION"] = stage.scene.environment["SANDBOX_APP_INSIGHTS"]
    stage.push_healthy()
    return stage.run(**MANIFEST, **inputs, settings=text)


def test_a_deployment_leaves_two_annotations_and_one_event(stage: Stage) -> None:
    text = settings(resource=component(stage), connection_string="${CONNECTION}")

    run = deployed(stage, text)

    assert run.exit_code == 0, run.log
    assert not run.logged("Application Insights"), run.log
    first, last = annotated(stage)
    assert [first["AnnotationName"], last["AnnotationName"]] == [
        "1.3.0.3",
        "1.3.0.3 serves 100 %",
    ]
    assert {item["Category"] for item in (first, last)} == {"Deployment"}
    assert uuid.UUID(first["Id"]) != uuid.UUID(last["Id"])
    assert json.loads(last["Properties"])["Result"] == "deployed"
    [event] = events(stage)
    assert event["name"] == "Deployment"
    assert event["properties"]["result"] == "deployed"
    assert event["properties"]["version"] == "1.3.0.3"
    assert event["measurements"]["duration_s"] > event["measurements"]["image_s"] >= 0
    assert event["measurements"]["traffic_changes"] >= 3
    key = stage.scene.environment["SANDBOX_APP_INSIGHTS"].partition(";")[0].partition("=")[2]
    shown = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    assert key not in "".join(shown) + run.summary


def test_an_abort_before_the_traffic_shift_is_an_event_but_no_annotation(stage: Stage) -> None:
    stage.push_unhealthy()
    stage.variables["CONNECTION"] = stage.scene.environment["SANDBOX_APP_INSIGHTS"]
    text = settings(resource=component(stage), connection_string="${CONNECTION}")

    run = stage.run(**MANIFEST, gate_timeout="2s", settings=text)

    assert run.exit_code == 4, run.log
    assert annotated(stage) == []
    assert [event["properties"]["result"] for event in events(stage)] == ["aborted"]


def test_a_rollback_is_annotated_once(stage: Stage) -> None:
    assert deployed(stage, "").exit_code == 0

    run = stage.run("rollback", settings=f"app-insights: {component(stage)}\n")

    assert run.exit_code == 0, run.log
    assert [item["AnnotationName"] for item in annotated(stage)] == ["rolled back to first"]


def test_a_missing_permission_is_a_warning_that_names_the_role(stage: Stage) -> None:
    stage.variables["CONNECTION"] = stage.scene.environment["SANDBOX_APP_INSIGHTS"]
    identity = signed_in_as(stage, "Container Apps Contributor")
    text = settings(resource=component(stage), connection_string="${CONNECTION}")

    run = deployed(stage, text, **identity)
    checked = stage.run("validate", **MANIFEST, **identity, full="true", settings=text)

    assert run.exit_code == 0, run.log
    role = "Application Insights Component Contributor"
    assert run.logged(f"failed: this identity needs the role {role} on the component")
    assert annotated(stage) == []
    assert len(events(stage)) == 1  # it needs no permission
    assert results(checked)["permissions on Application Insights"] == "warning", checked.log
    assert role in checked.log


@pytest.mark.parametrize(
    ("connection", "problem"),
    [
        ("", "connection-string: the variable CONNECTION is empty"),
        ("nonsense", "connection-string: it must be InstrumentationKey="),
        (
            f"InstrumentationKey={uuid.uuid4()}",
            "it returned status 400: Invalid instrumentation key",
        ),
        (
            "InstrumentationKey=x;IngestionEndpoint=https://evil.example.com/",
            "its IngestionEndpoint is not a host of Azure",
        ),
    ],
    ids=["empty", "invalid", "wrong key", "other host"],
)
def test_a_wrong_connection_string_is_a_warning(
    stage: Stage, connection: str, problem: str
) -> None:
    assert deployed(stage, "").exit_code == 0
    stage.variables["CONNECTION"] = connection

    run = stage.run("rollback", settings=settings(connection_string="${CONNECTION}"))

    assert run.exit_code == 0, run.log
    assert run.logged("warning: Event for Application Insights failed: ")
    assert problem in run.log


def test_a_connection_string_may_be_in_a_vault(stage: Stage) -> None:
    vault = f"kv-{stage.scene.app}"
    secrets = {"insights": stage.scene.environment["SANDBOX_APP_INSIGHTS"]}
    admin(stage.scene.environment, "POST", "/vaults", {"name": vault, "secrets": secrets})
    assert deployed(stage, "").exit_code == 0

    text = settings(connection_string=f"keyvault:{vault}/insights")
    run = stage.run("rollback", settings=text)

    assert run.exit_code == 0, run.log
    assert [event["properties"]["result"] for event in events(stage)] == ["rolled-back"]


def test_a_connection_string_in_the_settings_is_refused(stage: Stage) -> None:
    text = settings(connection_string=stage.scene.environment["SANDBOX_APP_INSIGHTS"])

    run = stage.run(**MANIFEST, settings=text)

    assert run.exit_code == 2, run.log
    assert run.logged("app-insights.connection-string: a secret must not be written")
