"""Key Vault in the sandbox: reading a secret, and each refusal."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.support.identities import GROUP, Identity, admin

VAULT_AUDIENCE = "https://vault.azure.net"
USER = "Key Vault Secrets User"
_numbers = itertools.count(1)

Vault = Callable[..., str]


@pytest.fixture
def vault(azure: dict[str, str]) -> Vault:
    """Create a vault and return its name."""

    def create(**about: Any) -> str:
        name = f"kv-{next(_numbers)}"
        admin(azure, "POST", "/vaults", {"name": name, "secrets": {"db": "s3cret"}, **about})
        return name

    return create


@pytest.fixture
def reader(azure: dict[str, str]) -> Identity:
    return Identity.create(azure, [{"role": USER}])


def get(identity: Identity, url: str, token: str = "", **query: str) -> requests.Response:
    token = token or identity.token(VAULT_AUDIENCE)
    headers = {} if token == "none" else {"Authorization": f"Bearer {token}"}
    return identity.session.get(
        url,
        params={"api-version": "7.5", **query},
        headers=headers,
        timeout=30,
        allow_redirects=False,
    )


def secret(name: str, path: str = "secrets/db") -> str:
    return f"https://{name}.vault.azure.net/{path}"


def refusal(response: requests.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], (error.get("innererror") or {}).get("code")


def test_a_secret_is_read_with_and_without_its_version(vault: Vault, reader: Identity) -> None:
    name = vault()

    newest = get(reader, secret(name)).json()
    version = newest["id"].rpartition("/")[2]

    assert newest["value"] == "s3cret"
    assert newest["attributes"]["enabled"] is True
    assert newest["id"] == secret(name, f"secrets/db/{version}")
    assert get(reader, secret(name, f"secrets/db/{version}")).json() == newest
    assert get(reader, secret(name, "secrets/db/")).json() == newest
    listed = get(reader, secret(name, "secrets/db/versions")).json()["value"]
    assert [item["id"] for item in listed] == [newest["id"]]
    assert "value" not in listed[0]


def test_without_a_token_the_challenge_names_the_tenant_and_the_audience(
    vault: Vault, reader: Identity, azure: dict[str, str]
) -> None:
    response = get(reader, secret(vault()), "none")

    assert refusal(response) == (401, "Unauthorized", None)
    assert response.headers["WWW-Authenticate"] == (
        f'Bearer authorization="https://login.microsoftonline.com/{azure["AZURE_TENANT_ID"]}", '
        'resource="https://vault.azure.net"'
    )


def test_a_token_for_resource_manager_is_not_accepted(vault: Vault, reader: Identity) -> None:
    response = get(reader, secret(vault()), reader.token())

    assert refusal(response) == (401, "Unauthorized", None)
    assert "WWW-Authenticate" in response.headers


def test_without_the_role_the_refusal_names_caller_action_and_secret(
    vault: Vault, azure: dict[str, str]
) -> None:
    name, owner = vault(), Identity.create(azure, [{"role": "Owner"}])

    response = get(owner, secret(name))

    message = response.json()["error"]["message"]
    assert refusal(response) == (403, "Forbidden", "ForbiddenByRbac")
    assert message.startswith("Caller is not authorized to perform action on resource.")
    assert f"appid={owner.client_id};oid={owner.object_id}" in message
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'" in message
    assert f"/vaults/{name}/secrets/db'" in message
    assert "Assignment: (not found)" in message


def test_a_role_may_be_assigned_on_one_secret(vault: Vault, azure: dict[str, str]) -> None:
    name = vault(secrets={"one": "1", "two": "2"})
    home = f"/subscriptions/{azure['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{GROUP}"
    scope = f"{home}/providers/Microsoft.KeyVault/vaults/{name}/secrets/one"
    identity = Identity.create(azure, [{"role": USER, "scope": scope}])

    assert get(identity, secret(name, "secrets/one")).json()["value"] == "1"
    assert get(identity, secret(name, "secrets/two")).status_code == 403


@pytest.mark.parametrize(
    ("about", "path", "expected"),
    [
        ({}, "secrets/none", (404, "SecretNotFound", None)),
        ({"deleted": ["db"]}, "secrets/db", (404, "SecretNotFound", None)),
        ({"deleted": ["db"]}, "deletedsecrets/none", (404, "SecretNotFound", None)),
        ({"disabled": ["db"]}, "secrets/db", (403, "Forbidden", "SecretDisabled")),
        ({"readers": []}, "secrets/db", (403, "Forbidden", "ForbiddenByPolicy")),
        ({"firewall": True}, "secrets/db", (403, "Forbidden", "ForbiddenByFirewall")),
        ({}, "secrets/not_a_name", (400, "BadParameter", None)),
    ],
)
def test_each_refusal_has_its_own_code(
    vault: Vault, reader: Identity, about: dict[str, Any], path: str, expected: tuple[Any, ...]
) -> None:
    assert refusal(get(reader, secret(vault(**about), path))) == expected


def test_a_deleted_secret_is_found_among_the_deleted_ones(vault: Vault, reader: Identity) -> None:
    name = vault(deleted=["db"])

    result = get(reader, secret(name, "deletedsecrets/db"))

    assert result.status_code == 200
    assert result.json()["recoveryId"] == secret(name, "deletedsecrets/db")
    assert result.json()["scheduledPurgeDate"] > result.json()["deletedDate"]
    assert "value" not in result.json()


def test_a_reader_of_an_access_policy_needs_no_role(vault: Vault, azure: dict[str, str]) -> None:
    identity = Identity.create(azure, [])

    name = vault(readers=[identity.object_id])

    assert get(identity, secret(name)).json()["value"] == "s3cret"


def test_a_vault_is_a_resource(vault: Vault, azure: dict[str, str]) -> None:
    name, owner = vault(), Identity.create(azure, [{"role": "Reader"}])
    path = f"{owner.group}/providers/Microsoft.KeyVault/vaults"

    shown = owner.ask("GET", f"{path}/{name}").json()

    assert shown["properties"]["vaultUri"] == f"https://{name}.vault.azure.net/"
    assert shown["properties"]["enableRbacAuthorization"] is True
    assert name in [item["name"] for item in owner.ask("GET", path).json()["value"]]
    assert owner.error("GET", f"{path}/none")[:2] == (404, "ResourceNotFound")


def test_an_officer_sets_deletes_and_recovers(vault: Vault, azure: dict[str, str]) -> None:
    name = vault()
    officer = Identity.create(azure, [{"role": "Key Vault Secrets Officer"}])

    def send(method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {officer.token(VAULT_AUDIENCE)}"}
        return officer.session.request(
            method,
            secret(name, path),
            params={"api-version": "7.5"},
            json=body,
            headers=headers,
            timeout=30,
        )

    assert send("PUT", "secrets/new", {"value": "1"}).json()["value"] == "1"
    assert send("PUT", "secrets/new", {"value": "2"}).ok
    assert get(officer, secret(name, "secrets/new")).json()["value"] == "2"
    assert send("DELETE", "secrets/new").ok
    assert refusal(send("PUT", "secrets/new", {"value": "3"}))[:2] == (409, "Conflict")
    assert send("POST", "deletedsecrets/new/recover").ok
    assert send("PATCH", "secrets/new", {"attributes": {"enabled": False}}).ok
    assert refusal(get(officer, secret(name, "secrets/new")))[2] == "SecretDisabled"
