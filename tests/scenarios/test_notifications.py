"""Notifications: what arrives at the receivers, and that no receiver can harm a deployment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import yaml

from tests.scenarios.test_validate import results
from tests.stage import Run, Stage, on_github
from tests.support.eventually import eventually
from tests.support.identities import admin

MANIFEST = {"manifest": "addin/manifest.xml"}
SLACK = "https://hooks.slack.com/services/T0001/B0001/s3cr3tPartOfTheAddress"
TEAMS = (
    "https://prod-07.eastus.logic.azure.com/workflows/1/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sig=s3cr3tSignatureOfTheFlow"
)
HOOK = "https://webhooks.example.com/deployments"
ALL = ["started", "succeeded", "aborted", "rolled-back", "action-required"]
EVERYWHERE = [
    {"channel": "slack", "url": "${SLACK_URL}", "events": ALL},
    {"channel": "teams", "url": "${TEAMS_URL}", "events": ALL},
    {"channel": "webhook", "url": "${HOOK_URL}", "secret": "${HOOK_SECRET}", "events": ALL},
]


class Receivers:
    """The receivers of one stage."""

    def __init__(self, stage: Stage) -> None:
        self._url = f"{stage.scene.environment['SANDBOX_URL']}/messages"
        self.secret = stage.scene.environment["SANDBOX_WEBHOOK_SECRET"]
        self.forget()
        stage.variables |= {
            "SLACK_URL": SLACK,
            "TEAMS_URL": TEAMS,
            "HOOK_URL": HOOK,
            "HOOK_SECRET": self.secret,
        }

    def messages(self, channel: str) -> list[dict[str, Any]]:
        response_body = requests.get(self._url, timeout=30, proxies={"http": ""}).json()["messages"]
        return [message for message in response_body if message["channel"] == channel]

    def events(self) -> list[str]:
        """Return the type of each message that the webhook accepted."""
        return [
            message["body"]["type"].removeprefix("deployment.")
            for message in self.messages("webhook")
            if message["status"] == 204
        ]

    def forget(self) -> None:
        requests.delete(self._url, timeout=30, proxies={"http": ""})


@pytest.fixture
def receivers(stage: Stage) -> Iterator[Receivers]:
    receivers = Receivers(stage)
    yield receivers
    receivers.forget()


def settings(*notifications: dict[str, Any]) -> str:
    """Return the inline settings."""
    return yaml.safe_dump({"notifications": list(notifications)})


def to_slack(*events: str) -> dict[str, Any]:
    return {"channel": "slack", "url": "${SLACK_URL}", **({"events": events} if events else {})}


def shown(run: Run) -> str:
    """Return everything that the run printed or wrote, but for the commands that mask."""
    lines = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    return "\n".join(lines) + run.summary + json.dumps(run.outputs)


def fault_state(stage: Stage) -> dict[str, Any]:
    """Return the counters of the only scripted fault."""
    url = f"{stage.scene.environment['SANDBOX_URL']}/faults"
    [fault] = requests.get(url, timeout=30, proxies={"http": ""}).json()["faults"]
    assert isinstance(fault, dict)
    return fault


def roll_back(stage: Stage, *notifications: dict[str, Any]) -> Run:
    """Deploy, then roll back with these notifications."""
    stage.push_healthy()
    assert stage.run(**MANIFEST).exit_code == 0
    return stage.run("rollback", settings=settings(*notifications))


def test_a_deployment_is_announced_to_every_channel(stage: Stage, receivers: Receivers) -> None:
    stage.push_healthy()

    run = stage.run(**MANIFEST, settings=settings(*EVERYWHERE))

    assert run.exit_code == 0, run.log
    assert receivers.events() == ["started", "succeeded"]
    for channel in ("slack", "teams", "webhook"):
        messages = receivers.messages(channel)
        assert [message["problem"] for message in messages] == ["", ""]
        assert "1.3.0.3 serves 100 %" in json.dumps(messages[-1]["body"])
        assert "actions/runs/1" in json.dumps(messages[-1]["body"])
    data = receivers.messages("webhook")[-1]["body"]["data"]
    assert (data["serving"]["version"], data["previous"]["version"]) == ("1.3.0.3", "1.3.0.2")
    assert data["serving"]["revision"] == run.outputs["revision"]
    assert data["run_url"] == "https://github.com/the-well/well-intake/actions/runs/1"
    for secret in (SLACK, TEAMS, HOOK, receivers.secret, "s3cr3tPart", "s3cr3tSignature"):
        assert secret not in shown(run)


def test_the_webhook_is_signed_as_documented(stage: Stage, receivers: Receivers) -> None:
    stage.push_unhealthy()

    run = stage.run(**MANIFEST, gate_timeout="2s", settings=settings(EVERYWHERE[2]))

    assert run.exit_code == 4, run.log
    message = receivers.messages("webhook")[-1]
    headers, body = message["headers"], json.dumps(message["body"])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    key = base64.b64decode(receivers.secret.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert message["body"]["type"] == "deployment.aborted"
    assert message["body"]["data"]["reason"].startswith(run.outputs["reason"])
    ids = {item["headers"]["webhook-id"] for item in receivers.messages("webhook")}
    assert len(ids) == 2  # started and aborted


def test_only_subscribed_events_are_sent(stage: Stage, receivers: Receivers) -> None:
    run = roll_back(stage, {**EVERYWHERE[2], "events": ["rolled-back"]}, to_slack("succeeded"))

    assert run.exit_code == 0, run.log
    assert receivers.events() == ["rolled_back"]
    assert receivers.messages("slack") == []


def test_a_pull_request_that_somebody_must_merge_is_an_action_required(
    stage: Stage, receivers: Receivers
) -> None:
    stage.push_healthy()
    inputs = on_github(stage, "main")

    run = stage.run(**MANIFEST, **inputs, settings=settings(EVERYWHERE[2], to_slack("succeeded")))

    assert run.exit_code == 0, run.log
    assert receivers.events() == ["started", "action_required"]
    data = receivers.messages("webhook")[-1]["body"]["data"]
    assert data["pull_request"] == run.outputs["pull-request"] != ""
    assert run.outputs["pull-request"] in json.dumps(receivers.messages("slack")[-1]["body"])


def test_the_first_deployment_of_a_new_app_is_announced(stage: Stage, receivers: Receivers) -> None:
    stage.scene.ask("DELETE", stage.scene.path)
    eventually(
        lambda: stage.scene.ask("GET", stage.scene.path).status_code == 404, "the app is deleted"
    )
    [environment] = stage.scene.arm("GET", "/managedEnvironments")["value"]
    stage.push_healthy()

    run = stage.run(
        **MANIFEST,
        create="true",
        managed_environment=environment["name"],
        settings=settings(*EVERYWHERE),
    )

    assert run.exit_code == 0, run.log
    assert receivers.events() == ["started", "succeeded"]
    data = receivers.messages("webhook")[-1]["body"]["data"]
    assert data["serving"]["revision"] == run.outputs["revision"]
    assert data["serving"]["weight"] == 100
    for channel in ("slack", "teams"):
        assert [message["problem"] for message in receivers.messages(channel)] == ["", ""]


def test_a_cancelled_deployment_is_announced(stage: Stage, receivers: Receivers) -> None:
    stage.push_healthy()
    with stage.users().busy() as users:
        process = stage.started(**MANIFEST, step_interval="20s", settings=settings(EVERYWHERE[2]))
        while len(users.answers) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        run = stage.finished(process)

    assert run.exit_code == 130, run.log
    assert receivers.events() == ["started", "aborted"]
    assert receivers.messages("webhook")[-1]["body"]["data"]["result"] == "cancelled"


def test_the_second_step_announces_the_recovery_of_a_run_that_was_killed(
    stage: Stage, receivers: Receivers
) -> None:
    stage.push_healthy()
    inputs = {**MANIFEST, "settings": settings(EVERYWHERE[2])}
    with stage.users().busy() as users:
        process = stage.started(**inputs, step_interval="20s")
        while len(users.answers) < 2:
            assert process.poll() is None
        process.kill()
        process.communicate(timeout=60)
    stage.runs -= 1  # the second step of the same run

    run = stage.run("finish", **inputs)

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "repaired"
    assert receivers.events() == ["started", "aborted"]
    assert receivers.messages("webhook")[-1]["body"]["data"]["result"] == "repaired"
    assert stage.weights() == {stage.first: 100}


@pytest.mark.parametrize(
    ("fault", "text", "requests_sent"),
    [
        ({"hold": True}, "no complete response within 5 s", 2),
        ({"drop": True}, "refused the connection", 2),
        ({"status": 500, "body": "rollup_error"}, "it returned status 500 (rollup_error)", 2),
        ({"status": 429, "headers": {"Retry-After": "1"}}, "it returned status 429", 2),
        ({"status": 429, "headers": {"Retry-After": "60"}}, "asks to retry only after 60 s", 1),
        ({"status": 404, "body": "no_service"}, "it returned status 404 (no_service)", 1),
        ({"status": 302, "headers": {"Location": HOOK}}, "redirects are not followed", 1),
    ],
    ids=["hanging", "closed", "500", "429", "429 for long", "404", "redirect"],
)
def test_a_receiver_that_fails_is_a_warning_only(
    stage: Stage, receivers: Receivers, fault: dict[str, Any], text: str, requests_sent: int
) -> None:
    stage.admin("faults", [{"host": "hooks.slack.com", **fault}])

    run = roll_back(stage, to_slack())

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "rolled-back"
    assert run.logged("warning: Notification to slack (hooks.slack.com) failed: ")
    assert text in run.log
    assert "Notification to slack" in run.summary
    assert SLACK not in shown(run)
    assert fault_state(stage)["matched"] == requests_sent
    assert receivers.messages("webhook") == []


def test_a_cancellation_while_a_receiver_hangs_does_not_change_the_result(
    stage: Stage, receivers: Receivers
) -> None:
    stage.push_healthy()
    assert stage.run(**MANIFEST).exit_code == 0
    stage.admin("faults", [{"host": "hooks.slack.com", "hold": True}])

    process = stage.started("rollback", settings=settings(to_slack()))
    eventually(lambda: fault_state(stage)["holding"] == 1, "the receiver has the request")
    process.send_signal(signal.SIGINT)
    run = stage.finished(process)

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "rolled-back"
    assert stage.weights() == {stage.first: 100}


def test_a_cancelled_run_does_not_wait_for_a_receiver_that_hangs(
    stage: Stage, receivers: Receivers
) -> None:
    stage.push_healthy()
    stage.admin("faults", [{"host": "hooks.slack.com", "hold": True}])
    with stage.users().busy() as users:
        process = stage.started(**MANIFEST, step_interval="20s", settings=settings(to_slack()))
        while len(users.answers) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        run = stage.finished(process)

    assert run.exit_code == 130, run.log
    assert stage.weights() == {stage.first: 100}
    assert run.logged("Notification to slack (hooks.slack.com) failed: it took too long.")


def test_one_lost_answer_is_retried(stage: Stage, receivers: Receivers) -> None:
    stage.admin("faults", [{"host": "hooks.slack.com", "status": 503, "times": 1}])

    run = roll_back(stage, to_slack())

    assert run.exit_code == 0, run.log
    assert not run.logged("Notification to")
    assert [message["status"] for message in receivers.messages("slack")] == [200]


def test_secrets_in_a_vault_and_those_that_are_missing(stage: Stage, receivers: Receivers) -> None:
    vault = f"kv-{stage.scene.app}"
    secrets = {"hook": HOOK, "key": receivers.secret}
    admin(stage.scene.environment, "POST", "/vaults", {"name": vault, "secrets": secrets})
    stage.variables["PLAIN_HTTP"] = SLACK.replace("https", "http")
    hook = {"channel": "webhook", "url": f"keyvault:{vault}/hook"}

    run = roll_back(
        stage,
        {**hook, "secret": f"keyvault:{vault}/key"},
        {**hook, "secret": f"keyvault:{vault}/missing"},
        {"channel": "slack", "url": "${NOT_SET}"},
        {"channel": "slack", "url": "${PLAIN_HTTP}"},
    )

    assert run.exit_code == 0, run.log
    assert receivers.events() == ["rolled_back"]
    assert run.logged("slack failed: url: the variable NOT_SET is empty in the step's environment")
    assert run.logged("slack (hooks.slack.com) failed: url: it must be a URL that begins with")
    assert run.logged("webhook failed: The secret 'missing' of key vault")
    assert receivers.secret not in shown(run)


def test_a_url_in_the_settings_is_refused_because_it_is_a_secret(
    stage: Stage, receivers: Receivers
) -> None:
    literal = settings({"channel": "slack", "url": SLACK})

    run = stage.run(**MANIFEST, settings=literal)

    assert run.exit_code == 2, run.log
    assert run.logged("notifications.1.url: a secret must not be written in the settings")
    assert receivers.messages("slack") == []


def test_validate_checks_the_addresses_and_sends_nothing(
    stage: Stage, receivers: Receivers
) -> None:
    stage.variables |= {
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "OLD": "https://contoso.webhook.office.com/webhookb2/1",
        "BAD_KEY": "whsec_short",
    }

    run = stage.run(
        "validate",
        **MANIFEST,
        settings=settings(
            to_slack(),
            {"channel": "teams", "url": "${OLD}"},
            {"channel": "webhook", "url": "${HOOK_URL}", "secret": "${BAD_KEY}"},
        ),
    )

    assert run.exit_code == 0, run.log
    assert run.logged("Microsoft has retired the connectors of Teams")
    assert run.logged("secret: it must")
    assert receivers.messages("slack") == []


def test_a_full_validation_reads_the_vault_and_sends_nothing(
    stage: Stage, receivers: Receivers
) -> None:
    vault = f"kv-{stage.scene.app}"
    secrets = {"hook": HOOK, "key": receivers.secret, "wrong": "http://plain.example.com"}
    admin(stage.scene.environment, "POST", "/vaults", {"name": vault, "secrets": secrets})
    good = {"channel": "webhook", "url": f"keyvault:{vault}/hook"}
    good["secret"] = f"keyvault:{vault}/key"
    bad = {"channel": "slack", "url": f"keyvault:{vault}/wrong"}
    lost = {"channel": "teams", "url": f"keyvault:{vault}/missing"}

    passed = stage.run("validate", **MANIFEST, full="true", settings=settings(good))
    warned = stage.run("validate", **MANIFEST, full="true", settings=settings(bad, lost))

    assert (passed.exit_code, warned.exit_code) == (0, 0), passed.log + warned.log
    assert results(passed)["notification secrets"] == "passed"
    assert results(warned)["notification secrets"] == "warning"
    assert warned.logged("Nothing can be sent to slack: url: it must be a URL that begins with")
    assert warned.logged("secret 'missing' of key vault")
    assert receivers.events() == []


def test_a_dry_run_and_the_status_announce_nothing(stage: Stage, receivers: Receivers) -> None:
    stage.push_healthy()

    run = stage.run(**MANIFEST, dry_run="true", settings=settings(*EVERYWHERE))
    status = stage.run("status", settings=settings(*EVERYWHERE))

    assert (run.exit_code, status.exit_code) == (0, 0), run.log + status.log
    assert receivers.events() == []
