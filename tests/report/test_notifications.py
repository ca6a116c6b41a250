"""The messages of notifications: texts, limits, and that external text has no effect."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deploy_action.core.notification import Channel, Event
from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.record import Record
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import (
    AbortedError,
    CancelledError,
    DeployError,
    InputError,
    PreflightError,
    RollbackIncompleteError,
    SupersededError,
)
from deploy_action.report import app_insights
from deploy_action.report.notifications import PAYLOADS, Message, events_of
from tests.report.examples import EXAMPLES, Script
from tests.support.golden import Golden

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "webhook.schema.json").read_text("utf-8"))
IMAGE = "contoso.azurecr.io/api@sha256:" + "a" * 64
OLD = RevisionInfo(revision="api--v1-3-0-2", version="1.3.0.2", commit="1" * 40, image=IMAGE)
NEW = RevisionInfo(revision="api--v1-3-0-3", version="1.3.0.3", commit="2" * 40, image=IMAGE)
PULL = "https://github.com/contoso/api/pull/7"
HOSTILE = st.text(max_size=4000) | st.text("<>&@!*_`[](){}|#:/\\ ab\n\"'", max_size=200)


def record_of(
    command: str = "deploy", *, serving: RevisionInfo = OLD, attempted: RevisionInfo = NEW
) -> Record:
    """Return a run under way."""
    record = Record(command=command, clock=itertools.count(0.0, 20.5).__next__)
    record.set_facts(
        environment="prod",
        app="api",
        url="https://api.example.com",
        run_url="https://github.com/contoso/api/actions/runs/4711",
        resource_id="/subscriptions/1/resourceGroups/rg/providers/Microsoft.App/containerApps/api",
    )
    record.observed(all_to(serving.revision), serving)
    record.attempted = attempted
    return record


def all_to(revision: str) -> Split:
    return Split.of([Entry(revision=revision, weight=100)])


def ended(error: BaseException) -> Record:
    record = record_of()
    record.fail(error)
    return record


def deployed(**facts: str) -> Record:
    record = record_of()
    record.traffic_shifted(all_to(NEW.revision), "promoted")
    record.set_facts(**facts)
    record.succeed("deployed")
    return record


def aborted(reason: str = "The candidate failed at 25 %: 7 of 40 requests failed.") -> Record:
    return ended(AbortedError(reason, hint="Read the log of the candidate."))


def rolled_back() -> Record:
    record = record_of("rollback", serving=NEW, attempted=OLD)
    record.set_facts(reason="errors at login")
    record.traffic_shifted(all_to(OLD.revision), "rolled back")
    record.succeed("rolled-back")
    return record


RECORDS: dict[Event, Callable[[], Record]] = {
    Event.STARTED: record_of,
    Event.SUCCEEDED: deployed,
    Event.ABORTED: aborted,
    Event.ROLLED_BACK: rolled_back,
    Event.ACTION_REQUIRED: lambda: deployed(pull_request=PULL),
}


def payload(channel: Channel, event: Event, record: Record) -> dict[str, Any]:
    message = Message.of(record, event, run="4711.1.k3f9", timestamp="2026-06-01T12:00:00Z")
    return PAYLOADS[channel](message)


@pytest.mark.parametrize("channel", Channel, ids=lambda channel: str(channel.value))
@pytest.mark.parametrize("event", Event, ids=lambda event: str(event.value))
def test_the_messages_are_as_reviewed(golden: Golden, channel: Channel, event: Event) -> None:
    text = json.dumps(payload(channel, event, RECORDS[event]()), indent=2, ensure_ascii=False)

    golden.check(f"notifications/{channel.value}-{event.value}.json", text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_notification_of_every_result_is_as_reviewed(golden: Golden, name: str) -> None:
    run = Script(EXAMPLES[name].command)
    EXAMPLES[name].play(run)
    events = events_of(run.record)
    if name in {"planned", "unchanged"}:  # nothing was meant to change
        assert events == ()
        return
    if name == "invalid":  # settings that cannot be read name no receiver
        return
    body = payload(Channel.WEBHOOK, events[0], run.record)

    jsonschema.validate(body, SCHEMA)
    text = json.dumps(body, indent=2, ensure_ascii=False)
    golden.check(f"results/{name}/notification.json", text)


@pytest.mark.parametrize(
    ("record", "events"),
    [
        (deployed(), [Event.SUCCEEDED]),
        (deployed(pull_request=PULL), [Event.ACTION_REQUIRED, Event.SUCCEEDED]),
        (deployed(pending="1.3.0.3"), [Event.ACTION_REQUIRED, Event.SUCCEEDED]),
        (rolled_back(), [Event.ROLLED_BACK]),
        (ended(CancelledError(2)), [Event.ABORTED]),
        (ended(PreflightError("No.")), [Event.ABORTED]),
        (ended(InputError("No.")), [Event.ABORTED]),
        (ended(SupersededError("No.")), [Event.ABORTED]),
        (ended(RollbackIncompleteError("No.")), [Event.ACTION_REQUIRED, Event.ABORTED]),
        (ended(DeployError("No.")), [Event.ACTION_REQUIRED, Event.ABORTED]),
        (ended(ValueError("No.")), [Event.ACTION_REQUIRED, Event.ABORTED]),
    ],
)
def test_every_result_has_its_events(record: Record, events: list[Event]) -> None:
    assert list(events_of(record)) == events


@pytest.mark.parametrize("result", ["planned", "unchanged"])
def test_a_run_that_changed_nothing_on_purpose_has_no_event(result: str) -> None:
    record = record_of()
    record.succeed(result)

    assert events_of(record) == ()


@pytest.mark.parametrize("command", ["validate", "status", "bump"])
def test_other_commands_have_no_event(command: str) -> None:
    record = record_of(command)
    record.fail(PreflightError("No."))

    assert events_of(record) == ()


def test_a_repair_announces_which_version_it_left_serving() -> None:
    finished, undone = record_of("repair"), record_of("repair")
    finished.traffic_shifted(all_to(NEW.revision), "finished")
    for record in (finished, undone):
        record.succeed("repaired")

    assert (events_of(finished), events_of(undone)) == ((Event.SUCCEEDED,), (Event.ABORTED,))


def test_the_id_is_the_same_for_a_repeat_and_differs_by_event_and_run() -> None:
    def id_of(event: Event, run: str) -> str:
        return Message.of(deployed(), event, run=run, timestamp="").id

    first = id_of(Event.SUCCEEDED, "4711.1.k3f9")
    assert first == id_of(Event.SUCCEEDED, "4711.1.k3f9")
    assert (
        len({first, id_of(Event.STARTED, "4711.1.k3f9"), id_of(Event.SUCCEEDED, "4711.2.x")}) == 3
    )


def texts(value: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Yield every object of a type in JSON data."""
    if isinstance(value, dict):
        if value.get("type") == kind:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item, kind)


def hostile_record(text: str) -> Record:
    record = record_of(attempted=RevisionInfo(revision="api--x", version=text, commit=text))
    record.set_facts(environment=text, app=text, pull_request=text, url=text, run_url=text)
    record.fail(AbortedError(text or "x", hint=text))
    return record


@given(HOSTILE)
def test_slack_s_limits_hold_and_no_text_is_markup(hostile: str) -> None:
    message = payload(Channel.SLACK, Event.ABORTED, hostile_record(hostile))

    assert not set(message["text"].replace("&amp;", "").replace("&lt;", "")) & set("<")
    assert not list(texts(message["blocks"], "mrkdwn"))
    [header] = [block for block in message["blocks"] if block["type"] == "header"]
    assert header["text"]["type"] == "plain_text"
    assert 0 < len(header["text"]["text"]) <= 150
    assert "\n" not in header["text"]["text"]
    assert len(message["blocks"]) <= 50
    assert len(json.dumps(message, ensure_ascii=False)) <= 13_200
    assert all(run["text"] for run in texts(message["blocks"], "text"))
    assert all(item["url"].startswith("https://") for item in texts(message["blocks"], "link"))


@given(HOSTILE)
@example("😀" * 1500)  # each takes twelve bytes in JSON
def test_teams_limits_hold_and_no_text_is_markup(hostile: str) -> None:
    message = payload(Channel.TEAMS, Event.ABORTED, hostile_record(hostile))

    assert len(json.dumps(message).encode()) <= 28 * 1024
    assert not list(texts(message, "TextBlock"))
    assert not list(texts(message, "FactSet"))
    assert all(run["text"] for run in texts(message, "TextRun"))
    urls = [item["url"] for item in texts(message, "Action.OpenUrl")]
    assert all(url.startswith("https://") for url in urls)


@given(HOSTILE)
def test_the_webhook_satisfies_its_published_schema(hostile: str) -> None:
    jsonschema.validate(payload(Channel.WEBHOOK, Event.ABORTED, hostile_record(hostile)), SCHEMA)


def test_external_text_arrives_literally() -> None:
    text = "<!channel> & <https://evil.example|click>, **bold** [link](https://evil.example) <at>x"
    record = aborted(text)

    for channel, kind in ((Channel.SLACK, "text"), (Channel.TEAMS, "TextRun")):
        message = payload(channel, Event.ABORTED, record)
        assert text in [run["text"] for run in texts(message, kind)]


def test_application_insights_gets_a_repeatable_annotation_and_measurements() -> None:
    record = deployed()
    first, again = (
        app_insights.annotation(record, run="4711.1.k3f9", moment="end", timestamp="now")
        for _ in range(2)
    )
    event = app_insights.event(record, timestamp="now")["data"]["baseData"]

    assert first == again
    assert (first["AnnotationName"], first["Category"]) == ("1.3.0.3 serves 100 %", "Deployment")
    assert json.loads(first["Properties"])["Version"] == "1.3.0.3"
    assert event["measurements"]["traffic_changes"] == 1
    assert all(isinstance(text, str) and text for text in event["properties"].values())


def test_an_abort_after_the_traffic_shift_is_annotated_as_such() -> None:
    body = app_insights.annotation(aborted(), run="1", moment="end", timestamp="now")

    assert body["AnnotationName"] == "1.3.0.3 rolled back"
    assert json.loads(body["Properties"])["Result"] == "aborted"
