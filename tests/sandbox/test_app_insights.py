"""Application Insights: release annotations through Resource Manager, and its ingestion."""

from __future__ import annotations

import gzip
import json
from typing import Any

import requests

from tests.stage import Stage


def component(stage: Stage) -> str:
    name = "well-intake-env-insights"
    return f"{stage.scene.group_path}/providers/Microsoft.Insights/components/{name}"


def annotation(**more: Any) -> dict[str, Any]:
    return {
        "Id": "8c7d2f3a-0000-0000-0000-000000000001",
        "AnnotationName": "v1.3.0.3",
        "EventTime": "2026-06-01T12:00:00Z",
        "Category": "Deployment",
        "Properties": json.dumps({"ReleaseName": "v1.3.0.3"}),
        **more,
    }


def settings(stage: Stage) -> dict[str, str]:
    text = stage.scene.environment["SANDBOX_APP_INSIGHTS"]
    return dict(part.split("=", 1) for part in text.split(";"))


def event(key: str, name: str = "Deploy") -> dict[str, Any]:
    base = {"ver": 2, "name": name, "measurements": {"seconds": 41.2}}
    return {
        "name": "Microsoft.ApplicationInsights.Event",
        "time": "2026-06-01T12:00:00.000Z",
        "iKey": key,
        "data": {"baseType": "EventData", "baseData": base},
    }


def send(stage: Stage, items: Any, *, raw: bytes = b"", **headers: str) -> requests.Response:
    url = settings(stage)["IngestionEndpoint"] + "v2.1/track"
    data = raw or json.dumps(items).encode()
    return stage.scene.session.post(url, data=data, headers=headers, timeout=30)


def test_an_annotation_is_written_once_and_listed(stage: Stage) -> None:
    path = f"{component(stage)}/Annotations"

    for _ in range(2):  # a retry with the same Id
        answer = stage.scene.ask("PUT", path, annotation())
        assert (answer.status_code, answer.json()) == (200, [annotation()])

    during = {"start": "2026-06-01T11:00:00Z", "end": "2026-06-01T13:00:00Z", "api-version": "x"}
    later = {**during, "start": "2026-06-01T12:30:00Z"}
    assert stage.scene.ask("GET", path, params=during).json()["value"] == [annotation()]
    assert stage.scene.ask("GET", path, params=later).json()["value"] == []
    assert stage.scene.ask("DELETE", f"{path}/{annotation()['Id']}").status_code == 200
    assert stage.scene.ask("GET", path, params=during).json()["value"] == []


def test_annotations_that_cannot_be_read_are_refused(stage: Stage) -> None:
    path = f"{component(stage)}/Annotations"

    for wrong in ({"Properties": {"a": 1}}, {"EventTime": "today"}, {"AnnotationName": ""}):
        answer = stage.scene.ask("PUT", path, annotation(**wrong))
        assert answer.status_code == 400
        assert answer.json().keys() == {"code", "message", "innererror"}
    missing = path.replace("well-intake-env-insights", "other")
    assert stage.scene.ask("PUT", missing, annotation()).status_code == 404


def test_an_annotation_needs_its_permission(stage: Stage) -> None:
    action = "Microsoft.Insights/components/Annotations/write"
    stage.admin("permissions", {"remove": [action], "scope": component(stage)})
    try:
        answer = stage.scene.ask("PUT", f"{component(stage)}/Annotations", annotation())
    finally:
        url = f"{stage.scene.environment['SANDBOX_URL']}/permissions"
        requests.delete(url, timeout=30)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")


def test_events_are_taken_in_with_the_right_key(stage: Stage) -> None:
    key = settings(stage)["InstrumentationKey"]
    properties = stage.scene.ask("GET", component(stage)).json()["properties"]
    assert properties["ConnectionString"] == stage.scene.environment["SANDBOX_APP_INSIGHTS"]

    good = send(stage, [event(key, "good")])
    lines = "\n".join(json.dumps(event(key, f"line {number}")) for number in range(2))
    packed = send(stage, None, raw=gzip.compress(lines.encode()), **{"Content-Encoding": "gzip"})
    partial = send(stage, [event(key), event("another key")])
    bad = send(stage, [event("another key")])
    broken = send(stage, None, raw=b"{")

    accepted = {"itemsReceived": 1, "itemsAccepted": 1, "errors": []}
    assert (good.status_code, good.json()) == (200, accepted)
    assert packed.json()["itemsAccepted"] == 2
    assert (partial.status_code, partial.json()["itemsAccepted"]) == (206, 1)
    assert (bad.status_code, broken.status_code) == (400, 400)
    url = f"{stage.scene.environment['SANDBOX_URL']}/telemetry"
    kept = requests.get(url, timeout=30).json()["telemetry"]
    names = [item["data"]["baseData"]["name"] for item in kept]
    assert {"good", "line 0", "line 1", "Deploy"} <= set(names)
