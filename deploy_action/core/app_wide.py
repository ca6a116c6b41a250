"""Secrets and tags: they belong to the app, not to a revision, so a change reaches all revisions.

A secret's new value reaches the running replicas of a revision at their next restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.core.external import items, mapping
from deploy_action.core.revisions.changes import Remove

SYSTEM = "system"  # Azure's name for the app's own identity


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """A secret of the app.

    Args:
        value: the value itself; empty for a reference.
        url: the secret's URL in a key vault; the app reads it.
        identity: the identity that reads it: ``system`` or a resource ID.
    """

    value: str = field(default="", repr=False)
    url: str = ""
    identity: str = ""

    def as_azure(self, name: str) -> dict[str, str]:
        """Return the secret *name* as Azure writes it."""
        if self.url:
            return {"name": name, "keyVaultUrl": self.url, "identity": self.identity}
        return {"name": name, "value": self.value}

    @classmethod
    def from_azure(cls, secret: Mapping[str, Any]) -> SecretValue:
        """Read one secret from a listSecrets response."""
        return cls(
            value=str(secret.get("value") or "") if not secret.get("keyVaultUrl") else "",
            url=str(secret.get("keyVaultUrl") or ""),
            identity=str(secret.get("identity") or "") if secret.get("keyVaultUrl") else "",
        )

    @property
    def described(self) -> str:
        """A description without its value."""
        if self.url:
            return f"{self.url} (identity {self.identity})"
        return "a value"


SecretChanges = Mapping[str, SecretValue | Remove]
TagChanges = Mapping[str, str | Remove]


def secrets_of(template: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the secrets that a template needs."""
    names: set[str] = set()
    for kind in ("containers", "initContainers"):
        for container in items(template.get(kind), kind):
            env = items(mapping(container, "a container").get("env"), "env")
            names |= {str(variable.get("secretRef") or "") for variable in env}
    for volume in items(template.get("volumes"), "volumes"):
        names |= {str(item.get("secretRef") or "") for item in volume.get("secrets") or ()}
    for rule in items(mapping(template.get("scale"), "scale").get("rules"), "rules"):
        for kind in ("http", "tcp", "custom", "azureQueue"):
            auth = mapping(rule.get(kind), kind).get("auth")
            names |= {str(item.get("secretRef") or "") for item in items(auth, "auth")}
    return frozenset(names - {""})


def merged(current: Iterable[Mapping[str, Any]], changes: SecretChanges) -> list[dict[str, Any]]:
    """Return the complete list of secrets after *changes*; others stay as they are."""
    listed: dict[str, dict[str, Any]] = {
        str(secret.get("name")): dict(secret) for secret in current
    }
    for name, change in changes.items():
        if isinstance(change, Remove):
            listed.pop(name, None)
        else:
            listed[name] = change.as_azure(name)
    return list(listed.values())
