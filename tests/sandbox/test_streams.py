"""The event stream of an app and the console of a replica, as a client of Azure reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.sandbox.streams import events, get
from tests.stage import VERSION, Stage

PATIENCE_S = 60.0


def eventually(stage: Stage, reason: str, text: str) -> dict[str, Any]:
    """Wait for a record of the app's event stream."""

    def found() -> dict[str, Any] | None:
        return next(
            (item for item in events(stage) if item["Reason"] == reason and text in item["Msg"]),
            None,
        )

    event: dict[str, Any] = until(
        found, lambda: str([(item["Reason"], item["Msg"]) for item in events(stage)])
    )
    return event


def until(condition: Callable[[], Any], otherwise: Callable[[], str]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, otherwise()
        time.sleep(0.1)
    return value


def candidate(stage: Stage, **container: Any) -> str:
    """Add a revision whose container is changed."""
    template = stage.scene.resource()["properties"]["template"]
    template["revisionSuffix"] = "candidate"
    template["containers"][0] |= container
    body = {"properties": {"template": template}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", body)
    stage.wait_until_idle()
    return f"{stage.scene.app}--candidate"


def console(stage: Stage, revision: str, output: str = "json", tail: str = "20") -> str:
    """Return what the first replica of a revision has written; nothing before there is one."""
    replicas = stage.scene.arm(
        "GET", f"/containerApps/{stage.scene.app}/revisions/{revision}/replicas"
    )["value"]
    if not replicas:
        return ""
    container = replicas[0]["properties"]["containers"][0]
    path = "/subscriptions/" + container["logStreamEndpoint"].partition("/subscriptions/")[2]
    answer = get(stage, path, output=output, tailLines=tail, follow="false")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_event_stream_has_the_life_of_a_revision(stage: Stage) -> None:
    before = stage.date() - timedelta(hours=1)

    result = events(stage)

    chatter, records = result[:2], result[2:]
    opening = ["StartingGettingEvents", "ConnectedToEventsServer"]
    assert [item["Reason"] for item in chatter] == opening
    assert all(item["RevisionName"] is None for item in chatter)
    of_revision = [item for item in records if item["RevisionName"] == stage.first]
    reasons = [item["Reason"] for item in of_revision]
    expected = ["RevisionCreation", "AssigningReplica", "PullingImage", "PulledImage"]
    expected += ["ContainerCreated", "ContainerStarted", "RevisionReady"]
    assert [item for item in reasons if item in expected] == expected
    stamp, zone = of_revision[0]["TimeStamp"].split(" +")
    assert zone == "0000 UTC"
    assert datetime.fromisoformat(f"{stamp[:26]}+00:00") > before
    keda = next(item for item in of_revision if item["EventSource"] == "KEDA")
    assert keda["ReplicaName"] == ""


def test_a_program_that_ends_is_in_the_event_stream_with_its_exit_code(stage: Stage) -> None:
    name = candidate(stage, command=["python", "-c", "import sys; print('boom'); sys.exit(3)"])

    event = eventually(stage, "ContainerTerminated", "exit code '3' and reason 'ProcessExited'")

    assert (event["RevisionName"], event["Type"]) == (name, "Warning")
    assert event["ReplicaName"].startswith(name)
    until(lambda: "boom" in console(stage, name), lambda: console(stage, name))


def test_a_program_that_does_not_exist_cannot_be_started(stage: Stage) -> None:
    candidate(stage, command=["no-such-program"])

    event = eventually(stage, "ContainerTerminated", "reason 'ContainerCreateFailure'")

    assert "executable file not found in $PATH" in event["Msg"]


def test_a_program_on_another_port_is_in_the_event_stream(stage: Stage) -> None:
    name = candidate(stage, env=[{"name": "PORT", "value": "9000"}])
    stage.clock(advance=30)

    event = eventually(stage, "Pending:PortMismatch", "does not match the listening port 9000.")

    assert (event["RevisionName"], event["Type"]) == (name, "Normal")
    probe = eventually(stage, "ProbeFailed", "Probe of StartUp failed with status code: 1")
    assert probe["Type"] == "Warning"


def test_a_probe_that_is_answered_with_an_error_names_the_status(stage: Stage) -> None:
    probe = {"type": "Readiness", "httpGet": {"path": "/nowhere", "port": 8000}}
    candidate(stage, probes=[probe])

    event = eventually(stage, "ProbeFailed", "Probe of Readiness failed with status code: 404")

    assert event["Count"] >= 1


def test_a_pull_without_the_role_is_a_normal_event_and_the_old_replica_stays(stage: Stage) -> None:
    registries = [{"server": f"{stage.scene.registry}.azurecr.io", "identity": "system"}]
    configuration = {"activeRevisionsMode": "Multiple", "registries": registries}
    body = {"identity": {"type": "SystemAssigned"}, "properties": {"configuration": configuration}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", body)
    stage.wait_until_idle()
    stage.scene.ask("POST", f"{stage.scene.path}/revisions/{stage.first}/restart")

    event = eventually(stage, "ImagePullUnauthorized", "unauthorized error")

    assert (event["Type"], event["RevisionName"]) == ("Normal", stage.first)
    assert stage.serves()["version"] == VERSION


def test_a_deactivation_records_a_manual_stop(stage: Stage) -> None:
    stage.scene.ask("POST", f"{stage.scene.path}/revisions/{stage.first}/deactivate")
    stage.clock(advance=60)

    event = eventually(stage, "ContainerTerminated", "reason 'ManuallyStopped'")

    assert event["RevisionName"] == stage.first
    assert eventually(stage, "RevisionDeactivating", stage.first)
    assert eventually(stage, "KEDAScalersStopped", stage.first)["EventSource"] == "KEDA"


def test_changes_of_the_traffic_are_in_the_event_stream(stage: Stage) -> None:
    entry = {"revisionName": stage.first, "weight": 100, "label": "steady"}
    body = {"properties": {"configuration": {"ingress": {"traffic": [entry]}}}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", body)

    event = eventually(stage, "RevisionUpdate", "traffic weight of '100%'")

    assert event["RevisionName"] == stage.first


def test_only_the_last_records_are_sent_when_asked(stage: Stage) -> None:
    everything = events(stage)
    last = events(stage, tailLines="2")

    assert last[2:] == everything[-2:]
    path = stage.scene.path.replace("/providers/Microsoft.App", "") + "/eventstream"
    assert get(stage, path, tailLines="301").status_code == 400


def test_the_environments_stream_has_the_records_of_its_apps(stage: Stage) -> None:
    [environment] = stage.scene.arm("GET", "/managedEnvironments")["value"]
    path = environment["properties"]["eventStreamEndpoint"].partition(".dev")[2]
    response = stage.scene.ask("POST", f"{environment['id']}/getAuthToken").json()

    answer = get(stage, path, response["properties"]["token"], follow="false")

    apps = [json.loads(line)["ContainerAppName"] for line in answer.text.splitlines()]
    assert stage.scene.app in apps


def test_console_lines_carry_the_time_at_which_they_were_written(stage: Stage) -> None:
    stage.clock(advance=3600)
    program = "import time; print('early', flush=True); time.sleep(600)"
    name = candidate(stage, command=["python", "-c", program])
    until(lambda: "early" in console(stage, name), lambda: console(stage, name))
    stage.clock(advance=600)

    lines = [json.loads(line) for line in console(stage, name).splitlines()]

    assert [item["Log"].split()[0] for item in lines[:2]] == ["Connecting", "Successfully"]
    assert "+" not in lines[0]["TimeStamp"]
    line = next(item for item in lines if item["Log"] == "F early")
    written = datetime.fromisoformat(line["TimeStamp"])
    assert written >= datetime.fromisoformat(stage.scene.revisions()[name]["createdTime"])
    assert stage.date() - written > timedelta(seconds=590)
    assert " stdout F early" in console(stage, name, "text")
    assert "early" not in console(stage, name, tail="0")


def test_a_stream_needs_the_token_of_its_own_app(stage: Stage) -> None:
    path = stage.scene.path.replace("/providers/Microsoft.App", "") + "/eventstream"

    assert get(stage, path, token="something else").status_code == 401
    other = path.replace(stage.scene.app, "other")
    assert get(stage, other).status_code == 401


def test_the_token_needs_its_permission(stage: Stage) -> None:
    action = "Microsoft.App/containerApps/getAuthToken/action"
    stage.admin("permissions", {"remove": [action], "scope": stage.scene.path})

    answer = stage.scene.ask("POST", f"{stage.scene.path}/getAuthToken")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
