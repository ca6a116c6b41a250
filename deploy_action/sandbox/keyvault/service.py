"""Key Vault's data plane and its resource in Resource Manager.

Source: "Azure Key Vault REST API", 7.4 to 2026-04-01, and recorded refusals. Any api-version is
accepted.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.access import Assignments, Principal
from deploy_action.sandbox.keyvault import errors
from deploy_action.sandbox.keyvault.errors import VaultError
from deploy_action.sandbox.keyvault.store import RETENTION_DAYS, Secret, Vault, Vaults, Version
from deploy_action.sandbox.world.refusals import not_supported, resource_missing

AUDIENCE: Final = "https://vault.azure.net"
_NAME: Final = re.compile(r"^[0-9a-zA-Z-]{1,127}$")
_DAY_S: Final = 86_400
_ACTIONS: Final = "Microsoft.KeyVault/vaults/secrets"
_ARM: Final = re.compile(
    r"(?P<group>/subscriptions/[^/]+(?:/resourceGroups/[^/]+)?)/providers/Microsoft\.KeyVault"
    r"/vaults(?:/(?P<name>[^/]+))?/?",
    re.IGNORECASE,
)


class KeyVault:
    """A `interfaces.Service` for the hosts of all vaults.

    Args:
        vaults: the vaults.
        tenant: the Entra tenant that signs in.
        assignments: who has which role.
        identify: returns the principal of a token for vaults, or None.
    """

    def __init__(
        self,
        *,
        vaults: Vaults,
        tenant: str,
        assignments: Assignments,
        identify: Callable[[str], Principal | None],
    ) -> None:
        self._vaults = vaults
        self._tenant = tenant
        self._assignments = assignments
        self._identify = identify

    def serves(self, host: str) -> bool:
        """Whether a vault has this host name."""
        return host in self._vaults.by_host

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request to a vault."""
        vault = self._vaults.by_host[request.host.partition(":")[0].lower()]
        try:
            response = await self._answer(request, vault)
        except VaultError as error:
            login = f"https://login.microsoftonline.com/{self._tenant}"
            response = error.response(f'Bearer authorization="{login}", resource="{AUDIENCE}"')
        response.headers["x-ms-keyvault-region"] = vault.location
        response.headers["x-ms-keyvault-service-version"] = "1.9.2500.1"
        return response

    async def handle_arm(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a request of Microsoft.KeyVault to Resource Manager; None for others."""
        match = _ARM.fullmatch(request.path)
        if not match:
            return None
        if request.method != "GET":
            raise not_supported(f"{request.method} {request.path}")
        vaults = [
            vault.view(self._tenant)
            for vault in self._vaults.by_host.values()
            if vault.group_id.lower().startswith(match["group"].lower())
            and (match["name"] or vault.name).lower() == vault.name.lower()
        ]
        if not match["name"]:
            return web.json_response({"value": vaults})
        if not vaults:
            group = match["group"].rpartition("/")[2]
            raise resource_missing("Microsoft.KeyVault/vaults", match["name"], group)
        return web.json_response(vaults[0])

    def read(self, url: str, object_id: str) -> str | None:
        """Return a secret's value as Container Apps resolves a reference with an identity."""
        host, _, path = url.removeprefix("https://").partition("/")
        vault = self._vaults.by_host.get(host.lower())
        parts = [*path.strip("/").split("/"), ""]
        secret = vault.find(parts[1]) if vault else None
        version = secret.version(parts[2]) if secret else None
        if not (vault and version and version.enabled):
            return None
        return version.value if self._may(vault, object_id, "getSecret", parts[1]) else None

    async def _answer(self, request: web.BaseRequest, vault: Vault) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        principal = self._identify(token) if scheme.lower() == "bearer" else None
        if principal is None:
            raise errors.unauthorized(missing=not token)
        if not request.query.get("api-version"):
            raise errors.bad_parameter("api-version must be specified")
        if vault.firewall:
            raise errors.forbidden_by_firewall(principal, self._tenant, vault)
        parts = [part for part in request.path.split("/") if part]
        name = parts[1] if len(parts) > 1 else ""
        if name and not _NAME.fullmatch(name):
            raise errors.bad_parameter(f"The request URI contains an invalid name: {name}")
        action, answer = await self._route(request, vault, parts)
        if not self._may(vault, principal.object_id, action, name):
            if vault.readers is not None:
                raise errors.forbidden_by_policy(principal, self._tenant, vault)
            resource = f"{vault.id}/secrets/{name}" if name else vault.id
            full = f"{_ACTIONS}/{action}/action"
            raise errors.forbidden_by_role(principal, self._tenant, full, vault, resource)
        return web.json_response(answer())

    def _may(self, vault: Vault, object_id: str, action: str, name: str) -> bool:
        if vault.readers is not None:
            return object_id in vault.readers
        scope = f"{vault.id}/secrets/{name}" if name else vault.id
        full = f"{_ACTIONS}/{action}/action"
        return self._assignments.allows(object_id, full, scope, data=True)

    async def _route(  # noqa: PLR0911  a routing table, in one piece
        self, request: web.BaseRequest, vault: Vault, parts: list[str]
    ) -> tuple[str, Callable[[], dict[str, Any]]]:
        """Return the data action that a request needs, and its handler."""
        body = await _body(request) if request.method in {"PUT", "PATCH"} else {}
        match request.method, parts:
            case "GET", ["secrets"]:
                return "readMetadata", lambda: _listed(vault)
            case "GET", ["secrets", name, "versions"]:
                return "readMetadata", lambda: _versions(vault, name)
            case "GET", ["secrets", name, *rest]:
                return "getSecret", lambda: _value(vault, name, rest[0] if rest else "")
            case "PUT", ["secrets", name]:
                return "setSecret", lambda: _set(vault, name, body)
            case "PATCH", ["secrets", name, *rest]:
                version = rest[0] if rest else ""
                return "update", lambda: _update(vault, name, version, body)
            case "DELETE", ["secrets", name]:
                return "delete", lambda: _delete(vault, name)
            case "GET", ["deletedsecrets", name]:
                return "readMetadata", lambda: _deleted(vault, name)
            case "POST", ["deletedsecrets", name, "recover"]:
                return "recover", lambda: _recover(vault, name)
        text = f"{request.method} {request.path} is not supported by the sandbox"
        raise VaultError(501, "NotSupportedBySandbox", text)


def _secret(vault: Vault, name: str, version: str = "") -> tuple[Secret, Version]:
    secret = vault.find(name)
    secret_version = secret.version(version) if secret else None
    if secret is None or secret_version is None:
        raise errors.not_found(f"{name}/{version}" if version else name)
    return secret, secret_version


def _value(vault: Vault, name: str, version: str) -> dict[str, Any]:
    secret, secret_version = _secret(vault, name, version)
    if not secret_version.enabled:
        raise errors.disabled()
    return {"value": secret_version.value, **_metadata(vault, secret, secret_version)}


def _metadata(vault: Vault, secret: Secret, version: Version) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": f"https://{vault.host}/secrets/{secret.name}/{version.id}",
        "attributes": {
            "enabled": version.enabled,
            "created": version.created,
            "updated": version.created,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": RETENTION_DAYS,
        },
    }
    if version.content_type:
        shown["contentType"] = version.content_type
    return shown


def _listed(vault: Vault) -> dict[str, Any]:
    listed = []
    for secret in vault.secrets.values():
        if secret.deleted is None:
            shown = _metadata(vault, secret, secret.versions[-1])
            listed.append({**shown, "id": shown["id"].rpartition("/")[0]})
    return {"value": listed, "nextLink": None}


def _versions(vault: Vault, name: str) -> dict[str, Any]:
    secret, _ = _secret(vault, name)
    return {
        "value": [_metadata(vault, secret, item) for item in secret.versions],
        "nextLink": None,
    }


def _set(vault: Vault, name: str, body: dict[str, Any]) -> dict[str, Any]:
    if vault.find_deleted(name):
        raise errors.being_deleted(name)
    attributes = body.get("attributes") or {}
    content_type = str(body.get("contentType") or "")
    version = Version(str(body.get("value") or ""), attributes.get("enabled", True), content_type)
    return {"value": version.value, **_metadata(vault, vault.set(name, version), version)}


def _update(vault: Vault, name: str, version: str, body: dict[str, Any]) -> dict[str, Any]:
    secret, secret_version = _secret(vault, name, version)
    secret_version.enabled = bool(
        (body.get("attributes") or {}).get("enabled", secret_version.enabled)
    )
    return _metadata(vault, secret, secret_version)


def _delete(vault: Vault, name: str) -> dict[str, Any]:
    secret, _ = _secret(vault, name)
    secret.deleted = int(time.time())
    return _deleted(vault, name)


def _deleted(vault: Vault, name: str) -> dict[str, Any]:
    secret = vault.find_deleted(name)
    if secret is None or secret.deleted is None:
        raise errors.not_deleted(name)
    return {
        "recoveryId": f"https://{vault.host}/deletedsecrets/{secret.name}",
        "deletedDate": secret.deleted,
        "scheduledPurgeDate": secret.deleted + RETENTION_DAYS * _DAY_S,
        **_metadata(vault, secret, secret.versions[-1]),
    }


def _recover(vault: Vault, name: str) -> dict[str, Any]:
    secret = vault.find_deleted(name)
    if secret is None:
        raise errors.not_deleted(name)
    secret.deleted = None
    return _metadata(vault, secret, secret.versions[-1])


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise errors.bad_parameter("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise errors.bad_parameter("The request body is not an object")
    return body
