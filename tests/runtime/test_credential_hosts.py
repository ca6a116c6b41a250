"""The list of credentials and hosts."""

from __future__ import annotations

import pytest

from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential, CredentialHostError

FOREIGN = [
    "https://collector.example",
    "https://management.azure.com.collector.example",
    "https://contoso.azurecr.io.collector.example/v2/",
    "https://azurecr.io",
    "https://evilazurecr.io",
    "https://management.azure.com@collector.example/",
    "https://user@management.azure.com/",
    "http://management.azure.com/",
    "https://management.azure.com:8443/",
    "https://management.azure.com\\@collector.example/",
    "//management.azure.com/",
    "https:///management.azure.com",
    "https://[management.azure.com/",
    "",
]


@pytest.mark.parametrize("credential", list(Credential))
@pytest.mark.parametrize("url", FOREIGN)
def test_no_azure_token_goes_to_another_host(credential: Credential, url: str) -> None:
    with pytest.raises(CredentialHostError):
        credential_hosts.bearer(credential, "secret", url)


@pytest.mark.parametrize(
    ("credential", "url"),
    [
        (Credential.RESOURCE_MANAGER, "https://management.azure.com/subscriptions"),
        (Credential.RESOURCE_MANAGER, "https://MANAGEMENT.azure.com:443/subscriptions"),
        (Credential.REGISTRY, "https://contoso-a1b2.azurecr.io/oauth2/exchange"),
        (Credential.KEY_VAULT, "https://well.vault.azure.net/secrets/a"),
        (Credential.REDIS, "https://well.redis.cache.windows.net"),
    ],
)
def test_a_token_goes_to_its_own_hosts(credential: Credential, url: str) -> None:
    assert credential_hosts.bearer(credential, "t", url) == {"Authorization": "Bearer t"}


def test_a_token_of_one_service_does_not_go_to_another() -> None:
    with pytest.raises(CredentialHostError):
        credential_hosts.bearer(Credential.RESOURCE_MANAGER, "t", "https://contoso.azurecr.io")


def test_an_own_token_goes_to_the_server_that_issued_it() -> None:
    home = "https://api.github.com/"

    header = credential_hosts.own_bearer("t", "https://api.github.com/repos", issued_for=home)

    assert header == {"Authorization": "Bearer t"}
    for url in ("https://uploads.github.com/", "http://api.github.com/", ""):
        with pytest.raises(CredentialHostError):
            credential_hosts.own_bearer("t", url, issued_for=home)
        with pytest.raises(CredentialHostError):
            credential_hosts.own_bearer("t", url, issued_for="")


def test_a_registry_login_goes_to_the_registry_and_its_known_token_service() -> None:
    hub = "registry-1.docker.io"

    for url in ("https://auth.docker.io/token", "https://registry-1.docker.io/v2/"):
        assert credential_hosts.registry_login("a", "b", url, registry=hub)
    for url in ("https://docker.io.collector.example/", "https://gitlab.com/jwt/auth"):
        with pytest.raises(CredentialHostError):
            credential_hosts.registry_login("a", "b", url, registry=hub)


def test_an_entra_token_goes_to_azures_redis_or_to_a_tunnel_on_the_runner() -> None:
    for host in ("well.redis.cache.windows.net", "well.westeurope.redis.azure.net", "127.0.0.1"):
        credential_hosts.require_redis(host)
    for host in ("cache.example", "10.0.0.4", "127.0.0.1.collector.example"):
        with pytest.raises(CredentialHostError):
            credential_hosts.require_redis(host)


def test_no_other_module_builds_an_authorization_header() -> None:
    """The list works only if all modules use it; git gets its header through its configuration."""
    import deploy_action

    allowed = {"credential_hosts.py", "command.py"}
    root = deploy_action.__path__[0]
    from pathlib import Path

    for file in Path(root).rglob("*.py"):
        if "sandbox" in file.parts or file.name in allowed:
            continue
        text = file.read_text("utf-8")
        assert '"Authorization"' not in text, file
        assert "Authorization:" not in text, file
