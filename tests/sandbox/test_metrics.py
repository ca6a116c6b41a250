"""Azure Monitor's platform metrics: real counts of the ingress and the replicas, by minute."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import timedelta
from typing import Any

from tests.stage import Stage

LONG_AGO_S = 600.0


def ask(stage: Stage, metric: str = "Requests", filter_: str = "", **more: str) -> Any:
    """Ask for the last half hour of a metric; any answer is returned."""
    end = stage.date() + timedelta(minutes=1)
    start = end - timedelta(minutes=40)
    query = {
        "api-version": "2024-02-01",
        "metricnames": metric,
        "timespan": f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}",
        "interval": "PT1M",
        **({"$filter": filter_} if filter_ else {}),
        **more,
    }
    path = f"{stage.scene.path}/providers/Microsoft.Insights/metrics"
    return stage.scene.ask("GET", path, params=query)


def series(stage: Stage, metric: str = "Requests", filter_: str = "", **more: str) -> Any:
    answer = ask(stage, metric, filter_, **more)
    assert answer.status_code == 200, answer.text
    [value] = answer.json()["value"]
    assert value["errorCode"] == "Success"
    return value["timeseries"]


def totals(stage: Stage, *dimensions: str) -> dict[tuple[str, ...], float]:
    """Return the number of requests by the values of some dimensions."""
    filter_ = " and ".join(f"{name} eq '*'" for name in dimensions)
    sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for one in series(stage, "Requests", filter_, top="1000"):
        values = tuple(item["value"] for item in one["metadatavalues"])
        sums[values] += sum(point["total"] for point in one["data"])
    return dict(sums)


def use(stage: Stage, times: int = 1, path: str = "/version", url: str = "") -> list[int]:
    """Send requests as a user; return the status codes."""
    session = stage.scene.session
    return [session.get(f"{url or stage.url}{path}", timeout=30).status_code for _ in range(times)]


def fail(stage: Stage, status: int, path: str) -> None:
    host = stage.url.removeprefix("https://")
    body = "a scripted failure"
    stage.admin("faults", [{"host": host, "path": path, "status": status, "body": body}])


def second_revision(stage: Stage) -> str:
    """Add a revision that gets half of the requests."""
    template = stage.scene.resource()["properties"]["template"]
    template["revisionSuffix"] = "second"
    second = f"{stage.scene.app}--second"
    stage.scene.arm(
        "PATCH", f"/containerApps/{stage.scene.app}", {"properties": {"template": template}}
    )
    stage.wait_until_idle()
    end = time.monotonic() + 60
    while stage.scene.revisions()[second]["healthState"] != "Healthy":
        assert time.monotonic() < end, "the second revision does not get ready"
        time.sleep(0.05)
    halves = [{"revisionName": name, "weight": 50} for name in (stage.first, second)]
    ingress = {"ingress": {"traffic": halves}}
    body = {"properties": {"configuration": ingress}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", body)
    stage.wait_until_idle()
    return second


def test_requests_are_counted_by_revision_and_status_class(stage: Stage) -> None:
    second = second_revision(stage)
    fail(stage, 503, "/broken")
    before = totals_after(stage)

    use(stage, 20)
    use(stage, 3, "/nowhere")
    use(stage, 4, "/broken")
    candidate = stage.url.replace(stage.scene.app, second, 1)
    use(stage, 5, url=candidate)

    after = totals_after(stage)
    added = {key: after[key] - before.get(key, 0) for key in after}
    by_status: defaultdict[str, float] = defaultdict(float)
    for (_, status), count in added.items():
        by_status[status] += count
    assert dict(by_status) == {"2xx": 25, "4xx": 3, "5xx": 4}
    assert added[second, "2xx"] >= 5
    assert added[stage.first, "2xx"] > 0
    assert sum(totals(stage).values()) == sum(after.values())


def totals_after(stage: Stage) -> dict[tuple[str, ...], float]:
    """Return the counts once Azure Monitor has them all."""
    stage.clock(advance=LONG_AGO_S)
    return totals(stage, "revisionName", "statusCodeCategory")


def test_names_of_dimensions_are_lower_case_and_values_are_not(stage: Stage) -> None:
    use(stage)
    stage.clock(advance=LONG_AGO_S)

    filter_ = f"REVISIONNAME eq '{stage.first}' and podName eq '*' and statusCode eq '200'"
    [only] = series(stage, "Requests", filter_)

    names = [item["name"]["value"] for item in only["metadatavalues"]]
    assert names == ["revisionname", "podname", "statuscode"]
    revision, pod, _ = (item["value"] for item in only["metadatavalues"])
    assert revision == stage.first
    assert pod.startswith(f"{stage.first}-")


def test_both_ends_are_floored_and_the_running_minute_is_absent(stage: Stage) -> None:
    now = stage.date()
    start = now.replace(second=19) - timedelta(minutes=10)
    end = now + timedelta(minutes=5)

    [only] = series(
        stage, timespan=f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}", aggregation="Total"
    )

    stamps = [point["timeStamp"] for point in only["data"]]
    assert stamps[0] == f"{start:%Y-%m-%dT%H:%M}:00Z"
    running = {f"{moment:%Y-%m-%dT%H:%M}:00Z" for moment in (now, stage.date())}
    assert not running & set(stamps[10:])
    assert len(stamps) in {10, 11}


def test_the_newest_minutes_are_empty_until_azure_monitor_has_them(stage: Stage) -> None:
    stage.clock(advance=LONG_AGO_S)
    use(stage, 7)
    stage.admin("metrics", {"lag_s": 240})
    try:
        stage.clock(advance=120)
        [late] = series(stage, "Requests")
        [gauge] = series(stage, "WorkingSetBytes")
        assert [point["total"] for point in late["data"][-2:]] == [0.0, 0.0]
        assert gauge["data"][-1].keys() == {"timeStamp"}

        stage.clock(advance=240)
        [complete] = series(stage, "Requests")
        assert sum(point["total"] for point in complete["data"]) >= 7
    finally:
        stage.admin("metrics", {"lag_s": 90})


def test_a_minute_without_requests_is_zero_and_one_without_measurement_has_no_value(
    stage: Stage,
) -> None:
    stage.clock(advance=LONG_AGO_S)

    [counter] = series(stage, "Requests")
    [gauge] = series(stage, "ResponseTime")

    assert counter["data"][0]["total"] == 0.0
    assert gauge["data"][0].keys() == {"timeStamp"}


def test_ten_series_are_returned_unless_more_are_asked_for(stage: Stage) -> None:
    codes = [400, 401, 403, 404, 405, 409, 410, 418, 429, 500, 502, 503]
    for code in codes:
        fail(stage, code, f"/{code}")
        use(stage, 1, f"/{code}")
    stage.clock(advance=LONG_AGO_S)

    assert len(series(stage, "Requests", "statusCode eq '*'")) == 10
    all_of_them = series(stage, "Requests", "statusCode eq '*'", top="100")

    assert {item["metadatavalues"][0]["value"] for item in all_of_them} >= {*map(str, codes)}
    assert ask(stage, "Requests", "statusCode eq '*'", top="2147483648").status_code == 400


def test_values_that_never_occurred_have_no_series(stage: Stage) -> None:
    use(stage)
    stage.clock(advance=LONG_AGO_S)

    assert series(stage, "Requests", "statusCodeCategory eq '3xx'") == []
    either = "statusCodeCategory eq '2xx' or statusCodeCategory eq '3xx'"
    assert len(series(stage, "Requests", either)) == 1
    assert series(stage, "Requests", either, resultType="metadata") == [
        {
            "metadatavalues": [
                {
                    "name": {"value": "statuscodecategory", "localizedValue": "statuscodecategory"},
                    "value": "2xx",
                }
            ]
        }
    ]


def test_a_young_revision_is_refused_without_an_error_object(stage: Stage) -> None:
    young = ask(stage, "Requests", f"revisionName eq '{stage.first}'")
    wrong = ask(stage, "CpuPercentage", "revisionName eq '*'")

    for answer in (young, wrong):
        assert answer.status_code == 400
        assert answer.json().keys() == {"code", "message"}
        assert answer.json()["code"] == "BadRequest"
        assert "requested dimension combination: revisionname" in answer.json()["message"]
    assert series(stage, "Requests", "revisionName eq '*'") == []
    [unsplit] = series(stage, "Requests")
    assert all(point.keys() == {"timeStamp"} for point in unsplit["data"])

    stage.clock(advance=LONG_AGO_S)
    assert ask(stage, "Requests", f"revisionName eq '{stage.first}'").status_code == 200


def test_a_name_that_no_revision_has_matches_no_series(stage: Stage) -> None:
    answer = ask(stage, "Requests", "revisionName eq 'no-such--revision'")
    assert answer.status_code == 200
    [value] = answer.json()["value"]
    assert value["errorCode"] == "Success"
    assert value["timeseries"] == []


def test_requests_that_cannot_be_read_are_refused(stage: Stage) -> None:
    for filter_ in (
        "statusCode",
        "statusCode ne '5'",
        "statusCode eq '1' and",
        "(statusCode eq '1'",
    ):
        assert ask(stage, "Requests", filter_).json()["code"] == "BadRequest"
    mixed = "statusCode eq '500' or statusCodeCategory eq '5xx'"
    assert "'or' joins values of one dimension" in ask(stage, "Requests", mixed).text
    assert "Valid metrics: Requests" in ask(stage, "Request").json()["message"]
    assert ask(stage, interval="PT2M").status_code == 400
    assert ask(stage, timespan="yesterday").status_code == 400
    unsupported = ask(stage, aggregation="Sum").json()["value"][0]
    assert (unsupported["errorCode"], unsupported["timeseries"]) == ("InvalidSamplingType", [])


def test_without_the_permission_the_answer_is_403(stage: Stage) -> None:
    permission = "Microsoft.Insights/metrics/read"
    stage.admin("permissions", {"remove": [permission], "scope": stage.scene.path})

    answer = ask(stage)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "AuthorizationFailed"
    assert permission in answer.json()["error"]["message"]
    assert stage.scene.ask("GET", stage.scene.path).status_code == 200


def test_a_restart_is_one_minute_with_one(stage: Stage) -> None:
    host = stage.url.removeprefix("https://")
    crash = {"host": host, "path": "/crash", "revision": "*", "crash": True, "times": "1"}
    stage.admin("faults", [crash])
    use(stage, 1, "/crash")
    stage.scene.wait_until_serving()
    stage.clock(advance=LONG_AGO_S)

    [only] = series(stage, "RestartCount", "podName eq '*'", aggregation="Total")

    assert only["metadatavalues"][0]["value"].startswith(stage.first)
    assert sorted(point["total"] for point in only["data"])[-2:] == [0.0, 1.0]


def test_replicas_cpu_and_memory_are_measured(stage: Stage) -> None:
    end = time.monotonic() + 60
    cpu: list[Any] = []
    while not cpu:  # two samples make a value
        assert time.monotonic() < end, "no CPU time was measured"
        use(stage, 50)
        stage.clock(advance=LONG_AGO_S)
        cpu = series(stage, "UsageNanoCores", f"revisionName eq '{stage.first}'")

    [replicas] = series(stage, "Replicas", "revisionName eq '*'", aggregation="Maximum")
    [memory] = series(stage, "WorkingSetBytes", "podName eq '*'")
    [percent] = series(stage, "MemoryPercentage", "podName eq '*'")

    assert max(point["maximum"] for point in replicas["data"]) == 1.0
    assert values(memory, "average")[0] > 2**20
    assert 0 < values(percent, "average")[0] < 100
    assert values(cpu[0], "average")


def values(single: Any, key: str) -> list[float]:
    return [point[key] for point in single["data"] if key in point]


def test_points_can_span_several_minutes(stage: Stage) -> None:
    use(stage, 9)
    stage.clock(advance=LONG_AGO_S)
    alone = sum(totals(stage).values())

    [hour] = series(stage, interval="FULL", aggregation="Total,Maximum")
    [quarters] = series(stage, interval="PT15M")

    [point] = hour["data"]
    assert (point["total"], point["maximum"]) == (alone, 1.0)
    assert sum(point["total"] for point in quarters["data"]) == alone
    assert len(quarters["data"]) == 3


def test_the_api_version_is_one_of_azure_monitor(stage: Stage) -> None:
    path = f"{stage.scene.path}/providers/Microsoft.Insights/metrics"
    for version in ("2018-01-01", "2024-02-01"):  # az still sends the first one
        answer = stage.scene.ask("GET", path, params={"api-version": version})
        assert answer.status_code == 200, answer.text


def test_the_definitions_name_metrics_and_dimensions(stage: Stage) -> None:
    path = f"{stage.scene.path}/providers/microsoft.insights/metricDefinitions"
    items = {
        item["name"]["value"]: [dimension["value"] for dimension in item["dimensions"]]
        for item in stage.scene.ask("GET", path).json()["value"]
    }

    assert items["Requests"] == ["revisionName", "podName", "statusCodeCategory", "statusCode"]
    assert items["CpuPercentage"] == ["podName"]
