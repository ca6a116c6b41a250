"""Recorded requests and responses of Resource Manager, one row each.

A new fact about Azure is one more row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from deploy_action.sandbox.scene import REGISTRY
from deploy_action.sandbox.world.clock import INSTANT
from tests.stage import VERSION, Stage

GROUP, APP, FIRST = "{group}", "{app}", "{first}"
NO_SUCH = "{group}/providers/Microsoft.App/containerApps/nobody"
SUBSCRIPTION = "/subscriptions/{subscription}"


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded fact.

    Args:
        name: the fact.
        method: the request's method.
        path: the request's path; names in braces are filled in.
        status: the answer's status.
        body: the request's body.
        headers: header names and a text that each must contain.
        says: texts that the answer's body must contain.
        keys: names that an object of the answer must have, by the path to it.
        about: what differs from an ordinary signed-in request.
    """

    name: str
    method: str
    path: str
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def _traffic(*entries: Mapping[str, Any]) -> dict[str, Any]:
    return {"properties": {"configuration": {"ingress": {"traffic": list(entries)}}}}


ROWS = [
    Row("the app is shown", "GET", APP, 200, says=('"type": "Microsoft.App/containerApps"',)),
    Row(
        "the app's keys",
        "GET",
        APP,
        200,
        keys={
            "": "id name type location systemData identity properties",
            "systemData": "createdBy createdByType createdAt lastModifiedBy lastModifiedByType "
            "lastModifiedAt",
            "properties": "provisioningState runningStatus environmentId managedEnvironmentId "
            "workloadProfileName outboundIpAddresses latestRevisionName latestReadyRevisionName "
            "latestRevisionFqdn customDomainVerificationId eventStreamEndpoint "
            "delegatedIdentities configuration template",
            "properties.configuration": "secrets activeRevisionsMode registries ingress dapr "
            "runtime maxInactiveRevisions service identitySettings",
            "properties.configuration.ingress": "fqdn external targetPort exposedPort transport "
            "allowInsecure traffic customDomains ipSecurityRestrictions corsPolicy "
            "clientCertificateMode stickySessions additionalPortMappings",
            "properties.template": "revisionSuffix terminationGracePeriodSeconds initContainers "
            "volumes serviceBinds containers scale",
            "properties.template.scale": "minReplicas maxReplicas cooldownPeriod pollingInterval "
            "rules",
        },
    ),
    Row(
        "a revision's keys",
        "GET",
        APP + "/revisions/" + FIRST,
        200,
        keys={
            "": "id name type properties",
            "properties": "createdTime fqdn template active replicas trafficWeight healthState "
            "provisioningState runningState",
        },
    ),
    Row(
        "versions and request numbers are in the headers",
        "GET",
        APP,
        200,
        headers={
            "api-supported-versions": "2025-07-01",
            "x-ms-request-id": "",
            "x-ms-correlation-request-id": "",
        },
    ),
    Row(
        "a new app is answered with an echo of the request",
        "PUT",
        GROUP + "/providers/Microsoft.App/containerApps/{app_name}-two",
        201,
        {
            "location": "eastus",
            "properties": {
                "environmentId": "{environment}",
                "configuration": {
                    "activeRevisionsMode": "single",
                    "ingress": {"external": True, "targetPort": 8000, "transport": "auto"},
                },
                "template": {"containers": [{"image": "{image}"}]},
            },
        },
        headers={
            "Azure-AsyncOperation": "containerappOperationStatuses/",
            "x-ms-async-operation-timeout": "PT15M",
            "x-ms-ratelimit-remaining-subscription-resource-requests": "499",
        },
        says=(
            '"provisioningState": "InProgress"',
            '"activeRevisionsMode": "Single"',
            '"transport": "Auto"',
            '"location": "East US"',
            '"traffic": null',
            '"fqdn": null',
            'Z", "lastModifiedBy"',
        ),
    ),
    Row(
        "while it is made nothing else may be changed",
        "PATCH",
        GROUP + "/providers/Microsoft.App/containerApps/{app_name}-slow",
        409,
        {"tags": {"a": "b"}},
        says=(
            '"ContainerAppOperationInProgress"',
            "because there is an active provisioning operation in progress.",
        ),
    ),
    Row(
        "a deletion is accepted with one address",
        "DELETE",
        GROUP + "/providers/Microsoft.App/containerApps/{app_name}-three",
        202,
        headers={
            "Location": "containerappOperationResults/",
            "x-ms-ratelimit-remaining-subscription-deletes": "",
        },
    ),
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
        "a token of someone else",
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
        "an api-version from before Container Apps",
        "GET",
        APP,
        400,
        says=("NoRegisteredProviderFound", "'2019-01-01' for type 'containerApps'"),
        about={"params": {"api-version": "2019-01-01"}},
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
        headers={"x-ms-ratelimit-remaining-subscription-writes": ""},
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
        "what is not supported says so",
        "GET",
        GROUP + "/providers/Microsoft.Storage/storageAccounts",
        501,
        says=("does not support",),
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
            "{environment}": live.scene.resource()["properties"]["environmentId"],
            "{image}": f"{REGISTRY}.azurecr.io/{scene.app}:{VERSION}",
            "{subscription}": scene.environment["AZURE_SUBSCRIPTION_ID"],
        }.items():
            text = text.replace(key, value)
        return text

    live.wait_until_idle()
    _beside(live, row)
    body = json.loads(filled(json.dumps(row.body))) if row.body is not None else None

    reply = scene.ask(row.method, filled(row.path), body, **row.about)
    live.clock(factor=INSTANT)

    assert reply.status_code == row.status, reply.text
    for name, text in row.headers.items():
        assert text in reply.headers[name]
    for text in row.says:
        assert filled(text) in reply.text
    for path, names in row.keys.items():
        response_body = reply.json()
        for part in filter(None, path.split(".")):
            response_body = response_body[part]
        assert set(response_body) >= set(names.split()), path


def _beside(live: Stage, row: Row) -> None:
    """Create the second app of a row; an operation on the slow one takes long."""
    name = row.path.rpartition("}-")[2]
    if name not in {"slow", "three"}:
        return
    if name == "slow":
        live.clock(factor=1.0)
    path, stored = f"{live.scene.path}-{name}", live.scene.resource()
    expected = {key: stored[key] for key in ("location", "properties")}
    expected["properties"]["configuration"]["ingress"].pop("traffic")
    expected["properties"]["template"]["revisionSuffix"] = ""
    assert live.scene.ask("PUT", path, expected).status_code == 201
    if name == "three":
        while live.scene.ask("GET", path).json()["properties"]["provisioningState"] != "Succeeded":
            pass


@pytest.fixture(scope="module")
def live(azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """One app for all rows."""
    return Stage.set_up(azure, tmp_path_factory.mktemp("rows"), "rows")
