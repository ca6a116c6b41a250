"""The user's own checks: what is accepted, and which verdict a value gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy_action.core.analysis.checks import (
    Comparison,
    Source,
    json_value,
    verdict_of_exit_code,
)
from deploy_action.core.health import Verdict
from deploy_action.core.settings import checks

KQL = {"name": "orders", "kql": "Orders | count", "rule": "< 5"}
HTTPS = {"name": "queue", "https": "https://example.com/q", "json-path": "depth", "rule": "<= 9"}
SHELL = {"name": "login", "shell": "./login.sh"}


@pytest.mark.parametrize(
    ("rule", "value", "verdict"),
    [
        ("< 0.05", 0.01, Verdict.PASS),
        ("< 0.05", 0.05, Verdict.FAIL),
        ("<= 5", "5", Verdict.PASS),
        ("> 3", 2, Verdict.FAIL),
        (">= 3", 3, Verdict.PASS),
        ("== ok", "ok", Verdict.PASS),
        ("== 'ok'", "bad", Verdict.FAIL),
        ("!= down", "up", Verdict.PASS),
        ("== true", True, Verdict.PASS),
        ("== 1", True, Verdict.INCONCLUSIVE),
        ("< 5", None, Verdict.INCONCLUSIVE),
        ("< 5", "many", Verdict.INCONCLUSIVE),
        ("< 5", "nan", Verdict.INCONCLUSIVE),
        ("== ok", {"a": 1}, Verdict.INCONCLUSIVE),
    ],
)
def test_a_value_that_is_missing_or_not_comparable_is_inconclusive(
    rule: str, value: Any, verdict: Verdict
) -> None:
    assert Comparison.parse(rule).evaluate(value)[0] is verdict


@pytest.mark.parametrize(
    ("exit_code", "verdict"),
    [
        (0, Verdict.PASS),
        (1, Verdict.FAIL),
        (75, Verdict.INCONCLUSIVE),
        (126, Verdict.UNREACHABLE),
        (127, Verdict.UNREACHABLE),
    ],
)
def test_the_exit_code_of_a_command_is_its_verdict(exit_code: int, verdict: Verdict) -> None:
    assert verdict_of_exit_code(exit_code) is verdict


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b[1].c", 7),
        ("$.a.b[1].c", 7),
        ("a.b[0]", 1),
        ("a.b[9]", None),
        ("a.x.y", None),
        ("a[0]", None),
    ],
)
def test_a_json_path_finds_its_value(path: str, value: Any) -> None:
    assert json_value({"a": {"b": [1, {"c": 7}]}}, path) == value


@pytest.mark.parametrize(("raw", "source"), [(KQL, "kql"), (HTTPS, "https"), (SHELL, "shell")])
def test_the_three_sources(raw: dict[str, Any], source: str) -> None:
    check = checks.parse(json.dumps({**raw, "interval": "2m", "failure-limit": 1}))
    assert check.source is Source(source)
    assert (check.interval_s, check.failure_limit) == (120.0, 1)
    assert (check.rule is None) is (source == "shell")


def test_placeholders_are_replaced_by_values_of_the_rollout() -> None:
    check = checks.parse(json.dumps({**KQL, "kql": 'T | where R == "{candidate}" | extend x={}'}))
    assert check.with_values({"candidate": "api--v2"}) == 'T | where R == "api--v2" | extend x={}'


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ("kql", "a mapping"),
        ({"name": "x"}, "exactly one of kql, https and shell"),
        ({**KQL, "shell": "x"}, "exactly one of kql, https and shell"),
        ({**KQL, "name": ""}, "a name"),
        ({**KQL, "rule": "about 5"}, "rule of check 'orders'"),
        ({**KQL, "rule": "< many"}, "a number after <"),
        ({**KQL, "json-path": "a"}, "only https checks can"),
        ({**HTTPS, "https": "http://example.com"}, "begins with https://"),
        ({**HTTPS, "json-path": ""}, "json-path"),
        ({**SHELL, "rule": "< 1"}, "the command's exit code decides"),
        ({**SHELL, "interval": "soon"}, "interval of check 'login'"),
        ({**SHELL, "failure-limit": "-1"}, "failure-limit"),
        ({**SHELL, "url": "x"}, "unknown field 'url'"),
    ],
)
def test_an_invalid_check_is_refused(raw: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        checks.parse(raw if isinstance(raw, str) else json.dumps(raw))
