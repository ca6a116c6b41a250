"""Role assignments and locks in the sandbox: what an identity may do, and how it is refused."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.mgmt.appcontainers import ContainerAppsAPIClient

from tests.stage import Stage
from tests.support.identities import GROUP, REGISTRY, Identity, admin

Roles = Sequence[Mapping[str, Any]]
Create = Callable[..., Identity]
AUTHORIZATION = "/providers/Microsoft.Authorization"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"


@pytest.fixture
def create(azure: dict[str, str]) -> Create:
    def create(*roles: Any, scope: str = "") -> Identity:
        return Identity.create(azure, [{"role": role, "scope": scope} for role in roles])

    return create


def _app(stage: Stage) -> str:
    subscription = f"/subscriptions/{stage.scene.environment['AZURE_SUBSCRIPTION_ID']}"
    home = f"{subscription}/resourceGroups/{GROUP}/providers/Microsoft.App/containerApps"
    return f"{home}/{stage.scene.app}"


@pytest.mark.parametrize(
    ("method", "tail", "action"),
    [
        ("GET", "", "Microsoft.App/containerApps/read"),
        ("PATCH", "", "Microsoft.App/containerApps/write"),
        ("DELETE", "", "Microsoft.App/containerApps/delete"),
        ("POST", "/listSecrets", "Microsoft.App/containerApps/listSecrets/action"),
        ("POST", "/getAuthtoken", "Microsoft.App/containerApps/getAuthToken/action"),
        ("GET", "/revisions", "Microsoft.App/containerApps/revisions/read"),
        ("GET", "/revisions/{first}", "Microsoft.App/containerApps/revisions/read"),
        (
            "GET",
            "/revisions/{first}/replicas",
            "Microsoft.App/containerApps/revisions/replicas/read",
        ),
        (
            "POST",
            "/revisions/{first}/deactivate",
            "Microsoft.App/containerApps/revisions/deactivate/action",
        ),
        ("GET", f"{AUTHORIZATION}/permissions", "Microsoft.Authorization/permissions/read"),
    ],
)
def test_an_identity_without_the_right_is_refused_with_the_action_and_the_scope(
    stage: Stage, create: Create, method: str, tail: str, action: str
) -> None:
    identity = create("AcrPush")
    path = _app(stage) + tail.format(first=stage.first)

    status, code, message = identity.error(method, path, {} if method == "PATCH" else None)

    assert (status, code) == (403, "AuthorizationFailed")
    assert message.startswith(
        f"The client '{identity.client_id}' with object id '{identity.object_id}' does not have "
        f"authorization to perform action '{action}' over scope '{_app(stage)}"
    )
    assert message.endswith(
        " or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    assert stage.active() == [stage.first]


def test_a_missing_right_is_reported_before_a_missing_resource(create: Create) -> None:
    identity = create("AcrPush")

    missing = identity.error("GET", f"{identity.group}/providers/Microsoft.App/containerApps/none")

    assert missing[:2] == (403, "AuthorizationFailed")


def test_container_apps_contributor_on_the_app_can_deploy_and_nothing_else(
    stage: Stage, create: Create
) -> None:
    app = _app(stage)
    identity = create("Container Apps Contributor", scope=app)

    assert identity.ask("GET", app).ok
    assert identity.ask("POST", f"{app}/listSecrets").ok
    assert identity.ask("PATCH", app, {"tags": {"team": "one"}}).status_code == 202
    stage.wait_until_idle()
    assert stage.tags()["team"] == "one"
    assert identity.ask("POST", f"{app}/revisions/{stage.first}/restart").ok
    metrics = identity.error("GET", f"{app}/providers/Microsoft.Insights/metrics")
    assert "Microsoft.Insights/metrics/read" in metrics[2]
    assert identity.error("GET", identity.group)[0] == 403
    assert identity.error("GET", f"{app}-two")[0] == 403


def test_a_full_put_needs_the_right_to_join_the_environment(stage: Stage, create: Create) -> None:
    app = _app(stage)
    identity = create("Container Apps Contributor", scope=app)
    resource = identity.ask("GET", app).json()

    status, code, message = identity.error("PUT", app, resource)

    environment = resource["properties"]["environmentId"]
    assert (status, code) == (403, "LinkedAuthorizationFailed")
    assert "has permission to perform action 'Microsoft.App/containerApps/write'" in message
    assert (
        "does not have permission to perform action(s) "
        f"'Microsoft.App/managedEnvironments/join/action' on the linked scope(s) '{environment}'"
    ) in message


def test_permissions_list_one_entry_for_each_assignment_that_reaches_the_scope(
    stage: Stage, create: Create
) -> None:
    app = _app(stage)
    identity = create("Container Apps Contributor", "Log Analytics Reader", scope=app)

    listed = identity.ask("GET", f"{app}{AUTHORIZATION}/permissions").json()["value"]

    assert [set(entry) for entry in listed] == 2 * [
        {"actions", "notActions", "dataActions", "notDataActions"}
    ]
    assert "Microsoft.App/containerApps/*/write" in listed[0]["actions"]
    assert listed[1]["notActions"] == ["Microsoft.OperationalInsights/workspaces/sharedKeys/read"]
    assert identity.ask("GET", f"{identity.group}{AUTHORIZATION}/permissions").status_code == 403


def test_lists_of_a_subscription_show_what_the_caller_may_read(
    stage: Stage, create: Create, azure: dict[str, str]
) -> None:
    scope = f"/subscriptions/{azure['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{GROUP}"
    registry = f"{scope}/providers/Microsoft.ContainerRegistry/registries/{REGISTRY}"
    limited, stranger = create("Reader", scope=registry), create()

    def names(identity: Identity, path: str) -> list[str]:
        return [item["name"] for item in identity.ask("GET", path).json()["value"]]

    assert names(limited, f"{limited.subscription}/resources") == [REGISTRY]
    assert names(limited, f"{limited.subscription}/resourceGroups") == []
    registries = f"{limited.subscription}/providers/Microsoft.ContainerRegistry/registries"
    assert names(limited, registries) == [REGISTRY]
    assert len(limited.ask("GET", "/subscriptions").json()["value"]) == 1
    assert stranger.ask("GET", "/subscriptions").json()["value"] == []
    assert stranger.error("GET", stranger.subscription)[0] == 403


def test_the_sandboxs_own_identity_may_do_everything_until_its_roles_are_replaced(
    stage: Stage, azure: dict[str, str]
) -> None:
    app = _app(stage)
    try:
        admin(azure, "POST", "/roles", {"roles": [{"role": "Reader"}]})
        assert stage.scene.ask("GET", app).status_code == 200
        assert stage.scene.ask("PATCH", app, {"tags": {"a": "b"}}).status_code == 403
    finally:
        admin(azure, "POST", "/roles", {})
    assert stage.scene.ask("PATCH", app, {"tags": {"a": "b"}}).status_code == 202


def test_a_custom_role_grants_what_it_lists(stage: Stage, create: Create) -> None:
    app = _app(stage)
    role = {
        "name": "Reader of apps",
        "actions": ["Microsoft.App/containerApps/*"],
        "notActions": ["Microsoft.App/containerApps/write"],
    }
    identity = create(role, scope=app)

    assert identity.ask("GET", app).ok
    assert identity.error("PATCH", app, {})[0] == 403


def test_assignments_are_created_listed_and_deleted(
    stage: Stage, create: Create, azure: dict[str, str]
) -> None:
    app, owner, other = _app(stage), create("Owner"), create()
    role = f"{owner.subscription}{AUTHORIZATION}/roleDefinitions/{OWNER}"
    path = f"{app}{AUTHORIZATION}/roleAssignments/{uuid.uuid4()}"
    properties = {"roleDefinitionId": role, "principalId": other.object_id}

    created = owner.ask("PUT", path, {"properties": properties})

    assert created.status_code == 201
    assert created.json()["properties"]["scope"] == app
    assert other.ask("GET", app).ok
    again = owner.error("PUT", f"{path[:-1]}0", {"properties": properties})
    assert again[:2] == (409, "RoleAssignmentExists")
    listed = owner.ask(
        "GET",
        f"{app}{AUTHORIZATION}/roleAssignments",
        **{"$filter": f"atScope() and assignedTo('{other.object_id}')"},
    )
    assert [item["id"] for item in listed.json()["value"]] == [path]
    assert owner.ask("DELETE", path).status_code == 200
    assert owner.ask("DELETE", path).status_code == 204
    assert other.error("GET", app)[0] == 403


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"roleDefinitionId": f"x/{OWNER}", "principalId": "no-one"}, "PrincipalNotFound"),
        ({"roleDefinitionId": "x/unknown", "principalId": "no-one"}, "RoleDefinitionDoesNotExist"),
    ],
)
def test_an_assignment_of_something_unknown_is_refused(
    create: Create, properties: dict[str, str], code: str
) -> None:
    owner = create("Owner")
    path = f"{owner.group}{AUTHORIZATION}/roleAssignments/{uuid.uuid4()}"

    assert owner.error("PUT", path, {"properties": properties})[1] == code


def test_a_contributor_may_not_assign_roles(create: Create) -> None:
    contributor = create("Contributor")
    path = f"{contributor.group}{AUTHORIZATION}/roleAssignments/{uuid.uuid4()}"

    assert contributor.error("PUT", path, {})[1] == "AuthorizationFailed"


def test_role_definitions_are_found_by_name(create: Create) -> None:
    owner = create("Owner")
    path = f"{owner.subscription}{AUTHORIZATION}/roleDefinitions"

    response_body = owner.ask("GET", path, **{"$filter": "roleName eq 'AcrPull'"}).json()["value"]

    assert [item["name"] for item in response_body] == ["7f951dda-4ed3-4680-a7ca-43fe172d538d"]
    assert response_body[0]["properties"]["permissions"][0]["actions"] == [
        "Microsoft.ContainerRegistry/registries/pull/read"
    ]


@pytest.mark.parametrize(
    ("level", "write", "delete"),
    [("CanNotDelete", 202, 409), ("ReadOnly", 409, 409)],
)
def test_a_lock_forbids_even_the_owner(
    stage: Stage, create: Create, level: str, write: int, delete: int
) -> None:
    app, owner = _app(stage), create("Owner")
    lock = f"{app}{AUTHORIZATION}/locks/keep"

    assert owner.ask("PUT", lock, {"properties": {"level": level}}).status_code == 201
    listed = owner.ask("GET", f"{app}{AUTHORIZATION}/locks").json()["value"]
    assert [item["properties"]["level"] for item in listed] == [level]
    assert owner.ask("PATCH", app, {"tags": {"a": "b"}}).status_code == write
    stage.wait_until_idle()
    message = (
        f"The scope '{app}' cannot perform delete operation because following scope(s) are "
        f"locked: '{app}'. Please remove the lock and try again."
    )
    assert owner.error("DELETE", app) == (delete, "ScopeLocked", message)
    assert owner.ask("GET", app).ok
    assert owner.ask("DELETE", lock).status_code == 200
    assert owner.ask("PATCH", app, {"tags": {"a": "c"}}).status_code == 202


class _Fixed:
    """A credential of one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def test_the_sdk_raises_the_refusal_with_its_code(
    stage: Stage, create: Create, azure: dict[str, str]
) -> None:
    client = ContainerAppsAPIClient(
        _Fixed(create("AcrPush").token()),
        azure["AZURE_SUBSCRIPTION_ID"],
        proxies={"https": azure["HTTPS_PROXY"]},
        connection_verify=azure["REQUESTS_CA_BUNDLE"],
    )

    with client, pytest.raises(HttpResponseError) as refused:
        client.container_apps.get(GROUP, stage.scene.app)

    assert refused.value.status_code == 403
    assert refused.value.error is not None
    assert refused.value.error.code == "AuthorizationFailed"


def _registry_token(identity: Identity, scope: str) -> requests.Response:
    """Exchange an Entra token for the registry's, as `az acr login` and Docker do."""
    host = f"{REGISTRY}.azurecr.io"
    exchange = {
        "grant_type": "access_token",
        "service": host,
        "access_token": identity.token("https://containerregistry.azure.net"),
    }
    first = identity.session.post(f"https://{host}/oauth2/exchange", data=exchange, timeout=30)
    if not first.ok:
        return first
    form = {"grant_type": "refresh_token", "service": host, "scope": scope}
    form["refresh_token"] = first.json()["refresh_token"]
    return identity.session.post(f"https://{host}/oauth2/token", data=form, timeout=30)


@pytest.mark.parametrize(
    ("role", "pull", "push"),
    [
        ("AcrPull", 200, 401),
        ("AcrPush", 200, 202),
        ("Container Registry Repository Writer", 200, 202),
    ],
)
def test_a_registry_grants_what_the_role_allows(
    stage: Stage, create: Create, role: str, pull: int, push: int
) -> None:
    identity, repository = create(role), stage.scene.app
    token = _registry_token(identity, f"repository:{repository}:pull,push").json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    home = f"https://{REGISTRY}.azurecr.io/v2/{repository}"

    read = identity.session.get(f"{home}/tags/list", headers=headers, timeout=30)
    write = identity.session.post(f"{home}/blobs/uploads/", headers=headers, timeout=30)

    assert (read.status_code, write.status_code) == (pull, push)


def test_a_registry_gives_no_token_to_an_identity_without_a_role(create: Create) -> None:
    answer = _registry_token(create("Container Apps Contributor"), "repository:x:pull")

    assert answer.status_code == 401
    assert "authentication required" in answer.text


def test_an_app_pulls_with_the_identity_that_it_names(stage: Stage, create: Create) -> None:
    owner, app = create("Owner"), _app(stage)
    server = f"{REGISTRY}.azurecr.io"
    registries = [{"server": server, "identity": "system"}]
    body = {
        "identity": {"type": "SystemAssigned"},
        "properties": {"configuration": {"registries": registries}},
    }
    assert owner.ask("PATCH", app, body).status_code == 202
    stage.wait_until_idle()
    container = stage.scene.resource()["properties"]["template"]["containers"][0]

    def failure(suffix: str) -> str:
        template = {"revisionSuffix": suffix, "containers": [container]}
        accepted = owner.ask("PATCH", app, {"properties": {"template": template}})
        stage.wait_until_idle()
        ended = stage.scene.ask("GET", accepted.headers["Azure-AsyncOperation"]).json()
        return str((ended.get("error") or {}).get("message", ""))

    assert "UNAUTHORIZED: authentication required" in failure("two")
    kind = "providers/Microsoft.ContainerRegistry/registries"
    registry = f"{owner.group}/{kind}/{REGISTRY}"
    pull = owner.ask(
        "GET",
        f"{registry}{AUTHORIZATION}/roleDefinitions",
        **{"$filter": "roleName eq 'AcrPull'"},
    ).json()["value"][0]["id"]
    principal = stage.scene.resource()["identity"]["principalId"]
    assignment = f"{registry}{AUTHORIZATION}/roleAssignments/{uuid.uuid4()}"
    properties = {"roleDefinitionId": pull, "principalId": principal}
    assert owner.ask("PUT", assignment, {"properties": properties}).status_code == 201
    assert failure("three") == ""
    assert f"{stage.scene.app}--three" in stage.scene.revisions()
