"""Vaults and their secrets. A deleted secret stays recoverable, as soft-delete demands."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

RETENTION_DAYS: Final = 90


@dataclass(slots=True)
class Version:
    """One version of a secret."""

    value: str
    enabled: bool = True
    content_type: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    created: int = field(default_factory=lambda: int(time.time()))


@dataclass(slots=True)
class Secret:
    """One secret; its newest version is the last one."""

    name: str
    versions: list[Version] = field(default_factory=list)
    deleted: int | None = None

    def version(self, version: str = "") -> Version | None:
        """Return a version by its id, or the newest one."""
        if not version:
            return self.versions[-1] if self.versions else None
        return next((item for item in self.versions if item.id == version.lower()), None)


@dataclass(slots=True)
class Vault:
    """One vault.

    Args:
        name: the first part of its host name.
        group_id: the resource id of its group.
        location: its region.
        readers: object ids with an access policy; None for a vault that uses roles.
        firewall: whether callers from outside are refused.
    """

    name: str
    group_id: str
    location: str
    readers: frozenset[str] | None = None
    firewall: bool = False
    secrets: dict[str, Secret] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The vault's resource id."""
        return f"{self.group_id}/providers/Microsoft.KeyVault/vaults/{self.name}"

    @property
    def host(self) -> str:
        """The vault's host name."""
        return f"{self.name.lower()}.vault.azure.net"

    def find(self, name: str) -> Secret | None:
        """Return a secret that is not deleted."""
        secret = self.secrets.get(name.lower())
        return None if secret is None or secret.deleted is not None else secret

    def find_deleted(self, name: str) -> Secret | None:
        """Return a deleted secret."""
        secret = self.secrets.get(name.lower())
        return None if secret is None or secret.deleted is None else secret

    def set(self, name: str, version: Version) -> Secret:
        """Add a version of a secret."""
        secret = self.secrets.setdefault(name.lower(), Secret(name))
        secret.versions.append(version)
        return secret

    def view(self, tenant: str) -> dict[str, Any]:
        """Return the vault as ARM shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.KeyVault/vaults",
            "location": self.location,
            "tags": {},
            "properties": {
                "sku": {"family": "A", "name": "standard"},
                "tenantId": tenant,
                "accessPolicies": [
                    {"tenantId": tenant, "objectId": reader, "permissions": {"secrets": ["get"]}}
                    for reader in sorted(self.readers or ())
                ],
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": RETENTION_DAYS,
                "enableRbacAuthorization": self.readers is None,
                "vaultUri": f"https://{self.host}/",
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Disabled" if self.firewall else "Enabled",
            },
        }


class Vaults:
    """All vaults, by host name.

    Args:
        groups: the resource ids of the groups, the first one for vaults that name none.
        location: the region of all vaults.
    """

    def __init__(self, *, groups: list[str], location: str) -> None:
        self._groups = {group.rpartition("/")[2].lower(): group for group in groups}
        self._location = location
        self.by_host: dict[str, Vault] = {}

    def change(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create or change a vault as ``POST /vaults`` describes it.

        ``{"name": name, "group": group, "secrets": {name: value}, "disabled": [names], "deleted":
        [names], "readers": [object ids] (instead of roles), "firewall": true}``

        Raises:
            KeyError: there is no such group or secret.
        """
        name = str(fields["name"])
        host = f"{name.lower()}.vault.azure.net"
        vault = self.by_host.get(host)
        if vault is None:
            group = str(fields.get("group") or next(iter(self._groups)))
            vault = Vault(name, self._groups[group.lower()], self._location)
            self.by_host[host] = vault
        if "readers" in fields:
            vault.readers = frozenset(fields["readers"])
        vault.firewall = bool(fields.get("firewall", vault.firewall))
        for secret, value in (fields.get("secrets") or {}).items():
            vault.set(secret, Version(str(value)))
        for secret in fields.get("disabled") or ():
            vault.secrets[secret.lower()].versions[-1].enabled = False
        for secret in fields.get("deleted") or ():
            vault.secrets[secret.lower()].deleted = int(time.time())
        return {"id": vault.id, "url": f"https://{vault.host}", "secrets": sorted(vault.secrets)}
