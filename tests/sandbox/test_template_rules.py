"""Templates, secrets and tags that Azure refuses or accepts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.sandbox.streams import events
from tests.stage import Stage
from tests.support.eventually import eventually
from tests.support.identities import Identity, admin

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"


@pytest.fixture(scope="module")
def stage(azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One app for all rows: a refused change changes nothing."""
    stage = Stage.set_up(azure, tmp_path_factory.mktemp("rules"), "api-rules")
    stage.wait_until_idle()
    yield stage
    stage.scene.ask("DELETE", stage.scene.path)


def patch(stage: Stage, body: Any) -> requests.Response:
    stage.wait_until_idle()
    return stage.scene.ask("PATCH", stage.scene.path, body)


def template(stage: Stage, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return a patch that makes the first revision's template after *change* the app's."""
    template = copy.deepcopy(stage.scene.revisions()[stage.first]["template"])
    change(template)
    return {"properties": {"template": template}}


def probe(**about: Any) -> dict[str, Any]:
    return {"type": "Startup", "httpGet": {"path": "/", "port": 8000}, **about}


def rule(name: str, **about: Any) -> dict[str, Any]:
    return {"name": name, **about}


def cron(**about: Any) -> dict[str, Any]:
    metadata = {
        "timezone": "Europe/Amsterdam",
        "start": "0 8 * * 1-5",
        "end": "0 18 * * 1-5",
        "desiredReplicas": "2",
        **about,
    }
    return rule("day", custom={"type": "cron", "metadata": metadata})


SERVER = (
    "import os, http.server as h; print('greeting:', os.environ['GREETING'], flush=True); "
    "h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
)
TWO_PROBES = [probe(), probe()]
ONE_VOLUME = [{"name": "data", "storageType": "EmptyDir"}]


@pytest.mark.parametrize(
    ("where", "value", "code", "text"),
    [
        ("probes", [probe(type="Alive")], "InvalidRequestContent", "'Alive' is not one of"),
        ("probes", [probe(failureThreshold=11)], "InvalidRequestContent", "failureThreshold"),
        ("probes", [probe(periodSeconds=241)], "InvalidRequestContent", "from 1 to 240"),
        ("probes", [probe(timeoutSeconds=0)], "InvalidRequestContent", "timeoutSeconds"),
        ("probes", [probe(initialDelaySeconds=61)], "InvalidRequestContent", "from 1 to 60"),
        ("probes", [probe(successThreshold=2)], "InvalidRequestContent", "from 1 to 1"),
        ("probes", [probe(httpGet={"path": "/"})], "InvalidRequestContent", "httpGet.port"),
        ("probes", [probe(httpGet={"port": "8000"})], "InvalidRequestContent", "httpGet.port"),
        ("probes", [probe(httpGet={"port": 1, "scheme": "ftp"})], "InvalidRequestContent", "ftp"),
        ("probes", [{"type": "Startup"}], "InvalidRequestContent", "exactly one of httpGet and"),
        ("probes", TWO_PROBES, "InvalidRequestContent", "there are two Startup probes"),
        ("env", [{"name": "A", "secretRef": "no"}], "ContainerAppSecretRefNotFound", "'no'"),
        ("resources", {"cpu": 0.5, "memory": "2Gi"}, "ContainerAppInvalidResourceTotal", "2.0 Gi"),
        ("resources", {"cpu": 4.5, "memory": "9Gi"}, "ContainerAppInvalidResourceTotal", "4.5 CPU"),
        ("resources", {"cpu": 0, "memory": "1Gi"}, "ContainerAppContainersInvalidCpu", "'0'"),
        ("resources", {"cpu": 0.5, "memory": "1G"}, "InvalidRequestContent", "'1G'"),
        (
            "volumeMounts",
            [{"volumeName": "data", "mountPath": "/data"}],
            "InvalidRequestContent",
            "the volume 'data' is not defined",
        ),
    ],
)
def test_a_container_that_azure_refuses(
    stage: Stage, where: str, value: Any, code: str, text: str
) -> None:
    answer = patch(stage, template(stage, lambda t: t["containers"][0].update({where: value})))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        ({"minReplicas": 3, "maxReplicas": 2}, "minReplicas (3) is greater than maxReplicas (2)"),
        ({"maxReplicas": 0}, "from 1 to 1000"),
        ({"maxReplicas": 1001}, "from 1 to 1000"),
        ({"rules": [rule("a")]}, "exactly one of"),
        ({"rules": [rule("a", http={"metadata": {"concurrentRequests": 50}})]}, "is a string"),
        ({"rules": [rule("a", http={"metadata": {"concurrentRequests": "0"}})]}, "less than 1"),
        ({"rules": [cron(), cron()]}, "'day' is the name of two rules"),
        ({"rules": [cron(timezone="Europe/Nowhere")]}, "'Europe/Nowhere' is not an IANA time zone"),
        ({"rules": [cron(start="8:00")]}, "'8:00' does not have five fields"),
        ({"rules": [cron(end="0 8 * * 1-5")]}, "start and end are the same"),
        ({"rules": [cron(desiredReplicas="many")]}, "desiredReplicas"),
        (
            {"rules": [rule("cpu", custom={"type": "cpu", "metadata": {"value": "70"}})]},
            "neither Utilization nor AverageValue",
        ),
    ],
)
def test_a_scale_that_azure_refuses(stage: Stage, scale: dict[str, Any], text: str) -> None:
    answer = patch(stage, template(stage, lambda t: t.update(scale=scale)))

    assert answer.status_code == 400
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        ({"name": "data", "storageType": "Floppy"}, "'Floppy' is not a storage type"),
        ({"name": "data", "storageType": "AzureFile", "storageName": "no"}, "'no' does not exist"),
        ({"name": "data", "storageType": "Secret", "secrets": [{"secretRef": "no"}]}, "'no'"),
        ({"storageType": "EmptyDir"}, "a name is required"),
    ],
)
def test_a_volume_that_azure_refuses(stage: Stage, volume: dict[str, Any], text: str) -> None:
    answer = patch(stage, template(stage, lambda t: t.update(volumes=[volume])))

    assert answer.status_code == 400
    assert text in answer.json()["error"]["message"]


def test_the_resources_of_all_containers_are_added_up(stage: Stage) -> None:
    def add(resource: dict[str, Any], cpu: float) -> None:
        first = resource["containers"][0]
        resources = {"cpu": cpu, "memory": f"{2 * cpu}Gi"}
        resource["containers"].append({**first, "name": "second", "resources": resources})

    refused = patch(stage, template(stage, lambda t: add(t, 0.3)))

    assert refused.json()["error"]["code"] == "ContainerAppInvalidResourceTotal"
    assert "'0.8 CPU, 1.6 Gi Memory'" in refused.json()["error"]["message"]
    assert "[cpu: 0.25, memory: 0.5Gi];" in refused.json()["error"]["message"]
    assert patch(stage, template(stage, lambda t: add(t, 0.25))).status_code == 202


def test_no_container_is_refused(stage: Stage) -> None:
    answer = patch(stage, template(stage, lambda t: t.update(containers=[])))

    assert answer.json()["error"]["code"] == "ContainerAppCreateMustContainContainer"


def test_an_unknown_workload_profile_is_refused(stage: Stage) -> None:
    answer = patch(stage, {"properties": {"workloadProfileName": "D4"}})

    assert answer.json()["error"]["code"] == "WorkloadProfileNotFound"


@pytest.mark.parametrize(
    ("secrets", "code"),
    [
        ([{"name": "My_Secret", "value": "x"}], "InvalidRequestContent"),
        ([{"name": "x" * 64, "value": "x"}], "InvalidRequestContent"),
        ([{"name": "a", "value": "x"}, {"name": "a", "value": "y"}], "InvalidRequestContent"),
        ([{"name": "a"}], "ContainerAppSecretInvalid"),
        (
            [{"name": "a", "keyVaultUrl": "https://kv.vault.azure.net/secrets/a"}],
            "ContainerAppSecretInvalid",
        ),
        *(
            ([{"name": "a", "identity": "system", "keyVaultUrl": url}], code)
            for code in ["ContainerAppSecretKeyVaultUrlInvalid"]
            for url in [
                "https://kv..vault.azure.net/secrets/a",
                "https://kv.vault.azure.net/secrets/with_underscore",
                "https://kv.example.com/secrets/a",
                "kv/a",
            ]
        ),
    ],
)
def test_a_secret_that_azure_refuses(
    stage: Stage, secrets: list[dict[str, str]], code: str
) -> None:
    answer = patch(stage, {"properties": {"configuration": {"secrets": secrets}}})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({f"t{number}": "x" for number in range(51)}, "51 tags, at most 50"),
        ({"n" * 513: "x"}, "longer than 512"),
        ({"n": "x" * 257}, "longer than 256"),
        ({"a/b": "x"}, "The tag names 'a/b' have reserved characters '<,>,%,&,\\,?,/'"),
        ({"Team": "x", "team": "y"}, "tag names are case-insensitive"),
    ],
)
def test_tags_that_azure_refuses(stage: Stage, tags: dict[str, str], text: str) -> None:
    answer = patch(stage, {"tags": tags})

    assert answer.status_code == 400
    assert text in answer.json()["error"]["message"]


def test_a_template_with_everything_is_accepted_and_shown(stage: Stage) -> None:
    storage = f"{stage.scene.resource()['properties']['environmentId']}/storages/files"
    about = {"azureFile": {"accountName": "a", "accountKey": "k", "shareName": "s"}}
    assert stage.scene.ask("PUT", storage, {"properties": about}).ok
    assert "accountKey" not in stage.scene.ask("GET", storage).text

    def change(resource: dict[str, Any]) -> None:
        resource["revisionSuffix"] = "everything"
        container = resource["containers"][0]
        container["probes"] = [
            probe(type="startup", failureThreshold=10, periodSeconds=24),
            probe(type="Readiness", httpGet={"path": "/health/ready", "port": 8000}),
            {"type": "Liveness", "tcpSocket": {"port": 8000}, "periodSeconds": 30},
        ]
        container["resources"] = {"cpu": 1.25, "memory": "2.5Gi"}
        container["volumeMounts"] = [{"volumeName": "files", "mountPath": "/files"}]
        resource["volumes"] = [
            {"name": "files", "storageType": "AzureFile", "storageName": "files"},
            *ONE_VOLUME,
        ]
        resource["scale"] = {
            "minReplicas": 1,
            "maxReplicas": 3,
            "rules": [
                rule("http", http={"metadata": {"concurrentRequests": "50"}}),
                rule(
                    "cpu",
                    custom={"type": "cpu", "metadata": {"type": "Utilization", "value": "70"}},
                ),
                cron(),
            ],
        }

    assert patch(stage, template(stage, change)).status_code == 202
    stage.wait_until_idle()
    shown = stage.scene.resource()["properties"]["template"]

    assert [item["type"] for item in shown["containers"][0]["probes"]] == [
        "Startup",
        "Readiness",
        "Liveness",
    ]
    assert [item["name"] for item in shown["volumes"]] == ["files", "data"]
    assert [item["name"] for item in shown["scale"]["rules"]] == ["http", "cpu", "day"]


def test_a_failing_probe_fails_the_revision(stage: Stage) -> None:
    name = f"{stage.scene.app}--never"

    def change(resource: dict[str, Any]) -> None:
        resource["revisionSuffix"] = "never"
        resource["containers"] = resource["containers"][:1]
        resource["containers"][0]["probes"] = [
            probe(httpGet={"path": "/no-such-page", "port": 8000}, periodSeconds=1)
        ]

    assert patch(stage, template(stage, change)).status_code == 202
    stage.wait_until_idle()
    eventually(lambda: stage.scene.revisions()[name]["healthState"] == "Unhealthy", "it is sick")
    assert stage.scene.revisions()[name]["runningState"] != "Running"


def test_a_duplicate_variable_is_accepted_but_fails_activation(stage: Stage) -> None:
    def change(resource: dict[str, Any]) -> None:
        resource["revisionSuffix"] = "twice"
        resource["containers"][0]["env"] = [
            {"name": "A", "value": "1"},
            {"name": "A", "value": "2"},
        ]

    assert patch(stage, template(stage, change)).status_code == 202
    stage.wait_until_idle()
    name = f"{stage.scene.app}--twice"
    eventually(lambda: stage.scene.revisions()[name]["provisioningState"] == "Failed", "it failed")
    assert "Error activating revision" in stage.scene.revisions()[name]["provisioningError"]


def test_a_secret_in_use_is_not_removed_until_its_revision_is_inactive(
    azure: dict[str, str], tmp_path: Any
) -> None:
    stage = Stage.set_up(azure, tmp_path, "api-secret")
    secrets = {"secrets": [{"name": "db", "value": "x"}]}
    assert patch(stage, {"properties": {"configuration": secrets}}).status_code == 202
    stage.wait_until_idle()

    def change(resource: dict[str, Any]) -> None:
        resource["revisionSuffix"] = "with"
        resource["containers"][0]["env"].append({"name": "DB", "secretRef": "db"})

    assert patch(stage, template(stage, change)).status_code == 202
    stage.wait_until_idle()
    without = template(
        stage,
        lambda t: (
            t.update(revisionSuffix="without"),
            t["containers"][0].update(env=[]),
        ),
    )
    without["properties"]["configuration"] = {"secrets": []}

    refused = patch(stage, without)

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "ContainerAppSecretInvalid"
    assert "with name(s) 'db' are invalid" in refused.json()["error"]["message"]
    name = f"{stage.scene.app}--with"
    assert stage.scene.ask("POST", f"{stage.scene.path}/revisions/{name}/deactivate").ok
    assert patch(stage, without).status_code == 202
    stage.wait_until_idle()
    assert not stage.scene.resource()["properties"]["configuration"]["secrets"]
    stage.scene.ask("DELETE", stage.scene.path)


def test_a_key_vault_reference_is_resolved_with_the_apps_identity(
    azure: dict[str, str], tmp_path: Any
) -> None:
    stage = Stage.set_up(azure, tmp_path, "api-vault")
    vault = admin(azure, "POST", "/vaults", {"name": "kv-app", "secrets": {"db": "first"}})
    reference = {"name": "db", "keyVaultUrl": f"{vault['url']}/secrets/db", "identity": "system"}
    with_secret = {"properties": {"configuration": {"secrets": [reference]}}}

    def failure() -> str:
        accepted = patch(stage, with_secret)
        assert accepted.status_code == 202
        stage.wait_until_idle()
        ended = stage.scene.ask("GET", accepted.headers["Azure-AsyncOperation"]).json()
        return str((ended.get("error") or {}).get("message", ""))

    text = "Unable to get value using Managed identity system for secret db."
    assert text in failure()  # the app has no identity
    assert patch(stage, {"identity": {"type": "SystemAssigned"}}).status_code == 202
    stage.wait_until_idle()
    identity = stage.scene.resource()["identity"]
    assert identity["tenantId"] == azure["AZURE_TENANT_ID"]
    assert text in failure()  # its identity has no role
    owner = Identity.create(azure, [{"role": "Owner"}])
    role = f"{owner.subscription}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_USER}"
    assignment = f"{vault['id']}/providers/Microsoft.Authorization/roleAssignments/by-test"
    properties = {"roleDefinitionId": role, "principalId": identity["principalId"]}
    assert owner.ask("PUT", assignment, {"properties": properties}).status_code == 201
    assert failure() == ""

    def change(resource: dict[str, Any]) -> None:
        resource["revisionSuffix"] = "vault"
        container = resource["containers"][0]
        container["env"].append({"name": "GREETING", "secretRef": "db"})
        container["probes"] = []
        container["command"] = ["python", "-c", SERVER]

    assert patch(stage, template(stage, change)).status_code == 202
    stage.wait_until_idle()
    shown = stage.scene.resource()["properties"]["configuration"]["secrets"]
    assert shown == [reference]
    eventually(lambda: "greeting: first" in _log(stage, "vault"), "the first value is used")
    name = f"{stage.scene.app}--vault"  # a revision that is late to become healthy is given up
    eventually(lambda: stage.scene.revisions()[name]["healthState"] == "Healthy", "it is healthy")
    admin(azure, "POST", "/vaults", {"name": "kv-app", "secrets": {"db": "second"}})
    stage.clock(advance=1801)
    eventually(lambda: "greeting: second" in _log(stage, "vault"), "the second value is used")
    admin(azure, "POST", "/vaults", {"name": "kv-app", "secrets": {}, "disabled": ["db"]})
    stage.clock(advance=1801)
    sync = "SyncingSecretFromAzureKeyVaultForContainerApp"

    def reasons() -> set[tuple[str, str]]:
        return {(event["Reason"], event["Type"]) for event in events(stage)}

    eventually(lambda: (f"{sync}Failed", "Warning") in reasons(), "the failure is an event")
    restarted = ("RevisionRestartWithNewSecrets", "Normal")
    assert {(f"{sync}Succeeded", "Normal"), restarted} <= reasons()
    stage.scene.ask("DELETE", stage.scene.path)


def _log(stage: Stage, suffix: str) -> list[str]:
    apps = admin(stage.scene.environment, "GET", "/state")["apps"]
    app = next(item for item in apps if item["name"] == stage.scene.app)
    name = f"{stage.scene.app}--{suffix}"
    return [line for item in app["revisions"] if item["name"] == name for line in item["log"]]
