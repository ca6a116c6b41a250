"""Whether this identity may change the app, found out before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploy_action.adapters.permissions import CHANGE_APP, Permission, Permissions, Verdict
from deploy_action.errors import PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class AppAccess:
    """Checks the permissions that every deployment needs on the app.

    Args:
        permissions: reads them from Azure.
        app: the app's resource id.
    """

    permissions: Permissions
    app: str

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


def _assignments(lacking: Sequence[Permission]) -> str:
    commands = dict.fromkeys(item.command for item in lacking if item.command)
    return f"Assign the role: {'; '.join(commands)}" if commands else ""
