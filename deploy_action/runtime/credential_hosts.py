"""Which credential may be sent to which hosts: the only list.

Every adapter builds its ``Authorization`` header, token field or secret header through this module,
so that no setting, redirect or response of another server can send a credential elsewhere. Azure's
hosts are those of the public cloud.
"""

from __future__ import annotations

import base64
from enum import Enum
from urllib.parse import urlsplit

from deploy_action.errors import PreflightError


class Credential(Enum):
    """A credential and its hosts; a host that begins with a dot matches all names below it."""

    RESOURCE_MANAGER = ("management.azure.com",)
    ENTRA = ("login.microsoftonline.com",)
    REGISTRY = (".azurecr.io",)
    KEY_VAULT = (".vault.azure.net",)
    REDIS = (".redis.cache.windows.net", ".redis.azure.net", ".redisenterprise.cache.azure.net")
    METRICS = (".metrics.monitor.azure.com",)
    LOG_ANALYTICS = ("api.loganalytics.io", "api.loganalytics.azure.com")
    APPLICATION_INSIGHTS = ("api.applicationinsights.io", "api.applicationinsights.azure.com")
    INGESTION = ("dc.services.visualstudio.com", ".in.applicationinsights.azure.com")
    EVENT_STREAM = (".azurecontainerapps.dev",)


# Registries whose tokens come from another host than the registry's own.
_TOKEN_SERVICES = {
    "registry-1.docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class CredentialHostError(PreflightError):
    """A credential was about to be sent to a host that must not receive it."""


def is_allowed(credential: Credential, url: str) -> bool:
    """Whether *credential* may be sent to *url*: over HTTPS, to one of its hosts, port 443."""
    host = _host(url)
    return any(
        host.endswith(allowed) if allowed.startswith(".") else host == allowed
        for allowed in credential.value
    )


def require(credential: Credential, url: str) -> None:
    """Raise `CredentialHostError` unless *credential* may be sent to *url*."""
    if not is_allowed(credential, url):
        raise _refused(f"{credential.name.replace('_', ' ').lower()} token", url)


def require_redis(host: str) -> None:
    """Raise `CredentialHostError` unless an Entra token may be sent to a Redis server.

    It may go to Azure's, and to a tunnel on the runner itself.
    """
    if host not in _LOOPBACK:
        require(Credential.REDIS, f"https://{host}")


def bearer(credential: Credential, token: str, url: str) -> dict[str, str]:
    """Return the header that sends an Azure token to *url*.

    Raises:
        CredentialHostError: the token is not for that host.
    """
    require(credential, url)
    return {"Authorization": f"Bearer {token}"}


def own_bearer(token: str, url: str, *, issued_for: str) -> dict[str, str]:
    """Return the header that sends a token to the server at the URL that it was issued for.

    Args:
        token: such as GitHub's, or a registry's access token.
        url: where it goes.
        issued_for: a URL of the server that it belongs to.

    Raises:
        CredentialHostError: *url* is on another host.
    """
    if not is_same_host(url, issued_for):
        raise _refused("token", url)
    return {"Authorization": f"Bearer {token}"}


def is_same_host(url: str, issued_for: str) -> bool:
    """Whether a token for the server at *issued_for* may be sent to *url*."""
    return bool(_host(url)) and _host(url) == _host(issued_for)


def registry_login(user: str, password: str, url: str, *, registry: str) -> dict[str, str]:
    """Return the header that sends a login of *registry* (a host) to *url*.

    Raises:
        CredentialHostError: *url* is neither the registry nor its known token service.
    """
    if _host(url) not in {registry.lower(), _TOKEN_SERVICES.get(registry.lower(), registry)}:
        raise _refused(f"login for {registry}", url)
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def _host(url: str) -> str:
    """Return the host of an HTTPS URL in lower case, with a port other than 443; else nothing."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme != "https" or parts.username is not None or not parts.hostname:
        return ""
    return parts.hostname if port in {None, 443} else f"{parts.hostname}:{port}"


def _refused(what: str, url: str) -> CredentialHostError:
    return CredentialHostError(
        f"The {what} is not sent to '{_host(url) or 'this URL'}': the host is not allowed for it.",
        hint="Check the host names in the settings.",
    )
