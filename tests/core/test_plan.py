"""The decisions and warnings of a plan, for different states of the app."""

from __future__ import annotations

from typing import Any

import pytest

from deploy_action.core.analysis import Counts
from deploy_action.core.app import App
from deploy_action.core.observed import Observed
from deploy_action.core.plan import Plan, make_plan
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.run import Run
from deploy_action.core.settings.parse import RawValue, parse
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import InputError, PreflightError

TEMPLATE = {"containers": [{"name": "app", "image": "contoso.azurecr.io/api@sha256:1"}]}
READY = {
    "health_state": "Healthy",
    "running_state": "Running",
    "replicas": 1,
    "template": TEMPLATE,
}


BUSY = Counts(requests=6000, errors=0)  # 100 requests a minute


def planned(
    stable: dict[str, Any] | None = None,
    *others: Revision,
    recent: Counts | None = None,
    **settings: str,
) -> Plan:
    first = Revision(name="api--a", active=True, created="1", **{**READY, **(stable or {})})
    app = App(
        name="api",
        state="Succeeded",
        mode="Multiple",
        split=Split.of([Entry(revision="api--a", weight=100)]),
        fqdn="api.example",
    )
    raw_values = {name.replace("_", "-"): RawValue(text=text) for name, text in settings.items()}
    run = Run(id="4711.1", commit="0123456789", link="", branch="main")
    observed = Observed(app=app, revisions=(first, *others), run=run, now=1_000_000.0)
    return make_plan(
        parse(raw_values),
        observed,
        bump=None,
        version="1.3.0.3",
        commit="",
        interrupted_run=None,
        recent=recent,
    )


def test_the_plan_warns_about_a_candidate_smaller_than_stable() -> None:
    template = {**TEMPLATE, "scale": {"minReplicas": 1}}

    grown = planned({"replicas": 6, "template": template})
    same = planned({"replicas": 1, "template": template})

    assert any("runs 6 replicas, and the candidate starts with 1" in w for w in grown.warnings)
    assert not any("replicas" in warning for warning in same.warnings)


@pytest.mark.parametrize(
    ("strategy", "steps", "bake_s"),
    [("canary", (10, 50), 60.0), ("blue-green", (), 60.0), ("direct", (), 0.0)],
)
def test_the_strategy_decides_steps_and_bake(
    strategy: str, steps: tuple[int, ...], bake_s: float
) -> None:
    schedule = planned(strategy=strategy).schedule

    assert (schedule.steps, schedule.bake_s) == (steps, bake_s)


def test_the_lease_is_longer_than_the_time_between_two_writes() -> None:
    plan = planned(gate_timeout="5m", step_interval="2m", bake="10m", operation_timeout="1m")

    both_revisions_unhealthy = 5 * 60
    new_metrics = 6 * 60  # a bake of ten minutes is judged by them

    waiting = both_revisions_unhealthy + new_metrics
    assert plan.lease_s == 10 * 60 + waiting + 2 * 60
    assert plan.schedule.interval_s < plan.lease_s


def test_a_plan_over_the_time_limit_is_refused() -> None:
    with pytest.raises(InputError, match="Input time-limit: this plan may take"):
        planned(time_limit="20m")


def test_a_stable_that_is_down_means_one_full_traffic_shift() -> None:
    plan = planned({"running_state": "Failed"})

    assert plan.stable_is_down
    assert plan.schedule.steps == ()
    assert any("no healthy revision to roll back to" in warning for warning in plan.warnings)


def test_with_stable_down_and_a_healthy_revision_the_plan_asks_for_a_rollback() -> None:
    good = Revision(name="api--b", active=True, created="0", **READY)  # type: ignore[arg-type]

    with pytest.raises(PreflightError, match="while api--b could serve"):
        planned({"running_state": "Failed"}, good)


@pytest.mark.parametrize(
    ("recent", "settings", "reason"),
    [
        (None, {}, "the metrics cannot be read"),
        (
            Counts(requests=300, errors=0),
            {},
            (
                "the candidate would receive at most about 10 requests in a step and a verdict "
                "requires 20"
            ),
        ),
        (BUSY, {"strategy": "direct"}, "the candidate would receive at most about 0 requests"),
        (BUSY, {"time_limit": "26m", "build_timeout": "10m"}, "time-limit leaves no time"),
    ],
)
def test_short_steps_that_are_not_judged_are_not_made_longer_and_the_plan_says_why(
    recent: Counts | None, settings: dict[str, str], reason: str
) -> None:
    plan = planned(None, recent=recent, **settings)

    assert plan.schedule.judged_weights == ()
    assert plan.schedule.longest_step_s <= 60
    [line] = [line for line in plan.lines() if line.startswith("analysis")]
    assert f"not analyzed, because {reason}" in line
    assert "needs 6 min per step" in line
    assert "set step-interval to 360s or more, or set analysis: required" in line


@pytest.mark.parametrize(
    ("per_minute", "judged", "lasts_s"),
    [(100, 10, [360, 60, 60]), (20, 50, [60, 360, 60]), (10, 100, [60, 60, 360])],
)
def test_the_first_step_with_enough_requests_is_made_long_enough_to_be_judged(
    per_minute: int, judged: int, lasts_s: list[int]
) -> None:
    plan = planned(recent=Counts(requests=60 * per_minute, errors=0))

    assert plan.schedule.judged_weights == (judged,)
    assert [plan.schedule.lasts_s(weight) for weight in (10, 50, 100)] == lasts_s
    [line] = [line for line in plan.lines() if line.startswith("analysis")]
    where = "the bake" if judged == 100 else f"{judged} %"
    assert f"is analyzed at {where}; Azure's metrics are complete only after" in line
    assert plan.longest_s == planned().longest_s + 300
    assert plan.lease_s > planned().lease_s + 300


def test_a_step_that_is_made_longer_is_named() -> None:
    assert "steps 10 % → 50 % → 100 %, 60 s each, 10 % for 360 s" in planned(recent=BUSY).lines()


def test_without_steps_the_bake_is_made_long_enough_to_be_judged() -> None:
    plan = planned(recent=BUSY, strategy="blue-green")

    assert plan.schedule.judged_weights == (100,)
    assert plan.schedule.lasts_s(100) == 360
    assert any("is analyzed at the bake" in line for line in plan.lines())


def test_where_a_step_lasts_long_enough_none_is_made_longer() -> None:
    plan = planned(traffic_steps="10,50,100", step_interval="6m", bake="60s", recent=BUSY)

    assert plan.schedule.judged_weights == (10, 50)
    assert [plan.schedule.lasts_s(weight) for weight in (10, 50, 100)] == [360, 360, 60]


def test_a_stable_that_is_down_is_nothing_to_compare_with() -> None:
    plan = planned({"running_state": "Failed"}, recent=BUSY, bake="1h")

    assert plan.schedule.judged_weights == ()
    assert any("the stable revision does not serve" in line for line in plan.lines())


def test_required_analysis_extends_steps_and_the_plan_says_why() -> None:
    plan = planned(traffic_steps="10,100", analysis="required", analysis_lag="1m")

    assert plan.schedule.judged_weights == (10, 100)
    assert [plan.schedule.lasts_s(weight) for weight in (10, 100)] == [240, 240]
    assert any("steps 10 % → 100 %, 240 s each" in line for line in plan.lines())
    assert any("after 1 min, so analysis needs 4 min per step" in line for line in plan.lines())
    assert plan.longest_s > planned(traffic_steps="10,100").longest_s


def test_without_analysis_nothing_is_judged() -> None:
    plan = planned(step_interval="1h", analysis="off")

    assert plan.schedule.judged_weights == ()
    assert "analysis: off" in plan.lines()


def test_a_sidecar_with_the_same_image_is_reported_unless_it_is_updated_too() -> None:
    image = "contoso.azurecr.io/api@sha256:1"
    containers = [{"name": "app", "image": image}, {"name": "worker", "image": image}]
    stable = {"template": {"containers": containers}}

    [warning] = [text for text in planned(stable).warnings if "the same image" in text]

    assert warning.startswith("Container worker runs the same image")
