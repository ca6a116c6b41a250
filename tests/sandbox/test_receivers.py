"""The receivers of notifications: what they accept, what they refuse, and what they keep."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

SLACK = "https://hooks.slack.com/services/T0001/B0001/s3cr3t"
FLOW = "https://prod-07.eastus.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x"
LINK = {"type": "link", "url": "https://github.com/"}
HOOK = "https://webhooks.example.com/deployments"


class Sender:
    """Sends messages as the action's runner would."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.proxies = {"https": environment["HTTPS_PROXY"]}
        self._session.verify = environment["REQUESTS_CA_BUNDLE"]

    def post(self, url: str, body: Any, **headers: str) -> requests.Response:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        headers = {"Content-Type": "application/json", **headers}
        return self._session.post(url, data=data, headers=headers, timeout=30)

    def signed(self, body: bytes, *, key: str = "", at: int = 0) -> requests.Response:
        key = key or self._environment["SANDBOX_WEBHOOK_SECRET"]
        stamp = str(at or int(time.time()))
        secret = base64.b64decode(key.removeprefix("whsec_"))
        digest = hmac.new(secret, f"run-1.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": "run-1",
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,b3RoZXI= v1,{base64.b64encode(digest).decode()}",
        }
        return self.post(HOOK, body, **headers)

    def kept(self) -> list[dict[str, Any]]:
        url = f"{self._environment['SANDBOX_URL']}/messages"
        response_body: list[dict[str, Any]] = requests.get(url, timeout=30).json()["messages"]
        return response_body

    def forget(self) -> None:
        requests.delete(f"{self._environment['SANDBOX_URL']}/messages", timeout=30)


@pytest.fixture
def sender(azure: dict[str, str]) -> Iterator[Sender]:
    sender = Sender(azure)
    sender.forget()
    yield sender
    sender.forget()


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


def test_slack_accepts_a_message_with_blocks(sender: Sender) -> None:
    link = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x"}
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "prod: deployed"}},
        section("*1.3.0.3* serves", fields=[{"type": "mrkdwn", "text": "was\n1.3.0.2"}]),
        {"type": "divider"},
        rich({"type": "text", "text": "a", "style": {"bold": True}}, {**LINK, "text": "b"}),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "run 7"}]},
        {"type": "actions", "elements": [link]},
    ]

    answer = sender.post(SLACK, {"text": "deployed", "blocks": blocks})

    assert (answer.status_code, answer.text) == (200, "ok")
    [message] = sender.kept()
    assert (message["channel"], message["problem"]) == ("slack", "")
    assert message["body"]["blocks"] == blocks


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("no JSON", "invalid_payload"),
        ([], "invalid_payload"),
        ({}, "no_text"),
        ({"text": "x", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x", block_id="a")] * 2}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "unknown"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [rich({"type": "text", "text": ""})]}, "invalid_blocks"),
        ({"text": "x", "blocks": [rich({"type": "mrkdwn", "text": "x"})]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "rich_text", "elements": []}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 2900) for _ in range(5)]}, "msg_blocks_too_long"),
        (
            {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
            "invalid_blocks",
        ),
        (
            {"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]},
            "invalid_blocks",
        ),
        (
            {"blocks": [section("x", fields=[{"type": "mrkdwn", "text": "x"}] * 11)]},
            "invalid_blocks",
        ),
    ],
)
def test_slack_refuses_what_exceeds_its_limits(sender: Sender, body: Any, code: str) -> None:
    answer = sender.post(SLACK, body)

    assert (answer.status_code, answer.text) == (400, code)
    assert sender.kept()[-1]["problem"]


def test_slack_does_not_know_other_addresses(sender: Sender) -> None:
    answer = sender.post("https://hooks.slack.com/services/else", {"text": "x"})

    assert (answer.status_code, answer.text) == (404, "no_service")


def card(**content: Any) -> dict[str, Any]:
    whole = {"type": "AdaptiveCard", "version": "1.4", "body": [], **content}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": whole}]}


def test_teams_accepts_everything_and_shows_what_is_a_card(sender: Sender) -> None:
    fine = card(
        body=[
            {"type": "TextBlock", "text": "prod: deployed"},
            {"type": "FactSet", "facts": [{"title": "serves", "value": "1.3.0.3"}]},
            {"type": "Container", "items": [{"type": "TextBlock", "text": "inside"}]},
        ],
        actions=[{"type": "Action.OpenUrl", "title": "Run", "url": "https://github.com/"}],
    )
    broken = [
        {"text": "no card"},
        card(version="2.0"),
        card(body=[{"type": "Heading", "text": "x"}]),
        card(body=[{"type": "FactSet", "facts": [{"title": "x"}]}]),
        card(body=[{"type": "Container", "items": [{"type": "TextBlock"}]}]),
        card(actions=[{"type": "Action.OpenUrl", "url": "javascript:alert(1)"}]),
    ]

    answers = [sender.post(FLOW, message) for message in (fine, *broken)]

    assert [(answer.status_code, answer.text) for answer in answers] == [(202, "")] * 7
    assert [bool(message["problem"]) for message in sender.kept()] == [False, *[True] * 6]


def test_teams_refuses_large_messages_and_addresses_without_a_signature(sender: Sender) -> None:
    large = card(body=[{"type": "TextBlock", "text": "x" * 29_000}])

    assert sender.post(FLOW, large).status_code == 413
    assert sender.post(FLOW.partition("?")[0], card()).status_code == 401
    newer = "https://a.b.environment.api.powerplatform.com/powerautomate/automations/direct?sig=x"
    assert sender.post(newer, card()).status_code == 202


def test_the_webhook_takes_what_is_signed_with_its_secret(sender: Sender) -> None:
    body = b'{"type": "deploy.finished"}'

    assert sender.signed(body).status_code == 204
    assert sender.signed(body, key="whsec_b3RoZXI=").status_code == 401
    assert sender.signed(body, at=int(time.time()) - 400).status_code == 401
    assert sender.post(HOOK, body).status_code == 401

    messages = sender.kept()
    assert [message["status"] for message in messages] == [204, 401, 401, 401]
    assert messages[0]["headers"]["webhook-id"] == "run-1"
