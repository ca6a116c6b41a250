"""A new subscription: resource group, environment, registry and workspace are created."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy_action.sandbox import launch
from tests.support.eventually import eventually
from tests.support.scene import Scene

REGION = "westeurope"
ENVIRONMENT = "/providers/Microsoft.App/managedEnvironments/contoso-env"
REGISTRY = "/providers/Microsoft.ContainerRegistry/registries/contosoprod"
WORKSPACE = "/providers/Microsoft.OperationalInsights/workspaces/contoso-logs"
BASIC = {"location": REGION, "sku": {"name": "Basic"}}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A sandbox of its own, because what a test creates is never deleted."""
    process, environment = launch.start(tmp_path, "--clock", "instant")
    yield Scene(
        environment, tmp_path / "scene", "orders", group="Contoso-Prod", registry="contosoprod"
    )
    launch.stop(process)


def send(scene: Scene, method: str, path: str, body: Any = None) -> requests.Response:
    """Send a request whose path begins after the resource group."""
    return scene.session.request(
        method,
        f"https://management.azure.com{scene.group_path}{path}",
        json=body,
        params={"api-version": "2025-07-01"},
        headers={"Authorization": f"Bearer {scene.token()}"},
        timeout=60,
    )


def poll(scene: Scene, response: requests.Response) -> Any:
    """Wait for the end of an operation; return its last status."""

    def ended() -> Any:
        status = scene.session.get(
            response.headers["Azure-AsyncOperation"],
            headers={"Authorization": f"Bearer {scene.token()}"},
            timeout=60,
        ).json()
        return status if status["status"] != "InProgress" else None

    return eventually(ended, "the operation has ended")


def error(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_an_app_runs_in_what_was_just_created(scene: Scene) -> None:
    assert error(send(scene, "PUT", ENVIRONMENT, BASIC)) == (404, "ResourceGroupNotFound")
    assert error(send(scene, "PUT", REGISTRY, BASIC)) == (404, "ResourceGroupNotFound")

    assert send(scene, "PUT", "", {"location": REGION}).status_code == 201
    accepted = send(scene, "PUT", ENVIRONMENT, BASIC)
    state = accepted.json()["properties"]["provisioningState"]
    ended = poll(scene, accepted)
    assert send(scene, "PUT", REGISTRY, BASIC).status_code == 201
    scene.make_repository()
    url = scene.create_app(scene.seed_image("1"), "1")

    assert (accepted.status_code, state, ended["status"]) == (201, "InProgress", "Succeeded")
    assert url.endswith(f".{REGION}.azurecontainerapps.io")
    assert send(scene, "GET", "").json()["location"] == REGION
    assert scene.session.get(f"{url}/version", timeout=30).json()["revision"] == "orders--first"


def test_an_environment_that_is_being_created_takes_no_apps(tmp_path: Path) -> None:
    process, environment = launch.start(tmp_path, "--clock", "real")
    try:
        scene = Scene(environment, tmp_path / "scene", "orders", group="Contoso-Prod")
        send(scene, "PUT", "", {"location": REGION})
        made = send(scene, "PUT", ENVIRONMENT, BASIC).json()
        body = {"location": REGION, "properties": {"environmentId": made["id"]}}
        refused = send(scene, "PUT", "/providers/Microsoft.App/containerApps/orders", body)

        again = send(scene, "PUT", ENVIRONMENT, BASIC)

        assert error(refused) == (400, "ManagedEnvironmentNotProvisioned")
        assert error(again) == (409, "ManagedEnvironmentOperationInProgress")
    finally:
        launch.stop(process)


def test_a_group_stays_in_its_region(scene: Scene) -> None:
    assert error(send(scene, "PUT", "", {})) == (400, "LocationRequired")
    nowhere = send(scene, "PUT", "", {"location": "nowhere"})
    assert error(nowhere) == (400, "LocationNotAvailableForResourceGroup")
    environment = send(scene, "PUT", ENVIRONMENT, {"location": "nowhere"})
    assert error(environment) == (404, "ResourceGroupNotFound")

    assert send(scene, "PUT", "", {"location": REGION}).status_code == 201
    assert send(scene, "PUT", "", {"location": "West Europe"}).status_code == 200
    moved = send(scene, "PUT", "", {"location": "eastus"})
    environment = send(scene, "PUT", ENVIRONMENT, {"location": "nowhere"})
    app = "/providers/Microsoft.App/containerApps/orders"
    elsewhere = send(scene, "PUT", app, {"location": "nowhere", "properties": {}})

    assert error(moved) == (409, "InvalidResourceGroupLocation")
    assert error(environment) == error(elsewhere) == (400, "NoRegisteredProviderFound")


def test_a_new_registry_has_no_admin_and_a_name_of_its_own(scene: Scene) -> None:
    send(scene, "PUT", "", {"location": REGION})
    created = send(scene, "PUT", REGISTRY, BASIC)

    assert created.json()["properties"]["loginServer"] == "contosoprod.azurecr.io"
    assert send(scene, "PUT", REGISTRY, BASIC).status_code == 200
    credentials = send(scene, "POST", f"{REGISTRY}/listCredentials")
    assert error(credentials) == (400, "UnAuthorizedForCredentialOperations")
    taken = send(scene, "PUT", REGISTRY.replace("contosoprod", "wellintakeregistry"), BASIC)
    assert error(taken) == (409, "AlreadyInUse")
    invalid = send(scene, "PUT", REGISTRY.replace("contosoprod", "a-b"), BASIC)
    assert error(invalid) == (400, "InvalidResourceName")


def test_a_new_workspace_gets_the_logs_of_its_environment(scene: Scene) -> None:
    send(scene, "PUT", "", {"location": REGION})
    workspace = send(scene, "PUT", WORKSPACE, {"location": REGION}).json()
    customer = workspace["properties"]["customerId"]
    key = send(scene, "POST", f"{WORKSPACE}/sharedKeys").json()["primarySharedKey"]
    logs = {"customerId": customer, "sharedKey": key}
    logs_configuration = {"destination": "log-analytics", "logAnalyticsConfiguration": logs}
    body = {**BASIC, "properties": {"appLogsConfiguration": logs_configuration}}
    poll(scene, send(scene, "PUT", ENVIRONMENT, body))
    send(scene, "PUT", REGISTRY, BASIC)
    scene.make_repository()
    scene.create_app(scene.seed_image("1"), "1")
    requests.post(
        f"{scene.environment['SANDBOX_URL']}/clock",
        json={"advance": 120},
        timeout=30,
        proxies={"http": ""},
    )

    shown = send(scene, "GET", ENVIRONMENT).json()["properties"]["appLogsConfiguration"]
    query = {"query": "ContainerAppConsoleLogs_CL | project Log_s"}
    answer = send(scene, "POST", f"{WORKSPACE}/api/query", query).json()

    assert shown["logAnalyticsConfiguration"] == {"customerId": customer, "sharedKey": None}
    assert ["version 1.3.0.2 listens on port 8000"] in answer["tables"][0]["rows"]
