"""System events and console lines of one revision, read from the local Azure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from deploy_action.adapters.event_stream import EventStream, LogsUnavailableError
from deploy_action.adapters.resource_manager import ResourceManager
from deploy_action.core.diagnosis import Evidence, likely_cause
from tests.stage import Stage

PATIENCE_S = 60.0
STREAM_HOST = "*.azurecontainerapps.dev"


@pytest.fixture
def secrets() -> list[str]:
    """The masked secrets."""
    return []


@pytest.fixture
def stream(
    stage: Stage, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[EventStream]:
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, stage.scene.environment[name])
    arm = ResourceManager(stage.scene.token)
    yield EventStream(arm=arm, app_id=stage.scene.path, on_secret=secrets.append)
    url = f"{stage.scene.environment['SANDBOX_URL']}/faults"
    requests.delete(url, timeout=30, proxies={"http": ""}).raise_for_status()


def candidate(stage: Stage, **container: Any) -> str:
    """Add a revision whose container is changed."""
    template = stage.scene.resource()["properties"]["template"]
    template["revisionSuffix"] = "candidate"
    template["containers"][0] |= container
    body = {"properties": {"template": template}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", body)
    stage.wait_until_idle()
    return f"{stage.scene.app}--candidate"


def reasons(stream: EventStream, revision: str, since_s: float = 0.0) -> set[str]:
    return {event.reason for event in stream.system_events(revision, since_s)}


def test_the_events_are_those_of_the_revision(stage: Stage, stream: EventStream) -> None:
    revision = candidate(stage)
    end = time.monotonic() + PATIENCE_S
    while "ContainerStarted" not in reasons(stream, revision):
        assert time.monotonic() < end
        time.sleep(0.1)
    events = stream.system_events(revision, 0.0)
    assert {event.revision for event in events} == {revision}
    assert [event.at_s for event in events] == sorted(event.at_s for event in events)
    assert not reasons(stream, revision, since_s=stage.date().timestamp() + 60)


def test_a_program_that_ends_is_diagnosed_from_real_events_and_its_real_log(
    stage: Stage, stream: EventStream
) -> None:
    program = "raise KeyError('DATABASE_URL')"
    revision = candidate(stage, command=["python", "-c", program])
    end = time.monotonic() + PATIENCE_S
    cause = None
    while cause is None or "DATABASE_URL" not in cause.cause:
        assert time.monotonic() < end, reasons(stream, revision)
        time.sleep(0.1)
        events = stream.system_events(revision, 0.0)
        log = stream.console_lines(revision, 20)
        cause = likely_cause(Evidence(events=events, log=log))
    assert cause.cause == "The program exited with code 1: KeyError: 'DATABASE_URL'."
    assert "environment variable" in cause.hint


def test_the_console_is_the_containers_own(
    stage: Stage, stream: EventStream, secrets: list[str]
) -> None:
    end = time.monotonic() + PATIENCE_S
    stage.scene.session.get(f"{stage.url}/version", timeout=30)
    while not (lines := stream.console_lines(stage.first, 5)):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert len(lines) <= 5
    assert not any("Connected to container" in line for line in lines)
    assert not any(line.startswith("F ") for line in lines)
    assert len(secrets) == 1  # one token, masked before it was used


def test_a_revision_without_replicas_has_no_lines(stage: Stage, stream: EventStream) -> None:
    with pytest.raises(LogsUnavailableError, match="could not be listed"):
        stream.console_lines("no-such--revision", 5)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example.com/subscriptions/x/eventstream",
        "http://eastus.azurecontainerapps.dev/subscriptions/x",
        "https://eastus.azurecontainerapps.dev.evil.example.com/subscriptions/x",
        "https://evil.example.com#.azurecontainerapps.dev/subscriptions/x",
        "",
    ],
)
def test_the_token_goes_to_the_platforms_own_host_only(
    stage: Stage, stream: EventStream, secrets: list[str], endpoint: str
) -> None:
    app = f"*/containerapps/{stage.scene.app}"
    body = {"properties": {"eventStreamEndpoint": endpoint}}
    stage.admin("faults", [{"method": "GET", "path": app, "status": 200, "body": body}])
    with pytest.raises(LogsUnavailableError, match="is not a Container Apps host"):
        stream.system_events(stage.first, 0.0)
    assert not secrets  # no token was even fetched


def test_a_missing_permission_is_named(stage: Stage, stream: EventStream) -> None:
    error = {"error": {"code": "AuthorizationFailed", "message": "not allowed: getAuthToken"}}
    path = f"*/containerapps/{stage.scene.app}/getauthtoken"
    stage.admin("faults", [{"path": path, "status": 403, "body": error}])
    with pytest.raises(LogsUnavailableError, match="AuthorizationFailed") as caught:
        stream.system_events(stage.first, 0.0)
    assert "getAuthToken" in caught.value.hint


def test_invalid_records_are_skipped(stage: Stage, stream: EventStream) -> None:
    good = (
        '{"TimeStamp": "2026-06-26 12:40:54.7869523 +0000 UTC", "RevisionName": "a--b", '
        '"Msg": "text", "Reason": "ProbeFailed"}'
    )
    body = f'\nhalf a {{\n[1]\n7\n{{"RevisionName": null}}\n{good}\n'
    stage.admin("faults", [{"host": STREAM_HOST, "status": 200, "body": body}])
    [event] = stream.system_events("a--b", 0.0)
    assert (event.reason, event.text) == ("ProbeFailed", "text")
    assert event.at_s == pytest.approx(1782477654.786952)
