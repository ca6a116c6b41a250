"""Errors of ARM: the run recovers from each kind at each write, or aborts cleanly.

No write is sent again blindly: the tests check the final state of the app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.stage import Stage, assert_lock_released

ARM = "management.azure.com"
INPUTS = {"manifest": "addin/manifest.xml", "operation_timeout": "20s"}
WRITES = {
    "pinning": 1,
    "creating": 2,
    "the first step": 3,
    "the second step": 4,
    "promoting": 5,
    "closing the journal": 6,
}
BUSY = {"error": {"code": "ContainerAppOperationInProgress", "message": "an operation runs"}}
OVERCOME: dict[str, dict[str, Any]] = {
    "409 while another operation runs": {"status": 409, "body": BUSY},
    "429 that says how long": {"status": 429, "headers": {"Retry-After": "1"}},
    "429 that does not": {"status": 429},
    "500 before it was taken": {"status": 500, "body": "Internal Server Error"},
    "503 before it was taken": {"status": 503},
    "503 after it was taken": {"status": 503, "after": True},
    "504 after it was taken": {"status": 504, "after": True},
    "a connection lost before": {"drop": True},
    "a connection lost after": {"drop": True, "after": True},
}
FATAL: dict[str, dict[str, Any]] = {
    "the operation fails": {
        "operation": {"status": "Failed", "code": "InternalError", "message": "no capacity"}
    },
    "the operation is canceled": {"operation": {"status": "Canceled", "code": "Canceled"}},
    "400": {"status": 400, "body": {"error": {"code": "Invalid", "message": "not like this"}}},
    "403": {"status": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}},
    "accepted, and nothing comes of it": {"status": 200, "body": {}},
}


# Every error at two writes, the worst errors at all writes.
PASSING = [(write, trouble) for write in ("creating", "the second step") for trouble in OVERCOME]
PASSING += [
    (write, trouble)
    for write in WRITES
    for trouble in ("409 while another operation runs", "503 after it was taken")
    if (write, trouble) not in PASSING
]
STAYING = [(write, trouble) for write in ("creating", "promoting") for trouble in FATAL]
STAYING += [
    (write, "the operation fails") for write in ("pinning", "the first step", "the second step")
]


@pytest.fixture
def azure_with_faults(stage: Stage) -> Iterator[Stage]:
    yield stage
    requests.delete(_faults(stage), timeout=30, proxies={"http": ""})


def _faults(stage: Stage) -> str:
    return f"{stage.scene.environment['SANDBOX_URL']}/faults"


def _script(stage: Stage, *faults: dict[str, Any]) -> None:
    reply = requests.post(_faults(stage), json=faults, timeout=30, proxies={"http": ""})
    reply.raise_for_status()


def _at(stage: Stage, write: str, trouble: dict[str, Any]) -> dict[str, Any]:
    path = f"*/{stage.scene.app}"
    return {"host": ARM, "method": "PATCH", "path": path, "times": str(WRITES[write]), **trouble}


@pytest.mark.parametrize(("write", "trouble"), PASSING)
def test_transient_errors_are_retried(azure_with_faults: Stage, write: str, trouble: str) -> None:
    stage = azure_with_faults
    stage.push_healthy()
    _script(stage, _at(stage, write, OVERCOME[trouble]))
    with stage.users().busy(pause_s=0.05) as users:
        run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert stage.serves()["version"] == run.outputs["version"]
    assert len(stage.scene.revisions()) == 2, "one candidate, and not one for each attempt"
    assert_lock_released(stage)
    assert users.failures == []


@pytest.mark.parametrize(("write", "trouble"), STAYING)
def test_permanent_errors_abort_cleanly(azure_with_faults: Stage, write: str, trouble: str) -> None:
    stage = azure_with_faults
    pushed = stage.push_healthy()
    _script(stage, _at(stage, write, FATAL[trouble]))
    with stage.users().busy(pause_s=0.05) as users:
        run = stage.run(**INPUTS)

    assert run.exit_code == 4, run.log
    assert set(stage.weights()) <= {stage.first, "latest"}
    assert stage.serves()["revision"] == stage.first
    assert stage.active() == [stage.first]
    assert stage.branch_head() == pushed
    assert stage.checkout_is_clean()
    assert_lock_released(stage)
    assert users.failures == []


@pytest.mark.parametrize("trouble", FATAL)
def test_a_journal_that_cannot_be_closed_does_not_undo_a_promotion(
    azure_with_faults: Stage, trouble: str
) -> None:
    stage = azure_with_faults
    stage.push_healthy()
    _script(stage, _at(stage, "closing the journal", FATAL[trouble]))
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    stage.wait_until_idle()
    if stage.is_locked():
        again = stage.run("repair", take_over="true")
        assert again.exit_code == 0
        assert stage.weights() == {run.outputs["revision"]: 100}
        assert_lock_released(stage)


def test_without_access_to_the_operation_status_the_app_is_read(azure_with_faults: Stage) -> None:
    stage = azure_with_faults
    stage.push_healthy()
    _script(
        stage,
        {"host": ARM, "path": "*/containerappoperationstatuses/*", "status": 403},
        {"host": ARM, "path": "*/containerappoperationresults/*", "status": 404},
    )
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log


def test_transient_read_errors_only_delay_the_run(azure_with_faults: Stage) -> None:
    stage = azure_with_faults
    stage.push_healthy()
    _script(
        stage,
        {
            "host": ARM,
            "method": "GET",
            "path": f"*/{stage.scene.app}",
            "times": "4-5",
            "status": 503,
        },
        {"host": ARM, "method": "GET", "path": "*/revisions/*", "times": "2", "drop": True},
    )
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log


def test_a_stale_read_is_not_mistaken_for_a_concurrent_change(azure_with_faults: Stage) -> None:
    stage = azure_with_faults
    stage.push_healthy()
    first = stage.run(**INPUTS)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    stale = stage.scene.resource()
    app = f"*/{stage.scene.app}"
    old = {"status": 200, "body": stale}
    _script(stage, {"host": ARM, "method": "GET", "path": app, "times": "6-8", **old})
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    assert run.outputs["previous-revision"] == first.outputs["revision"]
    assert stage.weights() == {run.outputs["revision"]: 100}


@pytest.mark.long
def test_a_permanent_outage_aborts_and_lists_what_was_not_restored(
    azure_with_faults: Stage,
) -> None:
    """Nothing can be restored while Azure is down; the next run uses the journal to do it."""
    stage = azure_with_faults
    stage.push_healthy()
    path = f"*/{stage.scene.app}"
    _script(stage, {"host": ARM, "method": "PATCH", "path": path, "times": "4-", "status": 503})
    run = stage.run(**{**INPUTS, "operation_timeout": "2s"})
    requests.delete(_faults(stage), timeout=30, proxies={"http": ""})

    assert run.exit_code == 5, run.log
    assert run.outputs["result"] == "abort-failed"
    assert "Not restored: the traffic (run the command repair, or deploy again)" in run.log
    assert stage.serves()["revision"] in stage.weights()

    repaired = stage.run("repair", take_over="true")
    assert repaired.exit_code == 0, repaired.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert_lock_released(stage)
