"""Management locks: resources that cannot be deleted or changed, regardless of roles.

Source: "Lock your Azure resources". A lock holds for its scope and everything below; a deletion is
also refused when something below is locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy_action.sandbox.access.model import is_within
from deploy_action.sandbox.world.refusals import Refused, refuse

_LEVELS: Final = {"cannotdelete": "CanNotDelete", "readonly": "ReadOnly"}


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock."""

    name: str
    scope: str
    level: str
    notes: str = ""

    def view(self) -> dict[str, Any]:
        """Return the lock as ARM shows it."""
        notes = {"notes": self.notes} if self.notes else {}
        return {
            "properties": {"level": self.level, **notes},
            "id": f"{self.scope}/providers/Microsoft.Authorization/locks/{self.name}",
            "type": "Microsoft.Authorization/locks",
            "name": self.name,
        }


class Locks:
    """All locks of the subscription."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Lock] = {}

    def around(self, scope: str) -> list[Lock]:
        """Return the locks on *scope*, above it and below it."""
        held = self._held.values()
        return [x for x in held if is_within(scope, x.scope) or is_within(x.scope, scope)]

    def find(self, scope: str, name: str) -> Lock | None:
        """Return one lock, or None."""
        return self._held.get((scope.lower(), name.lower()))

    def put(self, scope: str, name: str, properties: Mapping[str, Any]) -> Lock:
        """Create or replace a lock.

        Raises:
            Refused: Azure has no such level.
        """
        level = _LEVELS.get(str(properties.get("level")).lower())
        if level is None:
            text = f"The lock level '{properties.get('level')}' is invalid."
            raise refuse(400, "InvalidLockLevel", text)
        lock = Lock(name, scope, level, str(properties.get("notes") or ""))
        self._held[scope.lower(), name.lower()] = lock
        return lock

    def remove(self, scope: str, name: str) -> bool:
        """Remove a lock; return whether it existed."""
        return self._held.pop((scope.lower(), name.lower()), None) is not None

    def check(self, kind: str, scope: str) -> None:
        """Let a ``write``, ``delete`` or ``action`` through.

        Raises:
            Refused: 409, a lock forbids it.
        """
        if kind == "read":
            return
        above = [x for x in self._held.values() if is_within(scope, x.scope)]
        if kind == "delete":
            locked = above + [x for x in self._held.values() if is_within(x.scope, scope)]
        else:
            locked = [x for x in above if x.level == "ReadOnly"]
        if locked:
            raise _locked("delete" if kind == "delete" else "write", scope, locked)


def _locked(operation: str, scope: str, locks: list[Lock]) -> Refused:
    scopes = ",".join(dict.fromkeys(f"'{lock.scope}'" for lock in locks))
    return refuse(
        409,
        "ScopeLocked",
        f"The scope '{scope}' cannot perform {operation} operation because following scope(s) are "
        f"locked: {scopes}. Please remove the lock and try again.",
    )
