"""Scripted faults happen exactly as scripted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import requests

from tests.stage import Stage


def _url(stage: Stage) -> str:
    return f"{stage.scene.environment['SANDBOX_URL']}/faults"


def _script(stage: Stage, *faults: dict[str, Any]) -> requests.Response:
    return requests.post(_url(stage), json=list(faults), timeout=10, proxies={"http": ""})


def test_a_refused_write_changes_nothing(stage: Stage) -> None:
    body = {"error": {"code": "InternalServerError", "message": "try later"}}
    _script(
        stage,
        {
            "host": "management.azure.com",
            "method": "PATCH",
            "path": f"*/{stage.scene.app}",
            "times": "1",
            "status": 503,
            "headers": {"Retry-After": "1"},
            "body": body,
        },
    )
    first = stage.scene.ask("PATCH", stage.scene.path, {"tags": {"a": "1"}})
    second = stage.scene.ask("PATCH", stage.scene.path, {"tags": {"b": "2"}})
    stage.wait_until_idle()

    assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
    assert first.json() == body
    assert second.status_code == 202
    assert stage.tags() == {"b": "2"}


def test_an_answer_can_be_lost_after_the_change_was_accepted(stage: Stage) -> None:
    _script(
        stage,
        {
            "method": "PATCH",
            "path": f"*/{stage.scene.app}",
            "times": 1,
            "drop": True,
            "after": True,
        },
    )
    with pytest.raises(requests.ConnectionError):
        stage.scene.ask("PATCH", stage.scene.path, {"tags": {"a": "1"}})
    stage.wait_until_idle()

    assert stage.tags() == {"a": "1"}


def test_an_accepted_operation_can_fail(stage: Stage) -> None:
    ending = {"status": "Canceled", "code": "Operation", "message": "Operation expired."}
    _script(stage, {"method": "PATCH", "path": f"*/{stage.scene.app}", "operation": ending})
    reply = stage.scene.ask("PATCH", stage.scene.path, {"tags": {"a": "1"}})
    stage.wait_until_idle()
    status = stage.scene.ask("GET", reply.headers["Azure-AsyncOperation"]).json()

    assert reply.status_code == 202
    assert status["status"] == "Canceled"
    assert status["error"] == {"code": "Operation", "message": "Operation expired."}
    assert stage.scene.resource()["properties"]["provisioningState"] == "Canceled"


def test_a_fault_can_be_about_one_kind_of_change(stage: Stage) -> None:
    path = f"*/{stage.scene.app}"
    _script(stage, {"path": path, "change": "traffic", "status": 503})
    split = [{"revisionName": stage.first, "weight": 100}]
    traffic = {"properties": {"configuration": {"ingress": {"traffic": split}}}}

    assert stage.scene.ask("PATCH", stage.scene.path, {"tags": {"a": "b"}}).status_code == 202
    stage.wait_until_idle()
    assert stage.scene.ask("PATCH", stage.scene.path, traffic).status_code == 503
    assert stage.tags() == {"a": "b"}


def test_the_app_can_fail_for_some_of_its_users(stage: Stage) -> None:
    _script(stage, {"revision": stage.first, "path": "/version", "percent": 25, "status": 500})

    answers = Counter(
        stage.scene.session.get(f"{stage.url}/version", timeout=10).status_code for _ in range(200)
    )

    assert set(answers) == {200, 500}
    assert 20 <= answers[500] <= 80  # 50 are expected, five standard deviations are 30


def test_a_killed_replica_is_restarted(stage: Stage) -> None:
    _script(stage, {"revision": stage.first, "path": "/crash", "times": 1, "crash": True})
    stage.scene.session.get(f"{stage.url}/crash", timeout=10)

    stage.scene.wait_until_serving()

    path = f"{stage.scene.path}/revisions/{stage.first}/replicas"
    containers = stage.scene.ask("GET", path).json()["value"][0]["properties"]["containers"]
    assert containers[0]["restartCount"] == 1
    assert stage.serves()["revision"] == stage.first


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"hots": "x", "drop": True}, "'hots'"),
        ({"host": "x"}, "needs at least one of"),
        ({"drop": True, "times": "often"}, "'often'"),
        ({"operation": {"status": "Late"}}, "Failed or Canceled"),
    ],
)
def test_an_invalid_fault_is_refused(stage: Stage, fault: dict[str, Any], word: str) -> None:
    refused = _script(stage, fault)

    assert refused.status_code == 400
    assert word in refused.json()["error"]
    assert requests.get(_url(stage), timeout=10, proxies={"http": ""}).json() == {"faults": []}
