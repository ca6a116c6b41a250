"""The text of the comment with the plan: complete, short enough, and without foreign markup."""

from __future__ import annotations

from typing import Any

import pytest

from deploy_action.core.record import Record
from deploy_action.report.plan_comment import marker, plan_comment

LONGEST_OF_GITHUB = 65_536


def data(**changes: Any) -> dict[str, Any]:
    """Return a plan as plain data."""
    return {
        "app": "api",
        "version": {"before": "1.0", "after": "1.1"},
        "revision": {"before": "api--old", "after": "api--new"},
        "template": [],
        "app-wide": [],
        "manifest": [],
        "steps": [
            {"weights": {"api--new": weight, "api--old": 100 - weight}} for weight in (25, 100)
        ],
        "cache": None,
        "deactivated": [],
        "minutes": {"least": 1.0, "most": 9.5},
        **changes,
    }


def comment(plan: dict[str, Any], *warnings: str, problem: str = "") -> str:
    record = Record(command="deploy", clock=lambda: 0.0)
    run = "https://github.com/contoso/orders/actions/runs/7"
    record.set_facts(app="api", environment="prod", run_url=run)
    for warning in warnings:
        record.warn(warning)
    record.planned((), plan)
    return plan_comment(record, problem=problem)


def test_everything_of_the_plan_is_in_the_comment() -> None:
    change = {"path": "scale.maxReplicas", "before": 2, "after": 6}
    cache = {"patterns": [{"pattern": "page:*", "keys": 12}], "complete": False, "unknown": ""}

    plan = data(template=[change], cache=cache, deactivated=["api--older"], notes=["Note this"])

    text = comment(plan, "Be careful.")

    assert text.splitlines()[0] == marker("api", "prod")
    assert "~ scale.maxReplicas: 2 → 6" in text
    assert "| 1 | 25 % | 75 % |" in text
    assert "\nNote this.\n" in text
    assert "| `page:*` | 12 |" in text
    assert "There may be more keys" in text
    assert "Deactivated afterwards: `api--older`." in text
    assert "1.0 to 9.5 minutes" in text
    assert "> - Be careful." in text
    assert "[`workflow run`](https://github.com/contoso/orders/actions/runs/7)" in text


def test_a_plan_that_is_too_long_is_left_out_and_the_comment_stays_whole() -> None:
    change = {"path": "containers.api.env.TEXT", "before": None, "after": "x" * LONGEST_OF_GITHUB}

    text = comment(data(template=[change]))

    assert len(text) < LONGEST_OF_GITHUB
    assert "too long for a comment" in text
    assert text.count("```") % 2 == 0


@pytest.mark.parametrize("hostile", ["<!-- x -->", "@everyone", "[a](https://evil.example)", "#1"])
def test_x1_no_text_from_outside_is_markup(hostile: str) -> None:
    cache = {"patterns": [], "complete": True, "unknown": hostile}

    text = comment(data(cache=cache), hostile)
    refused = comment(data(), problem=hostile)

    assert hostile not in text
    assert hostile not in refused
