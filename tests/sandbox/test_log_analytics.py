"""Queries of Log Analytics: the logs of an app, and what Azure refuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from deploy_action.sandbox.log_analytics.kql import KqlError, run
from tests.stage import Stage

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ROWS = [
    {
        "TimeGenerated": NOW - timedelta(minutes=number),
        "Reason_s": reason,
        "Log_s": f"line {number} of 'it'",
        "Count_d": number,
    }
    for number, reason in enumerate(["Started", "ProbeFailed", "ProbeFailed", "Pulled"])
]
TABLES = {"Logs_CL": ROWS, "Empty_CL": []}


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("Logs_CL | count", [[4]]),
        ("Logs_CL | where Reason_s == 'ProbeFailed' | count", [[2]]),
        ('Logs_CL | where Reason_s != "ProbeFailed" | summarize n=count()', [[2]]),
        ("Logs_CL | where TimeGenerated > ago(90s) | count", [[2]]),
        ("Logs_CL | where Reason_s in ('Pulled', 'Started') and Count_d >= 1 | count", [[1]]),
        ("Logs_CL | where (Reason_s =~ 'PULLED' or Count_d < 1) | count", [[2]]),
        ("Logs_CL | where Log_s contains 'LINE 3' | project Reason_s", [["Pulled"]]),
        ("Logs_CL | where Log_s has 'line' and Log_s startswith 'line 0' | count", [[1]]),
        ("Logs_CL | where Log_s contains '\\'it\\'' | count", [[4]]),
        (
            "Logs_CL // a\n| summarize n=count(), max(Count_d) by Reason_s | sort by n | take 1;",
            [["ProbeFailed", 2, 2]],
        ),
        ("Logs_CL | sort by Count_d asc | project Count_d | limit 2", [[0], [1]]),
        ("Logs_CL | where Reason_s == 'None' | summarize count()", [[0]]),
    ],
)
def test_a_part_of_kql_is_understood(query: str, rows: list[list[Any]]) -> None:
    result = run(query, TABLES, NOW)

    assert [[row[name] for name in result.columns] for row in result.rows] == rows


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("Empty_CL | count", "SemanticError", "named 'Empty_CL'"),
        ("Logs_CL | where Missing == 1", "SemanticError", "named 'Missing'"),
        ("Logs_CL | where Log_s > ago(1h)", "SemanticError", "Cannot compare"),
        ("Logs_CL | render timechart", "SyntaxError", "'render'"),
        ("Logs_CL | where", "SyntaxError", "unexpected end of the query"),
        ("Logs_CL | where Reason_s ~ 'x'", "SyntaxError", "unexpected"),
        ("Logs_CL count", "SyntaxError", "'|' was expected"),
        ("", "SyntaxError", "unexpected end of the query"),
    ],
)
def test_other_queries_are_refused(query: str, code: str, text: str) -> None:
    with pytest.raises(KqlError, match=re.escape(text)) as refused:
        run(query, TABLES, NOW)

    assert refused.value.code == code


def workspace(stage: Stage) -> str:
    kind = "Microsoft.OperationalInsights/workspaces"
    return f"{stage.scene.group_path}/providers/{kind}/well-intake-env-logs"


def ask(stage: Stage, query: str, **more: str) -> requests.Response:
    return stage.scene.ask("POST", f"{workspace(stage)}/api/query", {"query": query, **more})


def test_the_logs_of_an_app_arrive_late_and_can_be_queried(stage: Stage) -> None:
    of_app = f"| where ContainerAppName_s == '{stage.scene.app}'"
    reasons = f"ContainerAppSystemLogs_CL {of_app} | summarize n=count() by Reason_s"
    fresh = ask(stage, reasons)
    assert fresh.status_code == 400 or fresh.json()["tables"][0]["rows"] == []
    stage.clock(advance=120)

    [table] = ask(stage, reasons).json()["tables"]
    console = ask(stage, f"ContainerAppConsoleLogs_CL {of_app} | project TimeGenerated, Log_s")
    nothing = ask(stage, f"ContainerAppSystemLogs_CL {of_app} | count", timespan="PT1M")

    assert table["name"] == "PrimaryResult"
    assert [column["type"] for column in table["columns"]] == ["string", "long"]
    assert "ContainerStarted" in [row[0] for row in table["rows"]]
    lines = console.json()["tables"][0]["rows"]
    assert any("listens on port 8000" in line for _, line in lines)
    assert nothing.status_code == 400 or nothing.json()["tables"][0]["rows"] == [[0]]


def test_a_query_with_an_error_names_its_kind(stage: Stage) -> None:
    answer = ask(stage, "Nothing_CL | count")

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["innererror"]["code"]) == ("BadArgumentError", "SemanticError")


def test_a_query_needs_its_permission(stage: Stage) -> None:
    action = "Microsoft.OperationalInsights/workspaces/query/read"
    stage.admin("permissions", {"remove": [action], "scope": workspace(stage)})
    try:
        answer = ask(stage, "ContainerAppSystemLogs_CL | count")
    finally:
        url = f"{stage.scene.environment['SANDBOX_URL']}/permissions"
        requests.delete(url, timeout=30)

    assert answer.status_code == 403


def test_the_data_plane_takes_tokens_of_its_own_audience(stage: Stage) -> None:
    stage.clock(advance=120)
    customer = stage.scene.ask("GET", workspace(stage)).json()["properties"]["customerId"]
    url = f"https://api.loganalytics.io/v1/workspaces/{customer}/query"

    def post(url: str, resource: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {stage.scene.token(resource)}"}
        body = {"query": "ContainerAppSystemLogs_CL | count"}
        return stage.scene.session.post(url, json=body, headers=headers, timeout=30)

    assert post(url, "https://api.loganalytics.io").json()["tables"][0]["rows"][0][0] > 0
    assert post(url, "https://management.azure.com").status_code == 403
    other = url.replace(customer, "another")
    assert post(other, "https://api.loganalytics.io").status_code == 404
    assert stage.scene.session.post(url, json={}, timeout=30).status_code == 401
