"""Judging the candidate by user requests, latency and the user's own checks.

The sandbox's clock is advanced while users send requests, so that minutes of metrics pass
in seconds. The lag of its Azure Monitor stays.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.stage import Stage
from tests.support.eventually import eventually

JUDGED = {
    "analysis": "required",
    "analysis_lag": "2m",
    "analysis_interval": "0.2s",
    "traffic_steps": "50,100",
    "analysis_latency_ratio": "0",
    "analysis_min_requests": "20",
}
PATH = "/support.html"  # no gate asks for it
# Enough requests for a reliable verdict about three failures in ten.
REQUESTS_PER_LOOP, SECONDS_PER_LOOP, PAUSE_S = 40, 30.0, 0.1


def fail(stage: Stage, revision: str, percent: float = 30) -> None:
    """Let user requests fail, while health checks pass."""
    fault = {"revision": revision, "path": PATH, "status": 500, "percent": percent}
    stage.admin("faults", [fault])


@contextmanager
def users_while_time_passes(
    stage: Stage, *, users: bool = True, on_loop: Callable[[int], None] = lambda _: None
) -> Iterator[None]:
    """Send user requests and advance the clock while a candidate has traffic."""
    stage.clock(advance=300)  # Azure Monitor knows a new revision only after a while
    over = threading.Event()
    session = requests.Session()
    session.trust_env = False
    session.proxies, session.verify = stage.scene.session.proxies, stage.scene.session.verify

    def loop() -> None:
        loops = 0
        while not over.wait(PAUSE_S):
            if not any("--v" in name for name in stage.weights()):
                continue  # an earlier jump of the clock would move the start of the window
            # Reads show the new weights before they are in effect.
            if stage.scene.resource()["properties"]["provisioningState"] == "InProgress":
                continue
            for _ in range(REQUESTS_PER_LOOP if users else 0):
                session.get(f"{stage.url}{PATH}", timeout=30)
            stage.clock(advance=SECONDS_PER_LOOP)
            on_loop(loops)
            loops += 1

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def metric_reads(stage: Stage, since: float) -> int:
    return sum("microsoft.insights" in call["path"].lower() for call in stage.requests(since))


def test_a_candidate_that_fails_three_in_ten_requests_is_rolled_back_in_the_first_step(
    stage: Stage,
) -> None:
    stage.push_healthy()
    fail(stage, f"{stage.scene.app}--v*")
    with users_while_time_passes(stage):
        run = stage.run(**JUDGED)

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert "gate traffic at 50 %: fail" in run.log, run.log
    assert "100 % to" not in run.log
    assert "requests failed" in run.summary
    assert "complete only after 2 min, so analysis needs 5 min per step" in run.log


def test_twenty_requests_are_enough_to_roll_back_a_candidate_that_fails_six(stage: Stage) -> None:
    """About 200 user requests in the first step of 10 %, and none before or after them."""
    candidate = f"{stage.scene.app}--v*"
    stage.admin("faults", [{"revision": candidate, "path": PATH, "status": 500, "times": "1-6"}])
    stage.push("addin/public/support.html", "</body>", "<p>A page of the candidate</p></body>")
    stage.clock(advance=300)
    process = stage.started(**{**JUDGED, "traffic_steps": "10,100", "health_interval": "5s"})
    eventually(lambda: 10 in stage.weights().values(), "the first step began", process)
    stage.wait_until_idle()
    shifted = stage.requests()[-1]["at"]
    eventually(lambda: metric_reads(stage, shifted), "the step is being judged", process)
    stage.clock(advance=60)  # whole minutes are judged, and the first began before the step

    failed = answered = 0
    while failed + answered < 20:
        response = stage.scene.session.get(f"{stage.url}{PATH}", timeout=30)
        failed += response.status_code == 500
        answered += "of the candidate" in response.text
    while process.poll() is None:
        stage.clock(advance=SECONDS_PER_LOOP)
        time.sleep(PAUSE_S)
    run = stage.finished(process)

    assert run.exit_code == 4, run.log
    assert failed == 6
    # The number of all is not exact: the action's own are subtracted by time, and the clock jumped.
    assert "gate traffic at 10 %: fail (candidate: 6 of " in run.log, run.log
    assert "100 % to" not in run.log
    assert stage.weights() == {stage.first: 100}


def test_a_candidate_with_stables_error_rate_passes(stage: Stage) -> None:
    fail(stage, f"{stage.scene.app}--*", percent=100)  # no difference between the two by chance
    for _ in range(60):
        stage.scene.session.get(f"{stage.url}{PATH}", timeout=30)
    stage.clock(advance=300)
    stage.push_healthy()
    with users_while_time_passes(stage):
        run = stage.run(**JUDGED, analysis_max_error_rate="100%")

    assert run.exit_code == 0, run.log
    assert "gate traffic at 50 %: pass" in run.log
    assert "gate traffic during the bake: pass" in run.log, run.log
    assert run.outputs["revision"] in stage.weights()


def test_the_rollout_waits_during_a_shared_outage(stage: Stage) -> None:
    stage.push_healthy()
    fail(stage, f"{stage.scene.app}--*", percent=60)

    def recover(loop: int) -> None:
        if loop == 30:
            url = f"{stage.scene.environment['SANDBOX_URL']}/faults"
            requests.delete(url, timeout=30, proxies={"http": ""}).raise_for_status()

    with users_while_time_passes(stage, on_loop=recover):
        run = stage.run(**JUDGED)

    assert run.exit_code == 0, run.log
    assert "the cause is probably shared" in run.log
    assert "gate traffic at 50 %: pass" in run.log


def test_a_candidate_without_traffic_is_inconclusive(stage: Stage) -> None:
    stage.push_healthy()
    with users_while_time_passes(stage, users=False):
        run = stage.run(**JUDGED)

    assert run.exit_code == 0, run.log
    assert "gate traffic at 50 %: inconclusive" in run.log, run.log
    assert "Too few requests to evaluate the candidate" in run.log
    assert "::warning " in run.log
    assert "too few for a verdict" in run.log  # the plan said so beforehand


def test_too_little_traffic_can_abort(stage: Stage) -> None:
    stage.push_healthy()
    with users_while_time_passes(stage, users=False):
        run = stage.run(**JUDGED, on_inconclusive="abort")

    assert run.exit_code == 4, run.log
    assert "on-inconclusive is set to abort" in run.log
    assert stage.weights() == {stage.first: 100}


def test_unreadable_metrics_are_unreachable_and_not_a_pass(stage: Stage) -> None:
    stage.push_healthy()
    fault = {"path": "*/microsoft.insights/metrics", "status": 429, "body": '{"code":"Busy"}'}
    stage.admin("faults", [fault])
    with users_while_time_passes(stage):
        run = stage.run(**JUDGED, on_inconclusive="abort")

    assert run.exit_code == 4, run.log
    assert "gate traffic at 50 %: unreachable" in run.log, run.log


def test_a_missing_role_is_named_and_own_checks_go_on(stage: Stage) -> None:
    stage.admin("permissions", {"remove": ["Microsoft.Insights/metrics/read"]})
    stage.push_healthy()
    run = stage.run(analysis="auto", step_interval="6m", dry_run="true")

    assert run.exit_code == 0, run.log
    assert "Monitoring Reader" in run.log
    assert "::warning " in run.log


def test_a_missing_role_refuses_where_analysis_is_required(stage: Stage) -> None:
    stage.admin("permissions", {"remove": ["Microsoft.Insights/metrics/read"]})
    stage.push_healthy()
    run = stage.run(**JUDGED)

    assert run.exit_code == 3, run.log
    assert "Monitoring Reader" in run.log
    assert stage.active() == [stage.first]


def test_without_analysis_no_request_is_made_for_it(stage: Stage) -> None:
    stage.push_healthy()
    before = stage.requests()[-1]["at"]
    run = stage.run(analysis="off")

    assert run.exit_code == 0, run.log
    assert metric_reads(stage, before) == 0


def test_short_steps_without_enough_traffic_are_not_judged_and_the_plan_says_so(
    stage: Stage,
) -> None:
    stage.push_healthy()
    before = stage.requests()[-1]["at"]
    run = stage.run(analysis="auto", analysis_min_requests="20")

    assert run.exit_code == 0, run.log
    assert "not analyzed, because the candidate would receive at most about" in run.log
    assert 1 <= metric_reads(stage, before) <= 2  # the last hour, again if clocks differ
    assert "::warning" not in run.log


def test_with_enough_traffic_the_first_step_is_judged_by_default(stage: Stage) -> None:
    for _ in range(20):
        for _ in range(100):
            stage.scene.session.get(f"{stage.url}{PATH}", timeout=30)
        stage.clock(advance=30)
    stage.clock(advance=180)
    stage.push_healthy()
    fail(stage, f"{stage.scene.app}--v*", percent=60)
    with users_while_time_passes(stage):
        run = stage.run(**{**JUDGED, "analysis": "auto"})

    assert run.exit_code == 4, run.log
    assert "production traffic is analyzed at 50 %" in run.log
    assert "gate traffic at 50 %: fail" in run.log, run.log


def test_a_slow_candidate_is_rolled_back(stage: Stage) -> None:
    stage.push_healthy()
    slow = {
        "revision": f"{stage.scene.app}--v*",
        "path": "/health/ready",
        "delay": 150.0,
    }  # 0.3 s at this pace
    stage.admin("faults", [slow])
    run = stage.run(step_interval="9s")

    assert run.exit_code == 4, run.log
    assert "gate latency at 25 %: fail" in run.log, run.log
    assert stage.weights() == {stage.first: 100}


def checks(*items: dict[str, Any]) -> str:
    return "\n".join(json.dumps(item) for item in items)


def test_a_check_of_the_user_rolls_back(stage: Stage) -> None:
    stage.push_healthy()
    command = 'echo "$CANDIDATE at $CANDIDATE_HOST"; exit 3'
    run = stage.run(analysis_checks=checks({"name": "orders", "shell": command}))

    assert run.exit_code == 4, run.log
    assert "check 'orders' at 25 %: fail" in run.log
    assert f"exit code 3: {stage.scene.app}--v" in run.log
    assert stage.weights() == {stage.first: 100}


def test_passed_and_inconclusive_checks_are_in_the_summary(stage: Stage) -> None:
    stage.push_healthy()
    items = checks(
        {
            "name": "version",
            "https": "https://{candidate-host}/version",
            "json-path": "revision",
            "rule": "!= nobody",
        },
        {
            "name": "nothing",
            "https": "https://{candidate-host}/version",
            "json-path": "no.such",
            "rule": "< 1",
        },
        {"name": "gone", "shell": "exit 127"},
    )
    run = stage.run(analysis_checks=items, traffic_steps="100")

    assert run.exit_code == 0, run.log
    assert "check 'version' during the bake: pass" in run.log
    assert "check 'nothing' during the bake: inconclusive" in run.log
    assert "check 'gone' during the bake: unreachable" in run.log
    assert "on-inconclusive: continue" in run.log


def test_a_target_of_a_rollback_that_fails_its_checks_is_an_error(stage: Stage) -> None:
    stage.push_healthy()
    stage.run()
    item = checks({"name": "orders", "shell": "exit 1"})
    run = stage.run("rollback", analysis_checks=item)

    assert run.exit_code == 5, run.log
    assert "The rollback target failed the analysis of check 'orders'" in run.log, run.log
    assert stage.weights() == {stage.first: 100}  # going back would restore what it was for


def test_status_shows_the_last_ten_minutes(stage: Stage) -> None:
    stage.clock(advance=900)
    for _ in range(5):
        stage.scene.session.get(f"{stage.url}{PATH}", timeout=30)
    stage.clock(advance=180)
    run = stage.run("status", analysis_lag="90s")

    assert run.exit_code == 0, run.log
    assert "5 requests, 0 failed" in run.log, run.log
    assert "last 10 min" in run.log


def test_status_works_without_the_role(stage: Stage) -> None:
    stage.admin("permissions", {"remove": ["Microsoft.Insights/metrics/read"]})
    run = stage.run("status")

    assert run.exit_code == 0, run.log
    assert "last 10 min: metrics not available" in run.log
    assert "Monitoring Reader" in run.log


def test_a_failure_names_its_likely_cause_and_shows_the_log(stage: Stage) -> None:
    stage.push(
        "addin/app/__main__.py",
        "import os",
        "print('::error::x `````')\nraise KeyError('DATABASE_URL')\nimport os",
    )
    run = stage.run(gate_timeout="20s")

    assert run.exit_code == 4, run.log
    assert "likely cause: The program exited with code 1: KeyError" in run.log, run.log
    assert "Set the missing environment variable" in run.summary
    assert "Last lines of the container" in run.summary
    assert "``````text" in run.summary  # longer than any fence in the log
    assert not any(line.lstrip().startswith("::error::x") for line in run.log.splitlines())
    assert stage.active() == [stage.first]
