"""The check before each request to Resource Manager: is the caller allowed to do this here?

Source: recorded refusals of Azure Resource Manager (`AuthorizationFailed`,
`LinkedAuthorizationFailed`). A missing right is reported before a missing resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.access.actions import SUBSCRIPTION_READ, Need, is_filtered, needed
from deploy_action.sandbox.access.locks import Locks
from deploy_action.sandbox.access.model import Assignments, Principal, is_within
from deploy_action.sandbox.world.refusals import Refused, refuse

_JOIN: Final = "Microsoft.App/managedEnvironments/join/action"
_ASSIGN: Final = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"


class Authorizer:
    """Decides by role assignments and locks.

    Args:
        assignments: who has which role.
        locks: what is locked.
        identify: returns the principal of a bearer token, or None for a token that is not valid.
    """

    def __init__(
        self,
        *,
        assignments: Assignments,
        locks: Locks,
        identify: Callable[[str], Principal | None],
    ) -> None:
        self._assignments = assignments
        self._locks = locks
        self._identify = identify
        self._subscription = assignments.subscription

    def principal(self, request: web.BaseRequest) -> Principal:
        """Return who sends a request that carries a valid token.

        Raises:
            Refused: 401, the token is not valid.
        """
        token = request.headers.get("Authorization", "").partition(" ")[2]
        principal = self._identify(token)
        if principal is None:
            raise refuse(401, "InvalidAuthenticationToken", "The access token is invalid.")
        return principal

    async def check(self, request: web.BaseRequest) -> None:
        """Let a request to Resource Manager through.

        Raises:
            Refused: 403 without the right, 409 when a lock forbids it.
        """
        principal, need = self.principal(request), needed(request.method, request.path)
        if need is None or not is_within(need.scope, f"/subscriptions/{self._subscription}"):
            return  # a missing subscription is reported as such later
        if not self._may(principal, need):
            raise authorization_failed(principal, need)
        if not need.action.lower().startswith("microsoft.authorization/locks/"):
            self._locks.check(need.kind, need.scope)
        if need.action == "Microsoft.App/containerApps/write":
            await self._check_links(request, principal, need)

    def filtered(
        self, request: web.BaseRequest, response: web.StreamResponse
    ) -> web.StreamResponse:
        """Remove from a subscription's list what the caller may not read."""
        listing = is_filtered(request.method, request.path) or request.path == "/subscriptions"
        if not listing or response.status != 200 or not isinstance(response, web.Response):
            return response
        principal = self.principal(request)
        listed = json.loads(response.text or "{}").get("value", [])
        shown = [item for item in listed if self._sees(principal, item)]
        return web.json_response({"value": shown})

    def _may(self, principal: Principal, need: Need) -> bool:
        if need.action == SUBSCRIPTION_READ:
            held = self._assignments.of(principal.object_id)
            return any(
                is_within(item.scope, need.scope) or item.reaches(need.scope) for item in held
            )
        return self._assignments.allows(principal.object_id, need.action, need.scope)

    def _sees(self, principal: Principal, item: Mapping[str, Any]) -> bool:
        own, need = f"/subscriptions/{self._subscription}", needed("GET", str(item["id"]))
        if need is None or is_within(need.scope, own):
            return need is None or self._may(principal, need)
        # The shared registry's subscription is visible to roles on the whole main subscription.
        held = self._assignments.of(principal.object_id)
        return any(entry.scope.lower() == own.lower() for entry in held)

    async def _check_links(
        self, request: web.BaseRequest, principal: Principal, need: Need
    ) -> None:
        """Check the rights on the resources that a change of an app names."""
        try:
            body = json.loads(await request.read())
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        for action, scope in _links(body):
            if not self._assignments.allows(principal.object_id, action, scope):
                raise _linked_authorization_failed(principal, need, action, scope)


def _links(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    properties = body.get("properties") or {}
    environment = properties.get("environmentId") or properties.get("managedEnvironmentId")
    if environment:
        yield _JOIN, str(environment)
    for identity in (body.get("identity") or {}).get("userAssignedIdentities") or ():
        yield _ASSIGN, str(identity)


def authorization_failed(principal: Principal, need: Need) -> Refused:
    """Return Azure's refusal for a right that is missing."""
    return refuse(
        403,
        "AuthorizationFailed",
        f"The client '{principal.client_id}' with object id '{principal.object_id}' does not have "
        f"authorization to perform action '{need.action}' over scope '{need.scope}' or the scope "
        "is invalid. If access was recently granted, please refresh your credentials.",
    )


def _linked_authorization_failed(
    principal: Principal, need: Need, action: str, scope: str
) -> Refused:
    return refuse(
        403,
        "LinkedAuthorizationFailed",
        f"The client '{principal.client_id}' with object id '{principal.object_id}' has permission "
        f"to perform action '{need.action}' on scope '{need.scope}'; however, it does not have "
        f"permission to perform action(s) '{action}' on the linked scope(s) '{scope}' "
        "(respectively) or the linked scope(s) are invalid.",
    )
