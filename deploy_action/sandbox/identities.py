"""Creates identities and changes roles through the sandbox's own API.

POST /identities  ``{"name": name, "subject": subject, "roles": roles}`` creates an application that
                  trusts GitHub's tokens for the subject; the answer has its ids and its secret
POST /roles       ``{"client_id": id, "roles": roles}`` replaces all roles of an identity (without
                  an id: of the sandbox's own); without roles it may do everything again
GET /roles        all role assignments

``roles`` is a list of ``{"role": name, "scope": scope}``; the scope may be left out for the whole
subscription, and in place of a name there may be a definition: ``{"name": …, "actions": […],
"notActions": […], "dataActions": […]}``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from deploy_action.sandbox.access import Assignment, Assignments, Role
from deploy_action.sandbox.entra import Entra, GitHub


class Identities:
    """Creates identities and replaces their roles.

    Args:
        entra: the tenant.
        github: issues the tokens of jobs.
        assignments: who has which role.
    """

    def __init__(self, *, entra: Entra, github: GitHub, assignments: Assignments) -> None:
        self._entra = entra
        self._github = github
        self._assignments = assignments

    def change(self, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a POST.

        Raises:
            ValueError: the identity or a role does not exist.
        """
        if path == "/identities":
            return self.create(fields)
        return {"roles": self.replace(fields)}

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an application with the roles that are named.

        Raises:
            ValueError: a role does not exist.
        """
        name = str(fields.get("name") or "another identity")
        subject = str(fields.get("subject") or self._github.subject)
        application = self._entra.enroll(name, subject)
        object_id = self._object_id(application.client_id)
        for assignment in self._read(fields.get("roles") or (), object_id):
            self._assignments.grant(assignment)
        return {
            "client_id": application.client_id,
            "object_id": object_id,
            "secret": application.secrets[0],
            "request_token": self._github.job(subject),
        }

    def replace(self, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Replace an identity's roles; return its assignments.

        Raises:
            ValueError: the identity or a role does not exist.
        """
        object_id = self._object_id(str(fields.get("client_id") or self._entra.client))
        roles = fields.get("roles")
        granted = None if roles is None else self._read(roles, object_id)
        self._assignments.revoke(self._assignments.of(object_id))
        if granted is None:
            self._assignments.grant_defaults(object_id)
        for assignment in granted or ():
            self._assignments.grant(assignment)
        return [_view(item) for item in self._assignments.of(object_id)]

    def listed(self) -> list[dict[str, Any]]:
        """Return all assignments."""
        return [_view(item) for item in self._assignments.all()]

    def _object_id(self, client_id: str) -> str:
        principal = self._entra.directory.principal_of(client_id)
        if principal is None:
            raise ValueError(f"there is no identity '{client_id}'")
        return principal.object_id

    def _read(self, roles: Sequence[Mapping[str, Any]], object_id: str) -> list[Assignment]:
        home = f"/subscriptions/{self._assignments.subscription}"
        return [
            Assignment(self._role(item["role"]), str(item.get("scope") or home), object_id)
            for item in roles
        ]

    def _role(self, requested: str | Mapping[str, Any]) -> Role:
        if isinstance(requested, str):
            return self._assignments.role(requested)
        role = Role(
            id=str(uuid.uuid4()),
            name=str(requested["name"]),
            actions=tuple(requested.get("actions") or ()),
            not_actions=tuple(requested.get("notActions") or ()),
            data_actions=tuple(requested.get("dataActions") or ()),
            not_data_actions=tuple(requested.get("notDataActions") or ()),
            built_in=False,
        )
        self._assignments.roles[role.id] = role
        return role


def _view(assignment: Assignment) -> dict[str, Any]:
    return {
        "role": assignment.role.name,
        "scope": assignment.scope,
        "principal": assignment.principal_id,
    }
