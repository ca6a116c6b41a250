"""Reading a secret from a key vault of the local Azure, and each reason why it cannot be read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy_action.adapters.key_vault import (
    KeyVault,
    SecretProblem,
    SecretReference,
    SecretUnreadableError,
)
from deploy_action.errors import InputError
from tests.support.identities import Identity, admin

USER = "Key Vault Secrets User"
_numbers = itertools.count(1)

Read = Callable[..., str]


@pytest.fixture
def masked() -> list[str]:
    return []


@pytest.fixture
def read(
    azure: dict[str, str], masked: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Read]:
    """Read a secret of a new vault as an identity with chosen roles."""
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, azure[name])

    def read(name: str = "db", *, role: str = USER, audience: str = "", **about: Any) -> str:
        vault = f"kv-read-{next(_numbers)}"
        body = {"name": vault, "secrets": {"db": "s3cret", "nothing": ""}, **about}
        admin(azure, "POST", "/vaults", body)
        identity = Identity.create(azure, [{"role": role}])

        def token(scope: str) -> str:
            return identity.token(audience or scope.removesuffix("/.default"))

        reader = KeyVault(token=token, identity=identity.client_id, on_secret=masked.append)
        return reader.read(SecretReference(vault, name))

    yield read
    admin(azure, "DELETE", "/faults")


def test_a_value_is_masked_before_it_is_returned(read: Read, masked: list[str]) -> None:
    assert read() == "s3cret"
    assert masked == ["s3cret"]


@pytest.mark.parametrize(
    ("about", "problem", "texts"),
    [
        (
            {"audience": "https://management.azure.com"},
            SecretProblem.UNAUTHORIZED,
            ["did not accept the access token", "tenant"],
        ),
        (
            {"role": "Owner"},
            SecretProblem.FORBIDDEN,
            ["is not allowed to read", "az role assignment create", '"Key Vault Secrets User"'],
        ),
        ({"readers": []}, SecretProblem.FORBIDDEN, ["az keyvault set-policy"]),
        ({"firewall": True}, SecretProblem.FORBIDDEN, ["firewall"]),
        ({"disabled": ["db"]}, SecretProblem.DISABLED, ["is disabled", "set-attributes"]),
        ({"deleted": ["db"]}, SecretProblem.DELETED, ["az keyvault secret recover"]),
        ({"name": "none"}, SecretProblem.MISSING, ["'none'", "does not exist."]),
        ({"name": "nothing"}, SecretProblem.EMPTY, ["is empty"]),
    ],
)
def test_each_reason_has_its_own_error(
    read: Read,
    masked: list[str],
    about: dict[str, Any],
    problem: SecretProblem,
    texts: list[str],
) -> None:
    with pytest.raises(SecretUnreadableError) as refused:
        read(**about)

    assert refused.value.problem is problem
    assert refused.value.exit_code == 3
    for text in texts:
        assert text in str(refused.value)
    assert masked == []


def test_a_secret_that_may_have_been_deleted_is_missing(read: Read, azure: dict[str, str]) -> None:
    action = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
    admin(azure, "POST", "/permissions", {"remove": [action]})
    try:
        with pytest.raises(SecretUnreadableError) as refused:
            read(deleted=["db"])
    finally:
        admin(azure, "DELETE", "/permissions")

    assert refused.value.problem is SecretProblem.MISSING
    assert "or was deleted" in str(refused.value)


def test_a_vault_that_does_not_exist_is_unreachable(read: Read, azure: dict[str, str]) -> None:
    identity = Identity.create(azure, [{"role": USER}])
    reader = KeyVault(
        token=lambda scope: identity.token(scope.removesuffix("/.default")),
        identity="",
        on_secret=lambda _: None,
    )

    with pytest.raises(SecretUnreadableError) as refused:
        reader.read(SecretReference("kv-nowhere", "db"))

    assert refused.value.problem is SecretProblem.UNREACHABLE


def test_a_redirect_is_not_followed_with_the_token(read: Read, azure: dict[str, str]) -> None:
    elsewhere = "https://management.azure.com/subscriptions"
    fault = {"host": "*.vault.azure.net", "status": 307, "headers": {"Location": elsewhere}}
    admin(azure, "POST", "/faults", [fault])
    before = _requests(azure)

    with pytest.raises(SecretUnreadableError) as refused:
        read()

    assert refused.value.problem is SecretProblem.UNEXPECTED
    assert "status 307" in str(refused.value)
    assert _requests(azure) == before


def _requests(azure: dict[str, str]) -> list[Any]:
    """Return the requests for the place that the redirect names."""
    result = admin(azure, "GET", "/requests")["requests"]
    return [item for item in result if item["path"] == "/subscriptions"]


def test_an_error_never_repeats_the_token(read: Read) -> None:
    with pytest.raises(SecretUnreadableError) as refused:
        read(role="Owner")

    assert "eyJ" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "keyvault:kv/with_underscore",
        "keyvault:kv-one",
        "keyvault:kv-one/db/version",
        "keyvault:evil.example.com/db",
        "keyvault:kv-one.evil.example.com#/db",
        "keyvault:/db",
        "vault:kv-one/db",
        "keyvault:kv-one/",
    ],
)
def test_a_reference_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        SecretReference.parse(text)


def test_a_reference_is_a_vault_and_a_name() -> None:
    reference = SecretReference.parse(" keyvault:KV-One/Db-Password ")

    assert reference == SecretReference("KV-One", "Db-Password")
    assert reference.host_url == "https://kv-one.vault.azure.net"
    assert str(reference) == "secret 'Db-Password' of key vault 'KV-One'"
