"""Role assignments: who has which role where."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from deploy_action.sandbox.access.removals import Removals
from deploy_action.sandbox.access.roles import BUILT_IN, DEFINITIONS, Role

DEFAULT_ROLES: Final = ("Owner", "Key Vault Administrator")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request: an object id in the tenant, and the client id of its application."""

    object_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role assignment; it reaches its scope and everything below."""

    role: Role
    scope: str
    principal_id: str
    principal_type: str = "ServicePrincipal"
    name: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def reaches(self, scope: str) -> bool:
        """Whether the assignment holds at *scope*."""
        return is_within(scope, self.scope)

    @property
    def id(self) -> str:
        """The assignment's resource id."""
        return f"{self.scope}/providers/Microsoft.Authorization/roleAssignments/{self.name}"

    def view(self, subscription: str) -> dict[str, Any]:
        """Return the assignment as ARM shows it."""
        created = self.created.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        return {
            "properties": {
                "roleDefinitionId": f"/subscriptions/{subscription}{DEFINITIONS}{self.role.id}",
                "principalId": self.principal_id,
                "principalType": self.principal_type,
                "scope": self.scope or "/",
                "condition": None,
                "conditionVersion": None,
                "createdOn": created,
                "updatedOn": created,
                "createdBy": None,
                "updatedBy": None,
                "delegatedManagedIdentityResourceId": None,
                "description": None,
            },
            "id": self.id,
            "type": "Microsoft.Authorization/roleAssignments",
            "name": self.name,
        }


def is_within(resource: str, scope: str) -> bool:
    """Whether *resource* is *scope* or below it."""
    inner, outer = resource.lower().rstrip("/"), scope.lower().rstrip("/")
    return inner == outer or inner.startswith(f"{outer}/")


class Assignments:
    """All role definitions and assignments of the subscription.

    A change takes effect at once. Azure needs up to ten minutes.

    Args:
        subscription: the only one there is.
    """

    def __init__(self, subscription: str) -> None:
        self.subscription = subscription
        self.removals = Removals()
        self.roles = {role.id: role for role in BUILT_IN}
        self._held: list[Assignment] = []

    def allows(self, principal_id: str, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether a principal may perform *action* (a data action with *data*) on *scope*."""
        held = self.reaching(principal_id, scope)
        return not self.removals.include(action, scope) and any(
            assignment.role.grants(action, data=data) for assignment in held
        )

    def reaching(self, principal_id: str, scope: str) -> list[Assignment]:
        """Return a principal's assignments that hold at *scope*, inherited ones included."""
        return [
            assignment
            for assignment in self._held
            if assignment.principal_id == principal_id and assignment.reaches(scope)
        ]

    def all(self) -> list[Assignment]:
        """Return every assignment."""
        return list(self._held)

    def of(self, principal_id: str) -> list[Assignment]:
        """Return all assignments of one principal."""
        return [item for item in self._held if item.principal_id == principal_id]

    def role(self, name: str) -> Role:
        """Return a role by its name or id.

        Raises:
            ValueError: there is none.
        """
        for role in self.roles.values():
            if name.lower() in {role.id, role.name.lower()}:
                return role
        raise ValueError(f"there is no role '{name}'")

    def grant(self, assignment: Assignment) -> None:
        """Add one assignment."""
        self._held.append(assignment)

    def grant_defaults(self, principal_id: str) -> None:
        """Permit everything: the roles that the sandbox's own identity starts with."""
        scope = f"/subscriptions/{self.subscription}"
        for name in DEFAULT_ROLES:
            self.grant(Assignment(self.role(name), scope, principal_id))

    def revoke(self, assignments: Iterable[Assignment]) -> None:
        """Remove assignments."""
        gone = {assignment.name for assignment in assignments}
        self._held = [item for item in self._held if item.name not in gone]
