"""Metrics by revision, read from the local Azure over Resource Manager."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from deploy_action.adapters.azure_monitor import (
    AzureMonitor,
    MetricsError,
    MetricsForbiddenError,
    NoMetricsYetError,
)
from deploy_action.adapters.resource_manager import ResourceManager
from deploy_action.core.analysis import Window
from tests.stage import Stage

LONG_AGO_S = 600.0
METRICS = "*/microsoft.insights/metrics"


def admin(stage: Stage, path: str, body: object, method: str = "POST") -> None:
    url = f"{stage.scene.environment['SANDBOX_URL']}/{path}"
    requests.request(method, url, json=body, timeout=30, proxies={"http": ""}).raise_for_status()


@pytest.fixture
def monitor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureMonitor]:
    """Metrics of an app that is ten minutes old."""
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, stage.scene.environment[name])
    stage.clock(advance=LONG_AGO_S)
    arm = ResourceManager(stage.scene.token)
    yield AzureMonitor(arm=arm, app_id=stage.scene.path)
    admin(stage, "faults", None, "DELETE")
    admin(stage, "permissions", None, "DELETE")


def use(stage: Stage, times: int, path: str = "/version") -> None:
    for _ in range(times):
        stage.scene.session.get(f"{stage.url}{path}", timeout=30)


def last_minutes(monitor: AzureMonitor, minutes: int = 30) -> Window:
    """Return a window that ends with the newest whole minute of Azure's clock."""
    monitor.arm.get(monitor.app_id, {"api-version": "2025-07-01"})  # learns the time
    end_s = monitor.now_s() // 60 * 60
    return Window(start_s=end_s - minutes * 60, end_s=end_s)


def test_requests_are_counted_by_status_class(stage: Stage, monitor: AzureMonitor) -> None:
    host = stage.url.removeprefix("https://")
    admin(stage, "faults", [{"host": host, "path": "/broken", "status": 500}])
    use(stage, 7)
    use(stage, 3, "/broken")
    use(stage, 2, "/no-such-page")
    stage.clock(advance=180)

    result = monitor.requests_by_class(stage.first, last_minutes(monitor, 5))

    assert {name: count for name, count in result.items() if count} == {
        "2xx": 7,
        "5xx": 3,
        "4xx": 2,
    }


def test_a_window_leaves_out_what_happened_before_it(stage: Stage, monitor: AzureMonitor) -> None:
    use(stage, 5)
    stage.clock(advance=300)
    use(stage, 1)
    stage.clock(advance=180)
    window = last_minutes(monitor, 4)
    assert sum(monitor.requests_by_class(stage.first, window).values()) == 1


def test_cpu_and_memory_are_found_by_the_names_of_replicas(
    stage: Stage, monitor: AzureMonitor
) -> None:
    end = time.monotonic() + 60
    while not (result := monitor.usage([stage.first, "other"], last_minutes(monitor))):
        assert time.monotonic() < end
        stage.clock(advance=60)
        time.sleep(1)
    assert set(result) == {stage.first}
    assert "memory" in str(result[stage.first])
    assert monitor.restart_minutes(stage.first, last_minutes(monitor)) == 0


def test_azures_time_is_read_from_responses(stage: Stage, monitor: AzureMonitor) -> None:
    last_minutes(monitor)
    before = monitor.now_s()
    stage.clock(advance=3600)
    last_minutes(monitor)
    assert monitor.now_s() - before >= 3598


def test_a_missing_role_is_named(stage: Stage, monitor: AzureMonitor) -> None:
    admin(stage, "permissions", {"remove": ["Microsoft.Insights/metrics/read"]})
    with pytest.raises(MetricsForbiddenError) as caught:
        monitor.requests_by_class(stage.first, last_minutes(monitor))
    assert "Microsoft.Insights/metrics/read" in caught.value.message
    assert "Monitoring Reader" in caught.value.hint


def test_a_young_revision_is_distinguished_from_other_errors(
    stage: Stage, monitor: AzureMonitor
) -> None:
    admin(stage, "metrics", {"young_s": 1e9})
    try:
        with pytest.raises(NoMetricsYetError, match="does not support requested dimension"):
            monitor.requests_by_class(stage.first, last_minutes(monitor))
    finally:
        admin(stage, "metrics", {"young_s": 120.0})


def test_a_name_that_no_revision_has_counts_no_requests(
    stage: Stage, monitor: AzureMonitor
) -> None:
    assert not monitor.requests_by_class(f"{stage.scene.app}--new", last_minutes(monitor))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_transient_refusal_raises_an_error_with_azures_message(
    stage: Stage, monitor: AzureMonitor, status: int
) -> None:
    body = {"error": {"code": "TooMany", "message": "slow down"}}
    window = last_minutes(monitor)
    admin(stage, "faults", [{"path": METRICS, "status": status, "body": body}])
    with pytest.raises(MetricsError, match="TooMany: slow down") as caught:
        monitor.requests_by_class(stage.first, window)
    assert type(caught.value) is MetricsError


@pytest.mark.parametrize("body", ["", "[1]", '{"value": [{"timeseries": 7}]}', '{"value": 1}'])
def test_an_invalid_response_has_no_data(stage: Stage, monitor: AzureMonitor, body: str) -> None:
    window = last_minutes(monitor)
    admin(stage, "faults", [{"path": METRICS, "status": 200, "body": body}])
    assert monitor.requests_by_class(stage.first, window) == {}


def test_each_read_is_one_request_for_at_least_a_hundred_series(
    stage: Stage, monitor: AzureMonitor
) -> None:
    window = last_minutes(monitor)
    before = len([call for call in stage.requests() if "metrics" in call["path"].lower()])
    monitor.requests_by_class(stage.first, window)
    calls = [call for call in stage.requests() if "metrics" in call["path"].lower()][before:]
    assert len(calls) == 1
