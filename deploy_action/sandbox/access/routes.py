"""Microsoft.Authorization: permissions, role assignments, role definitions and locks at any scope.

Source: "Azure role-based access control REST API", 2022-04-01. The caller's right to send each of
these requests has been checked before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.access.authorizer import Authorizer
from deploy_action.sandbox.access.locks import Locks
from deploy_action.sandbox.access.model import Assignment, Assignments, is_within
from deploy_action.sandbox.access.roles import Role
from deploy_action.sandbox.world.refusals import json_object, not_supported, refuse

_HOME: Final = "/providers/microsoft.authorization/"
_BY_PRINCIPAL: Final = re.compile(r"(?:principalId eq |assignedTo\()'([^']+)'", re.IGNORECASE)
_BY_NAME: Final = re.compile(r"roleName eq '([^']+)'", re.IGNORECASE)


class Routes:
    """Answers for Microsoft.Authorization.

    Args:
        assignments: who has which role.
        locks: what is locked.
        authorizer: identifies the caller of a request.
        known: whether an object id belongs to a principal of the tenant.
    """

    def __init__(
        self,
        *,
        assignments: Assignments,
        locks: Locks,
        authorizer: Authorizer,
        known: Callable[[str], bool],
    ) -> None:
        self._assignments = assignments
        self._locks = locks
        self._authorizer = authorizer
        self._known = known

    async def handle(  # noqa: PLR0911  a routing table, in one piece
        self, request: web.BaseRequest
    ) -> web.Response | None:
        """Answer a request of this provider; None when the request is for another."""
        at = request.path.lower().rfind(_HOME)
        if at < 0:
            return None
        scope, rest = request.path[:at], request.path[at + len(_HOME) :].strip("/").split("/")
        filter_ = request.query.get("$filter", "")
        match request.method, [rest[0].lower(), *rest[1:]]:
            case "GET", ["permissions"]:
                principal = self._authorizer.principal(request)
                held = self._assignments.reaching(principal.object_id, scope)
                return _listed([item.role.permissions for item in held])
            case "GET", ["roleassignments"]:
                return _listed(self._listed_assignments(scope, filter_))
            case "GET", ["roledefinitions"]:
                return _listed(self._definitions(filter_))
            case "GET", ["roledefinitions", name]:
                role = self._definition(name)
                return web.json_response(role.view(self._assignments.subscription))
            case method, ["roleassignments", name]:
                return await self._one_assignment(method, scope, name, request)
            case "GET", ["locks"]:
                return _listed([lock.view() for lock in self._locks.around(scope)])
            case method, ["locks", name]:
                return await self._one_lock(method, scope, name, request)
        raise not_supported(f"{request.method} {request.path}")

    def _listed_assignments(self, scope: str, filter_: str) -> list[dict[str, Any]]:
        """List what holds at the scope, and without ``atScope()`` what is below it, too."""
        principal_filter = _BY_PRINCIPAL.search(filter_)
        matches = [
            item
            for item in self._assignments.all()
            if (
                item.reaches(scope) or ("atScope()" not in filter_ and is_within(item.scope, scope))
            )
            and (principal_filter is None or item.principal_id == principal_filter[1].lower())
        ]
        return [item.view(self._assignments.subscription) for item in matches]

    def _definitions(self, filter_: str) -> list[dict[str, Any]]:
        name_filter = _BY_NAME.search(filter_)
        return [
            role.view(self._assignments.subscription)
            for role in self._assignments.roles.values()
            if name_filter is None or role.name.lower() == name_filter[1].lower()
        ]

    def _definition(self, name: str) -> Role:
        role = self._assignments.roles.get(name.rpartition("/")[2].lower())
        if role is None:
            raise refuse(
                404,
                "RoleDefinitionDoesNotExist",
                f"The specified role definition with ID '{name.replace('-', '')}' does not exist.",
            )
        return role

    async def _one_assignment(
        self, method: str, scope: str, name: str, request: web.BaseRequest
    ) -> web.Response:
        existing = [
            item
            for item in self._assignments.all()
            if item.name == name.lower() and item.scope.lower() == scope.lower()
        ]
        match method:
            case "PUT":
                return self._assign(
                    scope, name.lower(), json_object(await request.read()), existing
                )
            case "DELETE":
                if not existing:
                    return web.Response(status=204)
                self._assignments.revoke(existing)
                return web.json_response(existing[0].view(self._assignments.subscription))
            case "GET" if existing:
                return web.json_response(existing[0].view(self._assignments.subscription))
            case "GET":
                text = f"The role assignment '{name}' is not found."
                raise refuse(404, "RoleAssignmentNotFound", text)
        raise not_supported(f"{request.method} {request.path}")

    def _assign(
        self, scope: str, name: str, body: dict[str, Any], existing: list[Assignment]
    ) -> web.Response:
        properties = body.get("properties") or {}
        principal_id = str(properties.get("principalId") or "").lower()
        role = self._definition(str(properties.get("roleDefinitionId") or ""))
        if not self._known(principal_id):
            raise refuse(
                400,
                "PrincipalNotFound",
                f"Principal {principal_id.replace('-', '')} does not exist in the directory. Check "
                "that you have the correct principal ID. If you are creating this principal and "
                "then immediately assigning a role, this error might be related to a replication "
                "delay. In this case, set the role assignment principalType property to a value, "
                "such as ServicePrincipal, User, or Group. See https://aka.ms/docs-principaltype",
            )
        if existing:
            raise refuse(
                409,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
        twins = self._assignments.reaching(principal_id, scope)
        for twin in twins:
            if twin.role == role and twin.scope.lower() == scope.lower():
                text = "The role assignment already exists."
                detail = f" The ID of the existing role assignment is {twin.name.replace('-', '')}."
                raise refuse(409, "RoleAssignmentExists", text + detail)
        kind = str(properties.get("principalType") or "ServicePrincipal")
        assignment = Assignment(role, scope, principal_id, kind, name)
        self._assignments.grant(assignment)
        return web.json_response(assignment.view(self._assignments.subscription), status=201)

    async def _one_lock(
        self, method: str, scope: str, name: str, request: web.BaseRequest
    ) -> web.Response:
        existing = self._locks.find(scope, name)
        match method:
            case "PUT":
                properties = (json_object(await request.read())).get("properties") or {}
                lock = self._locks.put(scope, name, properties)
                return web.json_response(lock.view(), status=200 if existing else 201)
            case "DELETE":
                removed = self._locks.remove(scope, name)
                return web.Response(status=200 if removed else 204)
            case "GET" if existing:
                return web.json_response(existing.view())
            case "GET":
                raise refuse(404, "LockNotFound", f"The lock '{name}' could not be found.")
        raise not_supported(f"{request.method} {request.path}")


def _listed(items: list[Any]) -> web.Response:
    return web.json_response({"value": items})
