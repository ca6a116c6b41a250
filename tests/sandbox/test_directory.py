"""The tenant's directory through Microsoft Graph, and sign-in with it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.identities import Identity, admin

GRAPH = "https://graph.microsoft.com"
ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "repo:someone/something:environment:prod"
AUDIENCE = "api://AzureADTokenExchange"


@pytest.fixture
def identity(azure: dict[str, str]) -> Identity:
    return Identity.create(azure, [])


def graph(identity: Identity, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {identity.token(GRAPH)}"}
    url = f"{GRAPH}/v1.0{path}"
    return identity.session.request(method, url, json=body, headers=headers, timeout=30)


def credential(**about: Any) -> dict[str, Any]:
    return {"name": "prod", "issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE], **about}


def sign_in(identity: Identity, client_id: str, subject: str) -> requests.Response:
    """Exchange the token of a job with *subject* for one of Azure."""
    azure = identity.azure
    job = admin(azure, "POST", "/identities", {"subject": subject})
    assertion = identity.session.get(
        f"{azure['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}",
        headers={"Authorization": f"Bearer {job['request_token']}"},
        timeout=30,
    ).json()["value"]
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "scope": "https://management.azure.com/.default",
    }
    url = f"https://login.microsoftonline.com/{azure['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    return identity.session.post(url, data=form, timeout=30)


def test_an_application_signs_in_step_by_step(identity: Identity) -> None:
    created = graph(identity, "POST", "/applications", {"displayName": "fresh"}).json()
    client_id, path = created["appId"], f"/applications/{created['id']}"

    def error() -> str:
        return str(sign_in(identity, client_id, SUBJECT).json()["error_description"])

    assert "AADSTS70025" in error()  # no federated credential yet
    other = credential(subject=SUBJECT.upper())
    posted = graph(identity, "POST", f"{path}/federatedIdentityCredentials", other)
    assert posted.status_code == 201
    assert "AADSTS700213" in error()  # it trusts another subject; case matters
    assert SUBJECT in error()
    right = credential(name="right")
    assert graph(identity, "POST", f"{path}/federatedIdentityCredentials", right).ok
    assert "AADSTS7000229" in error()  # no service principal in this tenant yet
    principal = graph(identity, "POST", "/servicePrincipals", {"appId": client_id})
    assert principal.status_code == 201
    assert sign_in(identity, client_id, SUBJECT).ok
    removed = posted.json()["id"]
    assert (
        graph(identity, "DELETE", f"{path}/federatedIdentityCredentials/{removed}").status_code
        == 204
    )
    listed = graph(identity, "GET", f"{path}/federatedIdentityCredentials").json()["value"]
    assert [item["subject"] for item in listed] == [SUBJECT]
    assert graph(identity, "DELETE", path).status_code == 204
    assert "AADSTS700016" in error()


@pytest.mark.parametrize(
    ("about", "status"),
    [
        ({}, 409),
        ({"name": "other"}, 409),
        ({"name": "other", "subject": "repo:a/b:ref:refs/heads/main", "audiences": []}, 400),
        ({"name": "", "subject": "repo:a/b:ref:refs/heads/main"}, 400),
    ],
)
def test_a_credential_that_graph_refuses(
    identity: Identity, about: dict[str, Any], status: int
) -> None:
    created = graph(identity, "POST", "/applications", {"displayName": "twice"}).json()
    path = f"/applications/{created['id']}/federatedIdentityCredentials"
    assert graph(identity, "POST", path, credential()).status_code == 201

    assert graph(identity, "POST", path, credential(**about)).status_code == status


def test_a_token_for_resource_manager_is_not_accepted(identity: Identity) -> None:
    headers = {"Authorization": f"Bearer {identity.token()}"}
    answer = identity.session.get(f"{GRAPH}/v1.0/applications", headers=headers, timeout=30)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


def test_what_does_not_exist_is_not_found(identity: Identity) -> None:
    answer = graph(identity, "GET", "/servicePrincipals/no-one")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "Request_ResourceNotFound"


def test_a_second_service_principal_is_refused(identity: Identity) -> None:
    answer = graph(identity, "POST", "/servicePrincipals", {"appId": identity.client_id})

    assert answer.status_code == 409
