"""Request → answer, one row each: the contract of Resource Manager as it was recorded.

A new fact about Azure is one more row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.stage import Stage

GROUP, APP, FIRST = "{group}", "{app}", "{first}"
NO_SUCH = "{group}/providers/Microsoft.App/containerApps/nobody"
SUBSCRIPTION = "/subscriptions/{subscription}"


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded fact.

    Args:
        name: the fact.
        method: what is asked,
        path: of what; names in braces are filled in.
        status: the answer's status.
        body: what is sent.
        headers: header names and a text that each must contain.
        says: texts that the answer's body must contain.
        about: what differs from an ordinary signed-in request.
    """

    name: str
    method: str
    path: str
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def _traffic(*entries: Mapping[str, Any]) -> dict[str, Any]:
    return {"properties": {"configuration": {"ingress": {"traffic": list(entries)}}}}


ROWS = [
    Row("the app is shown", "GET", APP, 200, says=('"type": "Microsoft.App/containerApps"',)),
    Row("paths have no case", "GET", "{APP}", 200, says=('"provisioningState": "Succeeded"',)),
    Row(
        "an app that is not there",
        "GET",
        NO_SUCH,
        404,
        says=(
            '"code": "ResourceNotFound"',
            (
                "The Resource 'Microsoft.App/containerApps/nobody' under resource group "
                "'TheWell-Infra-East' was not found. For more details please go to "
                "https://aka.ms/ARMResourceNotFoundFix"
            ),
        ),
    ),
    Row(
        "a group that is not there",
        "GET",
        SUBSCRIPTION + "/resourceGroups/none/providers/Microsoft.App/containerApps/x",
        404,
        says=('"ResourceGroupNotFound"', "Resource group 'none' could not be found."),
    ),
    Row(
        "a subscription that is not there",
        "GET",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups",
        404,
        says=("SubscriptionNotFound",),
    ),
    Row(
        "nobody",
        "GET",
        APP,
        401,
        headers={"WWW-Authenticate": "Bearer authorization_uri="},
        says=("AuthenticationFailed",),
        about={"headers": {}},
    ),
    Row(
        "a token of somebody else",
        "GET",
        APP,
        401,
        says=("InvalidAuthenticationToken",),
        about={"headers": {"Authorization": "Bearer eyJ0eXAi.e30.x"}},
    ),
    Row(
        "without an api-version",
        "GET",
        APP,
        400,
        says=("MissingApiVersionParameter",),
        about={"params": {"x": "y"}},
    ),
    Row(
        "any api-version is taken",
        "GET",
        APP,
        200,
        about={"params": {"api-version": "2031-01-01-preview"}},
    ),
    Row(
        "a patch is accepted with an empty body and two addresses",
        "PATCH",
        APP,
        202,
        {"tags": {"team": "well"}},
        headers={
            "Azure-AsyncOperation": "/providers/Microsoft.App/locations/eastus/"
            "containerappOperationStatuses/",
            "Location": "/providers/Microsoft.App/locations/eastus/containerappOperationResults/",
            "Retry-After": "1",
            "x-ms-async-operation-timeout": "PT15M",
            "Content-Length": "0",
        },
    ),
    Row(
        "weights that do not add up",
        "PATCH",
        APP,
        400,
        _traffic({"revisionName": FIRST, "weight": 90}),
        says=("90", "100"),
    ),
    Row(
        "weight for a revision that is not there",
        "PATCH",
        APP,
        400,
        _traffic({"revisionName": "{app_name}--gone", "weight": 100}),
        says=("--gone",),
    ),
    Row("a body that is no JSON object", "PATCH", APP, 400, [1, 2]),
    Row(
        "a tag that is too long",
        "PATCH",
        APP,
        400,
        {"tags": {"long": "x" * 257}},
        says=("256",),
    ),
    Row(
        "a secret without a value",
        "PATCH",
        APP,
        400,
        {"properties": {"configuration": {"secrets": [{"name": "s"}]}}},
        says=("ContainerAppSecretInvalid",),
    ),
    Row(
        "a registry's password that is not there",
        "PATCH",
        APP,
        400,
        {"properties": {"configuration": {"registries": [{"passwordSecretRef": "nope"}]}}},
        says=("ContainerAppRegistriesPasswordSecretRefNotFound",),
    ),
    Row("a patch of nobody", "PATCH", NO_SUCH, 404, {"tags": {}}, says=("ResourceNotFound",)),
    Row("a deletion of nobody", "DELETE", NO_SUCH, 204),
    Row("the revisions", "GET", APP + "/revisions", 200, says=(FIRST,)),
    Row(
        "one revision",
        "GET",
        APP + "/revisions/" + FIRST,
        200,
        says=(
            '"type": "Microsoft.App/containerapps/revisions"',
            '"trafficWeight": 100',
            '"healthState": "Healthy"',
            '"runningState": "Running"',
            '"provisioningState": "Provisioned"',
            '"revisionSuffix": null',
        ),
    ),
    Row("a revision that is not there", "GET", APP + "/revisions/x--y", 404),
    Row(
        "activating answers a JSON string",
        "POST",
        APP + "/revisions/" + FIRST + "/activate",
        200,
        says=('"Activate succeeded"',),
    ),
    Row(
        "its replicas",
        "GET",
        APP + "/revisions/" + FIRST + "/replicas",
        200,
        says=('"runningState": "Running"', '"restartCount": 0', "logStreamEndpoint"),
    ),
    Row("its secrets", "POST", APP + "/listSecrets", 200, says=('{"value": []}',)),
    Row(
        "the environments",
        "GET",
        GROUP + "/providers/Microsoft.App/managedEnvironments",
        200,
        says=("defaultDomain", ".eastus.azurecontainerapps.io", "staticIp"),
    ),
    Row(
        "the provider is registered",
        "GET",
        SUBSCRIPTION + "/providers/Microsoft.App",
        200,
        says=('"registrationState": "Registered"',),
    ),
    Row("the subscriptions", "GET", "/subscriptions", 200, says=('"state": "Enabled"',)),
    Row(
        "the registries as resources",
        "GET",
        SUBSCRIPTION + "/resources",
        200,
        says=("wellintakeregistrydev",),
        about={
            "params": {
                "api-version": "2021-04-01",
                "$filter": "resourceType eq 'Microsoft.ContainerRegistry/registries'",
            }
        },
    ),
    Row(
        "what is not imitated says so",
        "GET",
        GROUP + "/providers/Microsoft.Storage/storageAccounts",
        501,
        says=("does not imitate",),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_resource_manager_answers_as_recorded(row: Row, live: Stage) -> None:
    scene = live.scene

    def filled(text: str) -> str:
        for key, value in {
            "{app}": scene.path,
            "{APP}": scene.path.upper().replace("/SUBSCRIPTIONS/", "/SubScriptions/"),
            "{group}": scene.group_path,
            "{first}": live.first,
            "{app_name}": scene.app,
            "{subscription}": scene.environment["AZURE_SUBSCRIPTION_ID"],
        }.items():
            text = text.replace(key, value)
        return text

    live.settle()
    body = json.loads(filled(json.dumps(row.body))) if row.body is not None else None

    reply = scene.ask(row.method, filled(row.path), body, **row.about)

    assert reply.status_code == row.status, reply.text
    for name, text in row.headers.items():
        assert text in reply.headers[name]
    for text in row.says:
        assert filled(text) in reply.text


@pytest.fixture(scope="module")
def live(azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """One app for all rows."""
    return Stage.set_up(azure, tmp_path_factory.mktemp("rows"), "rows")
