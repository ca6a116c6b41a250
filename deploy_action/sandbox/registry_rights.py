"""Permissions of an identity in a registry: pull and push, by its roles.

Source: "Azure Container Registry roles and permissions". Registries accept the classic roles
(AcrPull, AcrPush) and the repository roles at once; Azure's accept one kind, by a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deploy_action.sandbox.access import Assignments

_REGISTRIES: Final = "Microsoft.ContainerRegistry/registries"
# For an action in a registry token: the action of classic roles, the data action of the others.
_NEEDS: Final[Mapping[str, tuple[str, str]]] = {
    "pull": ("pull/read", "repositories/content/read"),
    "push": ("push/write", "repositories/content/write"),
    "delete": ("artifacts/delete", "repositories/content/delete"),
    "metadata_read": ("pull/read", "repositories/metadata/read"),
    "metadata_write": ("push/write", "repositories/metadata/write"),
    "*": ("pull/read", "catalog/read"),
}


class RegistryRights:
    """Decides by role assignments.

    Args:
        assignments: who has which role.
        homes: the resource ids of registries by host name.
    """

    def __init__(self, assignments: Assignments, homes: Mapping[str, str]) -> None:
        self._assignments = assignments
        self._homes = dict(homes)

    def add(self, host: str, home: str) -> None:
        """Begin to check the rights on a registry with the resource id *home*."""
        self._homes[host] = home

    def allows(self, object_id: str, host: str, action: str) -> bool:
        """Whether an identity may perform *action* of a registry token on a registry."""
        scope = self._homes.get(host)
        if scope is None:
            return True
        classic, data = _NEEDS.get(action, (action, action))
        return self._assignments.allows(
            object_id, f"{_REGISTRIES}/{classic}", scope
        ) or self._assignments.allows(object_id, f"{_REGISTRIES}/{data}", scope, data=True)
