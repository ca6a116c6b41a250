"""Whether this identity may change the app, and whether what the app needs exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from deploy_action.adapters.permissions import CHANGE_APP, Permission, Permissions, Verdict
from deploy_action.adapters.resource_manager import ResourceManager
from deploy_action.core.revisions.changes import Remove, TemplateChange
from deploy_action.errors import PreflightError

_STORAGES = "2024-03-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppAccess:
    """Checks the permissions that every deployment needs on the app.

    Args:
        permissions: reads them from Azure.
        app: the app's resource ID.
        arm: reads what the app's environment has.
    """

    permissions: Permissions
    app: str
    arm: ResourceManager

    def check(self) -> None:
        """Refuse a deployment whose changes Azure would refuse; an unknown permission passes.

        Raises:
            PreflightError: the identity lacks a permission; the hint assigns the role.
        """
        checked = self.permissions.check(self.app, CHANGE_APP)
        lacking = [item for item in checked if item.verdict is Verdict.LACKS]
        if lacking:
            raise PreflightError(
                f"This identity is not allowed to change app '{self.app.rpartition('/')[2]}': it "
                f"lacks {', '.join(item.action.name for item in lacking)}.",
                hint=_assignments(lacking),
            )

    def require_storages(self, environment: str, change: TemplateChange) -> None:
        """Refuse volumes whose storage does not exist; what cannot be read passes.

        Args:
            environment: resource ID of the app's Container Apps environment.
            change: what the settings ask of the template.

        Raises:
            PreflightError: a storage does not exist.
        """
        for name, volume in change.volumes.items():
            storage = "" if isinstance(volume, Remove) else volume.get("storageName") or ""
            if not storage or not environment:
                continue
            path = f"{environment}/storages/{quote(storage, safe='')}"
            if self.arm.get(path, {"api-version": _STORAGES}).status == 404:
                raise PreflightError(
                    f"template.volumes.{name}: the storage '{storage}' does not exist in the "
                    f"app's environment '{environment.rpartition('/')[2]}'.",
                    hint="Create it: az containerapp env storage set.",
                )


def _assignments(lacking: Sequence[Permission]) -> str:
    commands = dict.fromkeys(item.command for item in lacking if item.command)
    return f"Assign the role: {'; '.join(commands)}" if commands else ""
