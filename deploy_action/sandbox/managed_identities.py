"""Managed identities: an app's own one, and user-assigned ones as resources.

Source: Microsoft.ManagedIdentity 2023-01-31, and the `identity` block of recorded resources.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.directory import Directory, ServicePrincipal, new_id
from deploy_action.sandbox.world.refusals import invalid, not_supported, resource_missing

SYSTEM: Final = "system"
_KIND: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
_PATH: Final = re.compile(
    r"(?P<group>/subscriptions/[^/]+(?:/resourceGroups/[^/]+)?)"
    r"/providers/Microsoft\.ManagedIdentity/userAssignedIdentities(?:/(?P<name>[^/]+))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class UserAssigned:
    """One user-assigned identity."""

    id: str
    name: str
    principal: ServicePrincipal


class ManagedIdentities:
    """Creates and finds managed identities; a `interfaces.AppIdentities`.

    Args:
        directory: where their service principals are.
        tenant: the tenant's id.
        location: the region of all of them.
        read: reads a vault's secret by URL for an object id, or returns None.
        may_pull: whether an object id may pull from a registry's host.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        tenant: str,
        location: str,
        read: Callable[[str, str], str | None],
        may_pull: Callable[[str, str], bool],
    ) -> None:
        self._directory = directory
        self._tenant = tenant
        self._location = location
        self._read = read
        self._may_pull = may_pull
        self._user_assigned: dict[str, UserAssigned] = {}
        self._system: dict[str, ServicePrincipal] = {}

    def complete(self, app_id: str, resource: dict[str, Any]) -> None:
        """Fill in the ids of a resource's `identity` block.

        Raises:
            Refused: a user-assigned identity does not exist.
        """
        block = resource.get("identity") or {}
        kinds = {part.strip().lower() for part in str(block.get("type") or "None").split(",")}
        names = []
        completed: dict[str, Any] = {}
        if "systemassigned" in kinds:
            principal = self._system.get(app_id.lower())
            if principal is None:
                name = app_id.rpartition("/")[2]
                principal = self._directory.add_principal(name, new_id(), "ManagedIdentity")
                self._system[app_id.lower()] = principal
            names.append("SystemAssigned")
            completed |= {"principalId": principal.object_id, "tenantId": self._tenant}
        if "userassigned" in kinds:
            names.append("UserAssigned")
            completed["userAssignedIdentities"] = {
                key: self._describe(key) for key in block.get("userAssignedIdentities") or ()
            }
        resource["identity"] = {"type": ", ".join(names) or "None", **completed}

    def secret(self, resource: Mapping[str, Any], secret: Mapping[str, Any]) -> str | None:
        """Return the value of an app's Key Vault reference, or None if it cannot be read."""
        object_id = self.object_id(resource, str(secret.get("identity") or ""))
        return self._read(str(secret["keyVaultUrl"]), object_id) if object_id else None

    def may_pull(self, resource: Mapping[str, Any], host: str) -> bool:
        """Whether an app may pull from a registry; an app that names no identity always may."""
        configuration = resource["properties"].get("configuration") or {}
        for registry in configuration.get("registries") or ():
            if str(registry.get("server")).lower() == host.lower() and registry.get("identity"):
                object_id = self.object_id(resource, str(registry["identity"]))
                return object_id is not None and self._may_pull(object_id, host.lower())
        return True

    def object_id(self, resource: Mapping[str, Any], reference: str) -> str | None:
        """Return the object id of an app's identity: ``system`` or a resource id."""
        block = resource.get("identity") or {}
        if reference.lower() == SYSTEM:
            return block.get("principalId")
        for key, described in (block.get("userAssignedIdentities") or {}).items():
            if key.lower() == reference.lower():
                return str(described["principalId"])
        return None

    async def handle_arm(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a request of Microsoft.ManagedIdentity; None for others."""
        address = _PATH.fullmatch(request.path)
        if not address:
            return None
        key = request.path.rstrip("/").lower()
        identity = self._user_assigned.get(key)
        match request.method, address["name"]:
            case "GET", None:
                home = f"{address['group'].lower()}/"
                listed = [x for x in self._user_assigned.values() if x.id.lower().startswith(home)]
                return web.json_response({"value": [self._view(item) for item in listed]})
            case "PUT", str() as name:
                if identity is None:
                    principal = self._directory.add_principal(name, new_id(), "ManagedIdentity")
                    self._user_assigned[key] = identity = UserAssigned(
                        request.path, name, principal
                    )
                return web.json_response(self._view(identity), status=201)
            case "GET", _ if identity:
                return web.json_response(self._view(identity))
            case "GET", str() as name:
                raise resource_missing(_KIND, name, address["group"].rpartition("/")[2])
            case "DELETE", _:
                self._user_assigned.pop(key, None)
                return web.Response(status=200 if identity else 204)
        raise not_supported(f"{request.method} {request.path}")

    def _describe(self, key: str) -> dict[str, str]:
        identity = self._user_assigned.get(key.lower())
        if identity is None:
            raise invalid("identity", f"the identity '{key}' does not exist")
        principal = identity.principal
        return {"principalId": principal.object_id, "clientId": principal.client_id}

    def _view(self, item: UserAssigned) -> dict[str, Any]:
        return {
            "id": item.id,
            "name": item.name,
            "type": _KIND,
            "location": self._location,
            "tags": {},
            "properties": {
                "tenantId": self._tenant,
                "principalId": item.principal.object_id,
                "clientId": item.principal.client_id,
            },
        }
