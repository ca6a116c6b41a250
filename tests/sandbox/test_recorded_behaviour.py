"""Recorded behaviour of Azure Container Apps, one row for each statement.

A new fact about Azure is one more check in the table.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.changes import changed, configuration, patched, revision, split, template, until
from tests.stage import Stage

Check = Callable[[Stage], None]
CHECKS: dict[str, Check] = {}
_numbers = itertools.count(1)
SILENT = ["python", "-c", "import time; time.sleep(3600)"]


def recorded(statement: str) -> Callable[[Check], Check]:
    """Add a check to the table."""

    def add(check: Check) -> Check:
        CHECKS[statement] = check
        return check

    return add


@pytest.fixture
def stage(azure: dict[str, str], tmp_path: Path) -> Iterator[Stage]:
    stage = Stage.set_up(azure, tmp_path, f"recorded-{next(_numbers)}")
    yield stage
    stage.clock(advance=60)
    stage.tear_down()


def _app(stage: Stage) -> dict[str, Any]:
    properties: dict[str, Any] = stage.scene.resource()["properties"]
    return properties


def _act(stage: Stage, name: str, action: str) -> None:
    path = f"{stage.scene.path}/revisions/{stage.scene.app}--{name}/{action}"
    assert stage.scene.ask("POST", path).status_code == 200


def _ask_held(stage: Stage, url: str) -> tuple[requests.Response, int]:
    """Send a request that is held; return the answer and how many seconds it took at most."""
    replies: list[requests.Response] = []

    def ask() -> None:
        replies.append(stage.scene.session.get(url, timeout=60))

    thread = threading.Thread(target=ask)
    thread.start()
    passed_s = 0
    while thread.is_alive():
        stage.clock(advance=10)
        passed_s += 10
        time.sleep(0.02)
    return replies[0], passed_s


@recorded("Retry-After is on the 202 and on the result address, not on the status address")
def _retry_after(stage: Stage) -> None:
    stage.clock(factor=1)
    accepted = patched(stage, {"tags": {"a": "1"}})
    status = stage.scene.ask("GET", accepted.headers["Azure-AsyncOperation"])
    result = stage.scene.ask("GET", accepted.headers["Location"])

    assert status.json()["status"] == "InProgress"
    assert "Retry-After" not in status.headers
    assert accepted.headers["Retry-After"]
    assert result.headers["Retry-After"]


@recorded("x-ms-async-operation-timeout is on the 201 of a PUT only")
def _operation_timeout(stage: Stage) -> None:
    path, resource = f"{stage.scene.path}-put", stage.scene.resource()
    resource["properties"]["template"]["revisionSuffix"] = ""
    resource["properties"]["configuration"]["ingress"].pop("traffic")
    put = stage.scene.ask("PUT", path, {key: resource[key] for key in ("location", "properties")})
    patch = patched(stage, {"tags": {"a": "1"}})
    stage.wait_until_idle()
    delete = stage.scene.ask("DELETE", stage.scene.path)

    assert [reply.status_code for reply in (put, patch, delete)] == [201, 202, 202]
    assert put.headers["x-ms-async-operation-timeout"] == "PT15M"
    assert "x-ms-async-operation-timeout" not in patch.headers
    assert "x-ms-async-operation-timeout" not in delete.headers


@recorded("GET shows the new traffic, template, secrets and revision name while the operation runs")
def _reads_ahead(stage: Stage) -> None:
    changed(stage, template(stage, "two", args=["2"]))
    two = f"{stage.scene.app}--two"
    body = template(stage, "three", args=["3"])
    body["properties"]["configuration"] = {
        "secrets": [{"name": "new", "value": "x"}],
        **split(**{two: 40, stage.first: 60})["properties"]["configuration"],
    }
    stage.clock(factor=1)
    patched(stage, body)
    app, weight = _app(stage), revision(stage, "two")["trafficWeight"]

    assert app["provisioningState"] == "InProgress"
    assert app["latestRevisionName"] == f"{stage.scene.app}--three"
    assert app["template"]["containers"][0]["args"] == ["3"]
    assert app["configuration"]["secrets"] == [{"name": "new"}]
    assert stage.weights() == {two: 40, stage.first: 60}
    assert weight == 40


@recorded("an operation can fail after GET has shown its values, and changes nothing then")
def _reads_ahead_of_a_failure(stage: Stage) -> None:
    ending = {"status": "Failed", "code": "InternalError", "message": "no capacity"}
    fault = {"method": "PATCH", "path": f"*/{stage.scene.app}", "operation": ending}
    stage.admin("faults", [fault])
    stage.clock(factor=1)
    reply = stage.scene.ask("PATCH", stage.scene.path, template(stage, "failing", args=["x"]))
    during = _app(stage)
    stage.clock(advance=60)
    stage.wait_until_idle()
    after = _app(stage)
    status = stage.scene.ask("GET", reply.headers["Azure-AsyncOperation"]).json()

    assert during["latestRevisionName"] == f"{stage.scene.app}--failing"
    assert status["status"] == after["provisioningState"] == "Failed"
    assert after["latestRevisionName"] == stage.first
    assert list(stage.scene.revisions()) == [stage.first]


@recorded("a request is held for 240 s and answered 504 while the only revision does not listen")
def _held(stage: Stage) -> None:
    changed(stage, template(stage, "silent", command=SILENT))
    silent = f"{stage.scene.app}--silent"
    changed(stage, split(**{silent: 100}))
    stage.clock(factor=1)
    reply, passed_s = _ask_held(stage, f"{stage.url}/version")

    assert passed_s > 200, "the rest is real time"
    assert (reply.status_code, reply.text) == (504, "stream timeout")
    assert reply.headers["Content-Type"] == "text/plain"


@recorded("a held request is answered once the revision listens")
def _held_until_ready(stage: Stage) -> None:
    _act(stage, "first", "deactivate")
    _act(stage, "first", "activate")

    assert stage.scene.session.get(f"{stage.url}/version", timeout=60).status_code == 200


@recorded("activate within the drain: one replica of at most one, nothing serves before it runs")
def _activated_while_draining(stage: Stage) -> None:
    body = template(stage, "one", args=["1"])
    body["properties"]["template"]["scale"] = {"minReplicas": 1, "maxReplicas": 1}
    changed(stage, body)
    single = until(lambda: revision(stage, "one"), lambda item: item["healthState"] == "Healthy")
    stage.clock(factor=1)
    _act(stage, "one", "deactivate")
    draining = revision(stage, "one")
    _act(stage, "one", "activate")
    starting = revision(stage, "one")
    with pytest.raises(requests.ReadTimeout):
        stage.scene.session.get(f"https://{single['fqdn']}/version", timeout=0.5)
    stage.clock(advance=60)
    running = until(lambda: revision(stage, "one"), lambda item: item["healthState"] == "Healthy")

    assert (draining["runningState"], draining["replicas"]) == ("Deprovisioning", 1)
    assert (starting["runningState"], starting["replicas"]) == ("Processing", 1)
    assert (running["runningState"], running["replicas"]) == ("RunningAtMaxScale", 1)


@recorded("Single mode: the old revision stays active and Deprovisioning, without lastActiveTime")
def _replaced(stage: Stage) -> None:
    changed(stage, configuration(activeRevisionsMode="Single"))
    changed(stage, template(stage, "next", args=["2"]))
    until(lambda: revision(stage, "next"), lambda item: item["healthState"] == "Healthy")
    old = revision(stage, "first")
    gone = until(lambda: revision(stage, "first"), lambda item: not item["active"])

    assert (old["active"], old["replicas"], old["runningState"]) == (True, 1, "Deprovisioning")
    assert "lastActiveTime" not in old
    assert old["trafficWeight"] == 0
    assert (gone["runningState"], gone["replicas"]) == ("Stopped", 0)
    assert gone["lastActiveTime"]


@recorded("an unchanged template with a preview key keeps the revision")
def _preview_key(stage: Stage) -> None:
    same = _app(stage)["template"]
    same["containers"][0]["imageType"] = "ContainerImage"

    assert changed(stage, {"properties": {"template": same}})["status"] == "Succeeded"
    assert list(stage.scene.revisions()) == [stage.first]


@recorded("a program with a port of its own is served when that port is the target port")
def _own_port(stage: Stage) -> None:
    program = (
        "import http.server, os\n"
        "assert 'PORT' not in os.environ\n"
        "http.server.HTTPServer(('', 3000), http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    body = template(stage, "own", command=["python", "-c", program])
    body["properties"]["configuration"] = {"ingress": {"targetPort": 3000}}
    body["properties"]["template"]["scale"] = {"minReplicas": 2, "maxReplicas": 2}
    changed(stage, body)
    own = until(lambda: revision(stage, "own"), lambda item: item["healthState"] == "Healthy")

    assert stage.scene.session.get(f"https://{own['fqdn']}/", timeout=60).status_code == 200
    assert own["replicas"] == 2


@recorded("a revision's template has no env, storage, cool-down or polling interval of its own")
def _revision_template(stage: Stage) -> None:
    body = template(stage, "bare")
    del body["properties"]["template"]["containers"][0]["env"]
    changed(stage, body)
    shown, app = revision(stage, "bare")["template"], _app(stage)["template"]

    assert "env" not in shown["containers"][0]
    assert "ephemeralStorage" not in shown["containers"][0]["resources"]
    assert (shown["scale"]["cooldownPeriod"], shown["scale"]["pollingInterval"]) == (None, None)
    assert (app["scale"]["cooldownPeriod"], app["scale"]["pollingInterval"]) == (300, 30)


@recorded("ephemeral storage is derived from the CPU, what is sent is ignored")
def _ephemeral_storage(stage: Stage) -> None:
    sizes = {}
    for number, cpu in enumerate((0.25, 0.5, 1)):
        resources = {"cpu": cpu, "memory": f"{2 * cpu}Gi", "ephemeralStorage": "9Gi"}
        changed(stage, template(stage, f"cpu{number}", resources=resources))
        sizes[cpu] = _app(stage)["template"]["containers"][0]["resources"]["ephemeralStorage"]

    assert sizes == {0.25: "1Gi", 0.5: "2Gi", 1: "4Gi"}


@recorded("an older api-version lacks the keys that came later")
def _api_versions(stage: Stage) -> None:
    def keys(version: str) -> set[str]:
        reply = stage.scene.ask("GET", stage.scene.path, params={"api-version": version})
        properties = reply.json()["properties"]
        return {*properties, *properties["configuration"], *properties["template"]["scale"]}

    late = {"runningStatus", "identitySettings", "runtime", "cooldownPeriod", "pollingInterval"}
    assert late & keys("2024-03-01") == set()
    assert late <= keys("2025-01-01")
    middle = {"workloadProfileName", "service"}
    assert middle & keys("2022-10-01") == set()
    assert middle <= keys("2023-05-01")
    early = {"latestReadyRevisionName", "eventStreamEndpoint", "maxInactiveRevisions"}
    assert early & keys("2022-03-01") == set()
    assert early <= keys("2022-10-01")


@recorded("a revision has no runningState before api-version 2023-05-01")
def _running_state(stage: Stage) -> None:
    path = f"{stage.scene.path}/revisions/{stage.first}"

    def state(version: str) -> Any:
        reply = stage.scene.ask("GET", path, params={"api-version": version})
        return reply.json()["properties"].get("runningState")

    assert [state("2022-10-01"), state("2023-05-01")] == [None, "Running"]


@recorded("empty secrets, rules and serviceBinds are null")
def _empty_lists(stage: Stage) -> None:
    body = template(stage, "empty", args=["1"])
    body["properties"]["configuration"] = {"secrets": []}
    body["properties"]["template"] |= {"scale": {"rules": []}, "serviceBinds": []}
    changed(stage, body)
    app = _app(stage)

    assert app["configuration"]["secrets"] is None
    assert app["template"]["scale"]["rules"] is None
    assert app["template"]["serviceBinds"] is None


@recorded("the 201 of a PUT is a bare echo of the request")
def _put_echo(stage: Stage) -> None:
    resource = stage.scene.resource()
    resource["properties"]["configuration"]["ingress"].pop("traffic")
    resource["properties"]["template"]["scale"] = None
    resource["properties"]["template"]["revisionSuffix"] = ""
    path = f"{stage.scene.path}-echo"
    body = {key: resource[key] for key in ("location", "properties")}
    echo = stage.scene.ask("PUT", path, body).json()["properties"]

    assert not {"latestRevisionName", "latestReadyRevisionName", "runningStatus"} & set(echo)
    assert echo["configuration"]["ingress"]["fqdn"] is None
    assert echo["configuration"]["ingress"]["traffic"] is None
    assert echo["template"]["scale"] is None
    assert echo["provisioningState"] == "InProgress"


@recorded("a wrong port is named in the details at some looks, and ends without replicas")
def _wrong_port(stage: Stage) -> None:
    text = "The TargetPort 8000 does not match the listening port 9999."
    changed(stage, template(stage, "wrong", env=[{"name": "PORT", "value": "9999"}]))
    early = until(lambda: revision(stage, "wrong"), lambda item: "runningStateDetails" in item)
    silent = until(lambda: revision(stage, "wrong"), lambda item: "runningStateDetails" not in item)
    stage.clock(advance=900)
    late = until(
        lambda: revision(stage, "wrong"), lambda item: item["runningState"] == "ActivationFailed"
    )

    assert (early["runningState"], early["runningStateDetails"]) == ("Activating", text)
    assert silent["runningState"] == "Activating"
    assert (late["runningStateDetails"], late["replicas"]) == (text, 0)


@recorded("a revision that is Processing has one replica")
def _processing(stage: Stage) -> None:
    stage.wait_until_idle()
    stage.clock(factor=1)
    patched(stage, template(stage, "new", args=["1"]))
    new = until(lambda: revision(stage, "new"), bool)

    assert (new["runningState"], new["replicas"]) == ("Processing", 1)


@recorded("DELETE has the id of the last PATCH, and an ended result can be asked for again")
def _delete(stage: Stage) -> None:
    patch = patched(stage, {"tags": {"a": "1"}})
    stage.wait_until_idle()
    results = [stage.scene.ask("GET", patch.headers["Location"]) for _ in range(2)]
    delete = stage.scene.ask("DELETE", stage.scene.path)
    until(lambda: stage.scene.ask("GET", stage.scene.path).status_code, lambda code: code == 404)
    gone = [stage.scene.ask("GET", delete.headers["Location"]).status_code for _ in range(2)]

    assert _operation_id(delete) == _operation_id(patch)
    assert [result.status_code for result in results] == [200, 200]
    assert gone == [204, 204]


def _operation_id(reply: requests.Response) -> str:
    return reply.headers["Location"].partition("?")[0].rpartition("/")[2]


@recorded("a registry's missing password is named with its server")
def _registry_secret(stage: Stage) -> None:
    registry = {"server": "y.azurecr.io", "username": "u", "passwordSecretRef": "x"}
    reply = stage.scene.ask("PATCH", stage.scene.path, configuration(registries=[registry]))

    assert reply.status_code == 400
    assert reply.json()["error"] == {
        "code": "ContainerAppRegistriesPasswordSecretRefNotFound",
        "message": "PasswordSecretRef 'x' defined for registry server 'y.azurecr.io' not found.",
    }


@recorded("ids of revisions and providers, the type of a replica, the client's correlation id")
def _ids(stage: Stage) -> None:
    scene = stage.scene
    path = f"{scene.path}/revisions/{stage.first}"
    replicas = scene.ask("GET", f"{path}/replicas").json()["value"]
    subscription = f"/subscriptions/{scene.environment['AZURE_SUBSCRIPTION_ID']}"
    provider = scene.ask("GET", f"{subscription}/providers/Microsoft.App").json()
    headers = {"x-ms-correlation-request-id": "mine", "Authorization": f"Bearer {scene.token()}"}

    assert scene.ask("GET", path).json()["id"] == path
    assert {item["type"] for item in replicas} == {"Microsoft.App/containerapps/revisions/replicas"}
    assert provider["id"] == f"{subscription}/providers/Microsoft.App"
    echoed = scene.ask("GET", scene.path, headers=headers).headers["x-ms-correlation-request-id"]
    assert echoed == "mine"


def _listed(stage: Stage, path: str, text: str) -> requests.Response:
    return stage.scene.ask("GET", path, params={"api-version": "2021-04-01", "$filter": text})


@recorded("listings of a group honour $filter and refuse what they do not understand")
def _filters(stage: Stage) -> None:
    path = f"{stage.scene.group_path}/resources"
    kind = "resourceType eq 'Microsoft.App/containerApps'"
    names = {
        text: {item["name"] for item in _listed(stage, path, text).json()["value"]}
        for text in (
            f"{kind} and name eq '{stage.scene.app}'",
            f"{kind} and name ne '{stage.scene.app}'",
            "tagName eq 'none'",
        )
    }
    of_type = {item["type"] for item in _listed(stage, path, kind).json()["value"]}
    unknown = _listed(stage, path, "colour eq 'red'")

    first, others, none = names.values()
    assert first == {stage.scene.app}
    assert stage.scene.app not in others
    assert none == set()
    assert of_type == {"Microsoft.App/containerApps"}
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (
        400,
        "InvalidFilterInQueryString",
    )
    assert _listed(stage, f"{stage.scene.path}/revisions", "a eq 'b'").status_code == 501


@recorded("sub-resources of an environment answer as Resource Manager does, others say 501")
def _environment(stage: Stage) -> None:
    home = f"{stage.scene.group_path}/providers/Microsoft.App/managedEnvironments"
    paths = {
        "list": f"{home}/well-intake-env/certificates",
        "one": f"{home}/well-intake-env/certificates/mine",
        "orphan": f"{home}/nowhere/certificates/mine",
        "id as a name": f"{home}{home}/well-intake-env",  # az containerapp up asks for this
        "missing": f"{home}/nowhere",
        "unknown": f"{home}/well-intake-env/flowers",
        "namespace": f"{stage.scene.group_path}/providers/Contoso.Nothing/things",
    }
    replies = {name: stage.scene.ask("GET", path) for name, path in paths.items()}
    codes = {
        name: (reply.status_code, reply.json().get("error", {}).get("code"))
        for name, reply in replies.items()
    }

    assert codes == {
        "list": (200, None),
        "one": (404, "ResourceNotFound"),
        "orphan": (404, "ParentResourceNotFound"),
        "id as a name": (404, "ParentResourceNotFound"),
        "missing": (404, "ResourceNotFound"),
        "unknown": (501, "NotSupportedBySandbox"),
        "namespace": (404, "InvalidResourceNamespace"),
    }
    assert replies["list"].json() == {"value": []}
    assert "managedEnvironments/well-intake-env/certificates/mine" in replies["one"].text


@pytest.mark.parametrize("statement", CHECKS)
def test_the_sandbox_behaves_as_recorded(statement: str, stage: Stage) -> None:
    CHECKS[statement](stage)
