"""Limits of time and memory hold with hostile candidates and hanging services."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stage import Stage
from tests.support.redis_flood import flood

INPUTS = {"manifest": "addin/manifest.xml", "health_timeout": "1s", "gate_timeout": "6s"}
MOST_MEMORY_KB = 150 << 10
# What a candidate sends first, what it then repeats, and the pause between repetitions.
ANSWERS = {
    "drips its body": ("HTTP/1.1 200 OK\\r\\nContent-Length: 99999\\r\\n\\r\\n", "x", 0.1),
    "drips its header": ("HTTP/1.1 200 OK\\r\\nX-Slow: ", "x", 0.1),
    "drips interim responses": ("", "HTTP/1.1 103 Early Hints\\r\\n\\r\\n", 0.1),
    "redirects with an endless body": (
        "HTTP/1.1 302 Found\\r\\nLocation: /\\r\\nContent-Length: 9999999999\\r\\n\\r\\n",
        "x" * 65_536,
        0,
    ),
}


@pytest.fixture
def stage_with_faults(stage: Stage) -> Iterator[Stage]:
    yield stage
    requests.delete(_faults(stage), timeout=30, proxies={"http": ""})


def _faults(stage: Stage) -> str:
    return f"{stage.scene.environment['SANDBOX_URL']}/faults"


def _script(stage: Stage, **fault: Any) -> None:
    faults = [{"host": "management.azure.com", **fault}]
    requests.post(_faults(stage), json=faults, timeout=30, proxies={"http": ""}).raise_for_status()


def _push_hostile(stage: Stage, answer: str, after: int) -> None:
    first, then, pause_s = ANSWERS[answer]
    new = f"""        parts = urlsplit(self.path)
        if parts.path == "/health/ready":
            Handler.asked = getattr(Handler, "asked", 0) + 1
            if Handler.asked > {after}:
                import time
                self.connection.sendall(b"{first}")
                while True:
                    self.connection.sendall(b"{then}")
                    time.sleep({pause_s})
"""
    stage.push("addin/app/__main__.py", "        parts = urlsplit(self.path)\n", new)


@pytest.mark.parametrize("after", [0, 4], ids=["at once", "once users are on it"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_l1_a_hostile_candidate_neither_delays_the_undo_nor_costs_memory(
    stage: Stage, answer: str, after: int
) -> None:
    _push_hostile(stage, answer, after)
    with stage.users().busy() as users:
        code, log, peak_kb = _measured(stage, **INPUTS)

    assert code == 4, log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    # The platform itself may stop sending users to a candidate whose probes no longer pass.
    assert set(users.failures) <= {"503 no healthy upstream"}
    assert peak_kb < MOST_MEMORY_KB


@pytest.mark.parametrize(
    "call",
    [
        {"method": "GET", "path": "*/revisions"},
        {"method": "GET", "path": "*/permissions"},
        {"host": "login.microsoftonline.com", "method": "POST"},
        {"host": "*.azurecr.io", "method": "POST"},
        {"host": "*.azurecr.io", "method": "GET", "path": "/v2/*"},
        {"host": "*.blob.core.windows.net", "method": "GET"},
    ],
    ids=["revisions", "permissions", "sign-in", "registry token", "image", "build log"],
)
def test_l1_large_responses_of_azure_and_the_registry_cost_no_memory(
    stage_with_faults: Stage, call: dict[str, str]
) -> None:
    stage = stage_with_faults
    stage.push_healthy()
    _script(stage, **call, mutate="large")
    code, log, peak_kb = _measured(stage, **INPUTS, operation_timeout="5s")

    assert "unexpected error" not in log
    assert code == 0 or stage.serves()["revision"] == stage.first, log
    assert peak_kb < MOST_MEMORY_KB


@pytest.mark.parametrize("required", ["false", "true"])
def test_l1_a_large_response_of_redis_costs_no_memory(stage: Stage, required: str) -> None:
    stage.push_healthy()
    with flood() as server:
        code, log, peak_kb = _measured(
            stage,
            cache_url=f"redis://127.0.0.1:{server.port}/0",
            cache_patterns="manifest:*",
            cache_required=required,
            cache_timeout="5s",
        )

    assert code == (3 if required == "true" else 0), log
    assert "unexpected error" not in log
    assert peak_kb < MOST_MEMORY_KB


def test_an_ordinary_deployment_stays_below_the_memory_limit(stage: Stage) -> None:
    stage.push_healthy()
    code, log, peak_kb = _measured(stage, manifest="addin/manifest.xml")

    assert code == 0, log
    assert peak_kb < MOST_MEMORY_KB


def test_l1_a_write_that_hangs_ends_with_the_operation_timeout(stage_with_faults: Stage) -> None:
    stage = stage_with_faults
    stage.push_healthy()
    _script(stage, method="PATCH", change="template", hold=True)
    run = stage.run(**INPUTS, operation_timeout="3s")

    assert run.exit_code == 4, run.log
    assert "Azure did not respond in time" in run.log
    assert "operation-timeout" in run.log
    assert "ConnectionPool" not in run.log
    assert stage.serves()["revision"] == stage.first


@pytest.mark.parametrize("path", ["*/runs/*", "*/schedulerun"])
def test_l1_a_build_ends_with_the_build_timeout_although_azure_is_silent(
    stage_with_faults: Stage, path: str
) -> None:
    stage = stage_with_faults
    stage.push_healthy()
    _script(stage, path=path, method="*", hold=True)
    run = stage.run(**INPUTS, build_timeout="3s", operation_timeout="600s")

    assert run.exit_code == 4, run.log
    assert float(run.outputs["duration"]) < 500, "not the operation timeout"
    assert stage.serves()["revision"] == stage.first
    assert list(stage.scene.revisions()) == [stage.first]


def test_throttling_is_one_line_for_each_retry_and_nothing_else(stage_with_faults: Stage) -> None:
    stage = stage_with_faults
    stage.push_healthy()
    _script(stage, method="GET", times="2-4", status=429, headers={"Retry-After": "1"})
    run = stage.run(**INPUTS)

    assert run.exit_code == 0, run.log
    lines = [line for line in run.log.splitlines() if re.search(r"\b429\b|throttl\w+ ", line)]
    assert len(lines) == 3
    retry = r"\S+Z [a-z]+ +Azure is throttling requests \(429\), retrying in [\d.]+ s"
    assert all(re.fullmatch(retry, line) for line in lines), lines
    assert "azure." not in run.log.replace("azure.com", "").replace("azure.net", "")


def _measured(stage: Stage, **inputs: str) -> tuple[int, str, int]:
    """Run a deployment; return its exit code, its log and its peak memory in KB."""
    stage.preloaded = False  # only what the action itself loads shall count
    process = stage.started(**inputs)
    assert process.stdout is not None
    log: list[str] = []
    reader = threading.Thread(target=lambda: log.extend(process.stdout or ()))
    reader.start()
    peak_kb = 0
    while process.poll() is None:
        peak_kb = max(peak_kb, _high_water_kb(process.pid))
        time.sleep(0.02)
    reader.join()
    process.stdout.close()
    return process.wait(), "".join(log), peak_kb


def _high_water_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) if match else 0
