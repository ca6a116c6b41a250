"""Requests about container apps: changes, operations and revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.arm import versions, views
from deploy_action.sandbox.arm.polling import Addresses
from deploy_action.sandbox.world import App, Operation, Revision, World
from deploy_action.sandbox.world.refusals import json_object, not_supported, refuse

_TIMEOUT: Final = {"x-ms-async-operation-timeout": "PT15M"}
_OPERATION_KINDS: Final = frozenset(
    {
        "containerappoperationstatuses",
        "containerappoperationresults",
        "managedenvironmentoperationstatuses",
    }
)
_LEFT: Final = "x-ms-ratelimit-remaining-subscription-"


class ContainerApps:
    """Changes and shows the container apps of a subscription.

    Args:
        world: the state of the sandbox.
        subscription: has the apps.
        addresses: makes the URLs of operations.
        retry_after_s: seconds in ``Retry-After`` of polling responses.
        status_url: whether PATCH responds with ``Azure-AsyncOperation`` too, as it does since 2024.
    """

    def __init__(
        self,
        *,
        world: World,
        subscription: str,
        addresses: Addresses,
        retry_after_s: int,
        status_url: bool,
    ) -> None:
        self._world = world
        self._subscription = subscription
        self._addresses = addresses
        self._retry_after_s = retry_after_s
        self._status_url = status_url

    async def put(self, request: web.BaseRequest, group: str, name: str) -> web.Response:
        """Create or replace an app."""
        body = json_object(await request.read())
        if location := body.get("location"):
            versions.require_known(version_of(request), "containerApps", str(location))
        app, operation = self._world.put(self._subscription, group, name, body)
        headers = {
            "Azure-AsyncOperation": self._addresses.status(
                operation, self._subscription, version_of(request)
            ),
            "Retry-After": str(self._retry_after_s),
            f"{_LEFT}resource-requests": "499",
            **_TIMEOUT,
        }
        shown = versions.without_newer_keys(views.accepted(app), version_of(request))
        return web.json_response(shown, status=201, headers=headers)

    async def patch(self, request: web.BaseRequest, group: str, name: str) -> web.Response:
        """Change an app."""
        _, operation = self._world.patch(group, name, json_object(await request.read()))
        return web.Response(status=202, headers=self._polling(operation, request))

    def delete(self, request: web.BaseRequest, group: str, name: str) -> web.Response:
        """Delete an app."""
        accepted = self._world.delete(group, name)
        if accepted is None:
            return web.Response(status=204)
        headers = self._polling(accepted[1], request)
        headers.pop("Azure-AsyncOperation", None)
        headers[f"{_LEFT}deletes"] = "14999"
        return web.Response(status=202, headers=headers)

    def _polling(self, operation: Operation, request: web.BaseRequest) -> dict[str, str]:
        version, own = version_of(request), self._subscription
        headers = {
            "Location": self._addresses.result(operation, own, version),
            "Retry-After": str(self._retry_after_s),
            f"{_LEFT}resource-requests": "499",
        }
        if self._status_url:
            headers["Azure-AsyncOperation"] = self._addresses.status(operation, own, version)
        return headers

    def operation(self, request: web.BaseRequest, kind: str, name: str) -> web.Response:
        """Return the status or the result of an operation."""
        if kind not in _OPERATION_KINDS:
            raise not_supported(f"GET {request.path}")
        operation = self._world.operations.get(name)
        if not self._addresses.is_valid(request):
            raise refuse(
                403, "InvalidOperationToken", "The token of the operation's address is invalid."
            )
        if operation is None:
            raise refuse(404, "OperationNotFound", f"Operation '{name}' could not be found.")
        if kind.endswith("statuses"):
            return web.json_response(views.status(operation, request.path))
        if operation.runs:
            return web.Response(
                status=202,
                headers={
                    "Location": self._addresses.result(
                        operation, self._subscription, version_of(request)
                    ),
                    "Retry-After": str(self._retry_after_s),
                },
            )
        if operation.problem:
            problem = operation.problem
            return web.json_response({"code": problem.code, "message": problem.message})
        if operation.subject is None:
            return web.Response(status=204)
        return web.json_response(app_view(request, operation.subject))

    def revisions(  # noqa: PLR0911  a routing table, in one piece
        self, request: web.BaseRequest, app: App, parts: list[str]
    ) -> web.Response:
        """Answer a request about the revisions of *app*."""
        method = request.method

        def shown(revision: Revision) -> dict[str, Any]:
            return versions.without_newer_keys(views.revision(app, revision), version_of(request))

        match method, [part.lower() for part in parts]:
            case "GET", []:
                return listed(shown(revision) for revision in app.revisions.values())
            case "GET", [_]:
                return web.json_response(shown(self._world.revision(app, parts[0])))
            case "GET", [_, "replicas"]:
                return listed(views.replicas(app, self._world.revision(app, parts[0])))
            case "GET", [_, "replicas", wanted]:
                matches = [
                    item
                    for item in views.replicas(app, self._world.revision(app, parts[0]))
                    if item["name"].lower() == wanted
                ]
                if not matches:
                    raise refuse(404, "ReplicaNotFound", f"Replica '{parts[2]}' was not found.")
                return web.json_response(matches[0])
            case "POST", [_, "activate"]:
                self._world.activate(app, parts[0])
                return _done("Activate succeeded")
            case "POST", [_, "deactivate"]:
                self._world.deactivate(app, parts[0])
                return _done("Deactivate succeeded")
            case "POST", [_, "restart"]:
                self._world.restart(app, parts[0])
                return _done("Restart succeeded")
        raise not_supported(f"{method} on revisions/{'/'.join(parts)}")


def app_view(request: web.BaseRequest, app: App) -> dict[str, Any]:
    """Return an app as the request's api-version shows it."""
    return versions.without_newer_keys(views.app(app), version_of(request))


def version_of(request: web.BaseRequest) -> str:
    """Return the api-version of a request."""
    return str(request.query.get("api-version", ""))


def listed(items: Iterable[Mapping[str, Any]]) -> web.Response:
    """Return a list as Resource Manager does."""
    return web.json_response({"value": list(items)})


def _done(text: str) -> web.Response:
    return web.json_response(text, headers={f"{_LEFT}writes": "1199"})
