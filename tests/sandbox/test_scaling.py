"""Scaling by requests, CPU, memory and schedules, between minReplicas and maxReplicas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy_action.sandbox.world.cron import Schedule, between
from deploy_action.sandbox.world.scaling import Load, desired
from tests.sandbox.changes import changed, revision, template, until
from tests.stage import Stage

MONDAY = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


def _scale(*rules: dict[str, Any], least: int = 0, most: int = 10) -> dict[str, Any]:
    return {"scale": {"minReplicas": least, "maxReplicas": most, "rules": list(rules)}}


def _custom(kind: str, **metadata: str) -> dict[str, Any]:
    return {"name": kind, "custom": {"type": kind, "metadata": metadata}}


HTTP = {"name": "http", "http": {"metadata": {"concurrentRequests": "50"}}}
CPU = _custom("cpu", type="Utilization", value="70")
MEMORY = _custom("memory", type="Utilization", value="50")
OFFICE = _custom(
    "cron", timezone="Europe/Vienna", start="0 8 * * 1-5", end="0 18 * * 1-5", desiredReplicas="4"
)


@pytest.mark.parametrize(
    ("scale", "load", "replicas"),
    [
        ({}, {}, 0),
        ({}, {"concurrency": 1}, 1),
        ({}, {"concurrency": 11}, 2),
        ({}, {"concurrency": 1000}, 10),
        (_scale(least=2), {}, 2),
        (_scale(HTTP), {"concurrency": 101}, 3),
        (_scale(HTTP, most=2), {"concurrency": 101}, 2),
        (_scale(CPU), {"cpu": 10}, 1),
        (_scale(CPU), {"cpu": 140, "replicas": 2}, 4),
        (_scale(MEMORY), {"memory": 75}, 2),
        (_scale(HTTP, CPU), {"concurrency": 101, "cpu": 140}, 3),
        (_scale(OFFICE), {}, 4),
        (_scale(OFFICE), {"now": MONDAY.replace(hour=17, minute=30)}, 0),
        (_scale(OFFICE), {"now": MONDAY - timedelta(days=1)}, 0),
        (_scale(_custom("cron", start="no", end="time")), {}, 0),
        (_scale(_custom("azure-queue", queueLength="5")), {"concurrency": 1000}, 0),
    ],
)
def test_the_highest_rule_decides(
    scale: dict[str, Any], load: dict[str, Any], replicas: int
) -> None:
    current = Load(**{"now": MONDAY, **load})

    assert desired(scale, current, has_ingress=True) == replicas


def test_without_an_ingress_there_is_no_rule_by_itself() -> None:
    assert desired({}, Load(concurrency=99, now=MONDAY), has_ingress=False) == 0


@pytest.mark.parametrize(
    ("expression", "latest"),
    [
        ("30 12 * * *", MONDAY),
        ("31 12 * * *", MONDAY - timedelta(days=1) + timedelta(minutes=1)),
        ("*/20 * * * *", MONDAY.replace(minute=20)),
        ("0 9-11,15 * * *", MONDAY.replace(hour=11, minute=0)),
        ("0 0 * * 7", datetime(2026, 3, 1, tzinfo=UTC)),
        ("0 0 29 2 *", None),
        ("0 0 1 * 3", datetime(2026, 3, 1, tzinfo=UTC)),
        ("0 0 31 12 *", datetime(2025, 12, 31, tzinfo=UTC)),
    ],
)
def test_the_latest_time_of_a_schedule(expression: str, latest: datetime | None) -> None:
    assert Schedule.parse(expression).latest(MONDAY) == latest


@pytest.mark.parametrize("expression", ["", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *"])
def test_a_schedule_that_cannot_be_read_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        between(expression, "0 0 * * *", MONDAY)


def _scaled(stage: Stage, suffix: str, *rules: dict[str, Any], least: int = 1) -> None:
    body = template(stage, suffix)
    body["properties"]["template"]["scale"] = {
        "minReplicas": least,
        "maxReplicas": 3,
        "rules": list(rules),
    }
    changed(stage, body)
    until(lambda: revision(stage, suffix), lambda item: item["healthState"] == "Healthy")


def test_replicas_follow_the_number_of_requests(stage: Stage) -> None:
    _scaled(stage, "busy", {"name": "http", "http": {"metadata": {"concurrentRequests": "1"}}})
    host = revision(stage, "busy")["fqdn"]
    stage.clock(factor=100)
    for _ in range(120):
        assert stage.scene.session.get(f"https://{host}/version", timeout=30).ok
    stage.clock(advance=15)
    most = until(
        lambda: revision(stage, "busy"), lambda item: item["runningState"] == "RunningAtMaxScale"
    )
    stage.clock(advance=400)
    least = until(lambda: revision(stage, "busy"), lambda item: item["replicas"] == 1)
    state = until(lambda: revision(stage, "busy")["runningState"], lambda state: state == "Running")

    assert most["replicas"] == 3
    assert least["healthState"] == "Healthy"
    assert state == "Running"


def test_a_schedule_follows_the_sandboxs_clock(stage: Stage) -> None:
    start, end = (stage.date() + timedelta(minutes=minutes) for minutes in (30, 120))
    rule = _custom(
        "cron",
        timezone="UTC",
        start=f"{start.minute} {start.hour} * * *",
        end=f"{end.minute} {end.hour} * * *",
        desiredReplicas="2",
    )
    _scaled(stage, "night", rule)
    before = revision(stage, "night")["replicas"]
    stage.clock(advance=40 * 60)
    after = until(lambda: revision(stage, "night"), lambda item: item["replicas"] == 2)

    assert (before, after["replicas"]) == (1, 2)


@pytest.mark.parametrize("asleep_s", [0, 1000])
def test_a_revision_at_zero_is_woken_by_a_request(stage: Stage, asleep_s: int) -> None:
    """Even after the time in which its first start had to succeed."""
    _scaled(stage, "idle", least=0)
    host = revision(stage, "idle")["fqdn"]
    stage.clock(advance=400)
    asleep = until(
        lambda: revision(stage, "idle"),
        lambda item: (item["runningState"], item["replicas"]) == ("ScaledToZero", 0),
    )
    stage.clock(advance=asleep_s)
    reply = stage.scene.session.get(f"https://{host}/version", timeout=60)

    assert (asleep["runningState"], asleep["replicas"]) == ("ScaledToZero", 0)
    assert reply.status_code == 200
    assert revision(stage, "idle")["replicas"] == 1
