"""Permissions that are removed from every identity, regardless of roles.

Actions are compared like Azure's own: without regard to case, ``*`` also spans slashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Removal:
    """A permission that was taken away; *scope* is a prefix of resource ids, empty for all."""

    action: str
    scope: str = ""


class Removals:
    """The permissions that were taken away."""

    def __init__(self) -> None:
        self._removals: list[Removal] = []

    def include(self, action: str, resource_id: str) -> bool:
        """Whether *action* on a resource was taken away."""
        return any(
            fnmatchcase(action.lower(), removal.action.lower())
            and resource_id.lower().startswith(removal.scope.lower())
            for removal in self._removals
        )

    def remove(self, action: str, scope: str = "") -> None:
        """Take a permission away; *action* may contain ``*``."""
        self._removals.append(Removal(action, scope))

    def restore(self) -> None:
        """Give everything back that was taken away."""
        self._removals.clear()

    def change(self, body: Mapping[str, Any]) -> None:
        """Take away what ``remove`` lists, below ``scope`` where that is given."""
        for action in list(body["remove"]):
            self.remove(str(action), str(body.get("scope") or ""))

    def describe(self) -> list[dict[str, str]]:
        """Return what was taken away."""
        return [{"action": item.action, "scope": item.scope} for item in self._removals]
