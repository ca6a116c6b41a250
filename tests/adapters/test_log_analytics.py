"""KQL queries, against the local Azure's workspace."""

from __future__ import annotations

import time
from typing import Any

import pytest

from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.adapters.log_analytics import LogAnalytics, QueryError
from deploy_action.adapters.resource_manager import ResourceManager
from deploy_action.adapters.shell import Shell
from deploy_action.core.analysis.checks import Comparison, CustomCheck, Source
from deploy_action.core.health import Verdict
from deploy_action.rollout.custom_checks import CheckSources
from tests.stage import Stage

QUERIES = "*/api/query"


def workspace_of(stage: Stage) -> str:
    """Return the resource ID of the environment's workspace."""
    kind = "Microsoft.OperationalInsights/workspaces"
    return f"{stage.scene.group_path}/providers/{kind}/well-intake-env-logs"


@pytest.fixture
def workspace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> LogAnalytics:
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, stage.scene.environment[name])
    arm = ResourceManager(stage.scene.token)
    return LogAnalytics(arm=arm, workspace_id=workspace_of(stage))


def count(stage: Stage, reason: str) -> str:
    return (
        f"ContainerAppSystemLogs_CL | where ContainerAppName_s == '{stage.scene.app}' "
        f"and Reason_s == '{reason}' | count"
    )


def measured(stage: Stage, workspace: LogAnalytics, query: str, rule: str) -> tuple[Verdict, str]:
    sources = CheckSources(
        probes=HttpProbe(timeout_s=10),
        shell=Shell(workspace=stage.scene.directory, environment={}, on_line=lambda _: None),
        workspace=workspace,
    )
    check = CustomCheck(name="events", source=Source.KQL, target=query, rule=Comparison.parse(rule))
    result = sources.measure(check, {"stable": stage.first})
    return result.verdict, result.evidence


def test_the_first_value_of_the_first_row_meets_the_rule_or_not(
    stage: Stage, workspace: LogAnalytics
) -> None:
    end = time.monotonic() + 60
    value: Any = None
    while not value:
        assert time.monotonic() < end
        stage.clock(advance=120)
        try:
            value = workspace.value(count(stage, "ContainerStarted"), minutes=60)
        except QueryError:  # the table does not exist before its first row
            time.sleep(0.2)
    assert value == 1
    assert measured(stage, workspace, count(stage, "ContainerStarted"), "<= 1")[0] is Verdict.PASS
    assert measured(stage, workspace, count(stage, "ContainerStarted"), "< 1")[0] is Verdict.FAIL
    of_stable = "ContainerAppSystemLogs_CL | where RevisionName_s == '{stable}' | count"
    assert measured(stage, workspace, of_stable, "> 0")[0] is Verdict.PASS


def test_no_row_is_inconclusive(stage: Stage, workspace: LogAnalytics) -> None:
    body = {"tables": [{"name": "PrimaryResult", "columns": [], "rows": []}]}
    stage.admin("faults", [{"path": QUERIES, "status": 200, "body": body}])
    assert measured(stage, workspace, "T | take 1", "< 1")[0] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("body", ["", "[]", '{"tables": 7}', '{"tables": [{"rows": 7}]}'])
def test_an_invalid_response_is_inconclusive(
    stage: Stage, workspace: LogAnalytics, body: str
) -> None:
    stage.admin("faults", [{"path": QUERIES, "status": 200, "body": body}])
    assert measured(stage, workspace, "T | take 1", "< 1")[0] is Verdict.INCONCLUSIVE


def test_a_query_with_a_mistake_is_unreachable_and_quotes_azure(
    stage: Stage, workspace: LogAnalytics
) -> None:
    verdict, evidence = measured(stage, workspace, "NoSuchTable_CL | count", "< 1")
    assert verdict is Verdict.UNREACHABLE
    assert "BadArgumentError" in evidence


def test_a_missing_role_is_named(stage: Stage, workspace: LogAnalytics) -> None:
    body = {"error": {"code": "InsufficientAccessError", "message": "no access"}}
    stage.admin("faults", [{"path": QUERIES, "status": 403, "body": body}])
    verdict, evidence = measured(stage, workspace, "T | count", "< 1")
    assert verdict is Verdict.UNREACHABLE
    assert "Log Analytics Reader" in evidence
