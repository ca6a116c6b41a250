"""Azure Resource Manager's routes: Microsoft.App, and enough of the rest for real clients.

Any api-version is accepted and repeated in polling URLs; paths are matched without regard to
case. Everything else responds 501 with a message.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from deploy_action.sandbox import access
from deploy_action.sandbox.arm import catalogue, versions, views
from deploy_action.sandbox.arm.filters import resource_filter
from deploy_action.sandbox.arm.polling import Addresses
from deploy_action.sandbox.logstreams import LogStreams
from deploy_action.sandbox.monitor import Metrics
from deploy_action.sandbox.world import App, Operation, Refused, Revision, World
from deploy_action.sandbox.world.refusals import (
    invalid,
    not_supported,
    refuse,
    resource_missing,
    subscription_missing,
)

_TIMEOUT: Final = {"x-ms-async-operation-timeout": "PT15M"}
_OPERATION_KINDS: Final = frozenset(
    {
        "containerappoperationstatuses",
        "containerappoperationresults",
        "managedenvironmentoperationstatuses",
    }
)
_LEFT: Final = "x-ms-ratelimit-remaining-subscription-"
Provider = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]


class Arm:
    """A `interfaces.Service` for ``management.azure.com``.

    Args:
        world: the state of the sandbox.
        subscription: has everything but the shared registry.
        shared_subscription: has the registry that teams share, and nothing else.
        tenant: its Entra tenant.
        retry_after_s: seconds that polling answers ask to wait.
        status_url: whether PATCH answers with ``Azure-AsyncOperation`` too, as it does since 2024.
        allowed: whether a bearer token is valid for Resource Manager.
        registries: handles Microsoft.ContainerRegistry; returns None for other requests.
        streams: issues tokens for log streams.
        monitor: answers for Microsoft.Insights.
        registry_list: lists registries for the resource list of a subscription.
        authorizer: checks what the caller may do.
        extensions: further providers, each of which answers a request or returns None.
        addresses: makes the URLs of operations.
    """

    def __init__(
        self,
        *,
        world: World,
        subscription: str,
        shared_subscription: str,
        tenant: str,
        retry_after_s: int,
        status_url: bool,
        allowed: Callable[[str], bool],
        registries: Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]],
        streams: LogStreams,
        monitor: Metrics,
        registry_list: Callable[[str], Sequence[Mapping[str, Any]]],
        authorizer: access.Authorizer,
        extensions: Sequence[Provider],
        addresses: Addresses,
    ) -> None:
        self._world = world
        self._subscription = subscription
        self._shared = shared_subscription
        self._tenant = tenant
        self._retry_after_s = retry_after_s
        self._status_url = status_url
        self._allowed = allowed
        self._registries = registries
        self._registry_list = registry_list
        self._streams = streams
        self._monitor = monitor
        self._authorizer = authorizer
        self._extensions = extensions
        self._addresses = addresses

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            response = self._authorizer.filtered(request, await self._answer(request))
        except Refused as refused:
            problem = refused.problem
            body = {"error": {"code": problem.code, "message": problem.message}}
            response = web.json_response(body, status=problem.status)
        if not response.prepared:
            response.headers.setdefault("x-ms-request-id", secrets.token_hex(16))
            correlation_id = request.headers.get("x-ms-correlation-request-id")
            correlation = correlation_id or secrets.token_hex(16)
            response.headers.setdefault("x-ms-correlation-request-id", correlation)
            response.headers.setdefault("Cache-Control", "no-cache")
            response.headers["Date"] = format_datetime(self._world.clock.now(), usegmt=True)
            if "/microsoft.app/" in request.path.lower():
                response.headers.setdefault("api-supported-versions", versions.SUPPORTED)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._allowed(token):
            return self._challenge(has_token=bool(token))
        if not request.query.get("api-version"):
            raise refuse(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        parts = [unquote(part) for part in request.path.split("/") if part]
        await self._authorizer.check(request)
        for extension in self._extensions:
            answer = await extension(request)
            if answer is not None:
                return answer
        match [part.lower() for part in parts]:
            case ["subscriptions"]:
                return _listed(
                    [
                        self._subscription_view(self._subscription, "Local Azure"),
                        self._subscription_view(self._shared, "Shared registries"),
                    ]
                )
            case ["tenants"]:
                tenant = {"id": f"/tenants/{self._tenant}", "tenantId": self._tenant}
                return _listed([tenant])
            case ["subscriptions", given, *_]:
                if given == self._shared.lower() and (answer := await self._registries(request)):
                    return answer
                if given != self._subscription.lower():
                    raise subscription_missing(parts[1])
                return await self._in_subscription(request, parts[2:])
        raise not_supported(f"{request.method} {request.path}")

    def _challenge(self, *, has_token: bool) -> web.Response:
        login = f"https://login.microsoftonline.com/{self._tenant}"
        error = "invalid_token" if has_token else "authentication_failed"
        code = "InvalidAuthenticationToken" if has_token else "AuthenticationFailed"
        text = (
            "The access token is invalid."
            if has_token
            else ("Authentication failed. The 'Authorization' header is missing.")
        )
        return web.json_response(
            {"error": {"code": code, "message": text}},
            status=401,
            headers={
                "WWW-Authenticate": f'Bearer authorization_uri="{login}", error="{error}", '
                f'error_description="{text}"'
            },
        )

    async def _in_subscription(  # noqa: C901, PLR0911, PLR0912  a routing table, in one piece
        self, request: web.BaseRequest, parts: list[str]
    ) -> web.StreamResponse:
        method, low = request.method, [part.lower() for part in parts]
        match method, low:
            case "GET", []:
                return web.json_response(self._subscription_view(self._subscription, "Local Azure"))
            case "GET", ["resourcegroups"]:
                groups = [self._group_view(name) for name in self._world.groups.values()]
                return _listed(filter(resource_filter(_filter(request)), groups))
            case "HEAD", ["resourcegroups", _]:
                self._world.group(parts[1])
                return web.Response(status=204)
            case "GET", ["resourcegroups", _]:
                return web.json_response(self._group_view(self._world.group(parts[1])))
            case "GET", ["resources"]:
                return _listed(self._resources(_filter(request)))
            case "GET", ["resourcegroups", _, "resources"]:
                return _listed(self._resources(_filter(request), self._world.group(parts[1])))
            case "GET", ["providers"]:
                return _listed(catalogue.providers(self._subscription))
            case "GET", ["providers", _]:
                return web.json_response(catalogue.provider(self._subscription, parts[1]))
            case "POST", ["providers", _, "register"]:
                return web.json_response(catalogue.provider(self._subscription, parts[1]))
            case "GET", ["providers", "microsoft.app", "containerapps"]:
                return _listed(_app(request, app) for app in self._world.apps.values())
            case "GET", ["providers", "microsoft.app", "managedenvironments"]:
                return _listed(self._environments(""))
            case "GET", ["providers", "microsoft.app", "locations", _, kind, operation]:
                return self._operation(request, kind, operation)
            case _, ["resourcegroups", _, "providers", "microsoft.app", *_]:
                return await self._microsoft_app(request, self._world.group(parts[1]), parts[4:])
        if "microsoft.containerregistry" in low:
            if low[0] == "resourcegroups":
                self._world.group(parts[1])
            answer = await self._registries(request)
            if answer is not None:
                return answer
        if "providers" in low[:-1]:
            catalogue.provider(self._subscription, parts[low.index("providers") + 1])
        raise not_supported(f"{method} {request.path}")

    async def _microsoft_app(  # noqa: C901, PLR0911, PLR0912  a routing table, in one piece
        self, request: web.BaseRequest, group: str, parts: list[str]
    ) -> web.StreamResponse:
        if _filter(request) and "providers" not in request.path.lower().split("/")[6:]:
            raise not_supported(f"$filter on {request.path}")
        if "providers" not in [part.lower() for part in parts]:  # another provider's own versions
            versions.require_known(_version(request), parts[0] if parts else "operations")
        match request.method, [part.lower() for part in parts]:
            case "GET", ["managedenvironments"]:
                return _listed(self._environments(group))
            case "POST", ["managedenvironments", _, "getauthtoken"]:
                token = self._streams.token(self._world.environment(group, parts[1]))
                return web.json_response(
                    {"location": request.query.get("location", ""), "properties": token}
                )
            case "GET", ["managedenvironments", name]:
                for environment in self._environments(group):
                    if environment["name"].lower() == name:
                        return web.json_response(environment)
                raise resource_missing("Microsoft.App/managedEnvironments", parts[1], group)
            case method, ["managedenvironments", _, _, *_]:
                names = [environment["name"] for environment in self._environments(group)]
                return _listed(catalogue.in_environment(method, group, names, parts[1:]))
            case "GET", ["containerapps"]:
                apps = [app for app in self._world.apps.values() if app.group == group]
                return _listed(_app(request, app) for app in apps)
            case "GET", ["containerapps", _]:
                return web.json_response(_app(request, self._world.app(group, parts[1])))
            case "PUT", ["containerapps", _]:
                return await self._put(request, group, parts[1])
            case "PATCH", ["containerapps", _]:
                return await self._patch(request, group, parts[1])
            case "DELETE", ["containerapps", _]:
                return self._delete(request, group, parts[1])
            case "POST", ["containerapps", _, "listsecrets"]:
                return _listed(views.secrets(self._world.app(group, parts[1])))
            case "POST", ["containerapps", _, "getauthtoken"]:
                token = self._streams.token(self._world.app(group, parts[1]))
                return web.json_response(
                    {"location": request.query.get("location", ""), "properties": token}
                )
            case "GET", ["containerapps", _, "providers", "microsoft.insights", kind]:
                return self._insights(request, self._world.app(group, parts[1]), kind)
            case _, ["containerapps", _, "revisions", *_]:
                app = self._world.app(group, parts[1])
                return self._revisions(request, app, parts[3:])
        raise not_supported(f"{request.method} {request.path}")

    def _insights(self, request: web.BaseRequest, app: App, kind: str) -> web.Response:
        resource = request.path[: request.path.lower().index("/providers/microsoft.insights")]
        if kind == "metricdefinitions":
            return self._monitor.definitions(resource)
        if kind == "metrics":
            return self._monitor.metrics(app, resource, request.query)
        raise not_supported(f"GET {request.path}")

    # -- container apps ------------------------------------------------------------------------

    async def _put(self, request: web.BaseRequest, group: str, name: str) -> web.Response:
        body = await _body(request)
        if location := body.get("location"):
            versions.require_known(_version(request), "containerApps", str(location))
        app, operation = self._world.put(self._subscription, group, name, body)
        headers = {
            "Azure-AsyncOperation": self._addresses.status(
                operation, self._subscription, _version(request)
            ),
            "Retry-After": str(self._retry_after_s),
            f"{_LEFT}resource-requests": "499",
            **_TIMEOUT,
        }
        shown = versions.without_newer_keys(views.accepted(app), _version(request))
        return web.json_response(shown, status=201, headers=headers)

    async def _patch(self, request: web.BaseRequest, group: str, name: str) -> web.Response:
        _, operation = self._world.patch(group, name, await _body(request))
        return web.Response(status=202, headers=self._polling(operation, request))

    def _delete(self, request: web.BaseRequest, group: str, name: str) -> web.Response:
        accepted = self._world.delete(group, name)
        if accepted is None:
            return web.Response(status=204)
        headers = self._polling(accepted[1], request)
        headers.pop("Azure-AsyncOperation", None)
        headers[f"{_LEFT}deletes"] = "14999"
        return web.Response(status=202, headers=headers)

    def _polling(self, operation: Operation, request: web.BaseRequest) -> dict[str, str]:
        version, own = _version(request), self._subscription
        headers = {
            "Location": self._addresses.result(operation, own, version),
            "Retry-After": str(self._retry_after_s),
            f"{_LEFT}resource-requests": "499",
        }
        if self._status_url:
            headers["Azure-AsyncOperation"] = self._addresses.status(operation, own, version)
        return headers

    def _operation(self, request: web.BaseRequest, kind: str, name: str) -> web.Response:
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
                        operation, self._subscription, _version(request)
                    ),
                    "Retry-After": str(self._retry_after_s),
                },
            )
        if operation.problem:
            problem = operation.problem
            return web.json_response({"code": problem.code, "message": problem.message})
        if operation.subject is None:
            return web.Response(status=204)
        return web.json_response(_app(request, operation.subject))

    def _revisions(  # noqa: PLR0911  a routing table, in one piece
        self, request: web.BaseRequest, app: App, parts: list[str]
    ) -> web.Response:
        method = request.method

        def shown(revision: Revision) -> dict[str, Any]:
            return versions.without_newer_keys(views.revision(app, revision), _version(request))

        match method, [part.lower() for part in parts]:
            case "GET", []:
                return _listed(shown(revision) for revision in app.revisions.values())
            case "GET", [_]:
                return web.json_response(shown(self._world.revision(app, parts[0])))
            case "GET", [_, "replicas"]:
                return _listed(views.replicas(app, self._world.revision(app, parts[0])))
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

    # -- the rest of a subscription ------------------------------------------------------------

    def _environments(self, group: str) -> list[dict[str, Any]]:
        return [
            views.environment(item, self._subscription)
            for item in self._world.environments.values()
            if group in {"", item.group}
        ]

    def _resources(self, filter_: str, group: str = "") -> list[Mapping[str, Any]]:
        everything: list[Mapping[str, Any]] = [
            *self._registry_list(self._subscription),
            *self._environments(""),
            *[views.app(app) for app in self._world.apps.values()],
        ]
        listed, keys = resource_filter(filter_), ("id", "name", "type", "location", "tags")
        return [
            {key: item[key] for key in keys if key in item}
            for item in everything
            if listed(item) and group in {"", item["id"].split("/")[4]}
        ]

    def _group_view(self, name: str) -> dict[str, Any]:
        return views.group(self._subscription, name, self._world.group_locations[name.lower()])

    def _subscription_view(self, subscription: str, name: str) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{subscription}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": subscription,
            "tenantId": self._tenant,
            "displayName": name,
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }


def _filter(request: web.BaseRequest) -> str:
    return str(request.query.get("$filter", ""))


async def _body(request: web.BaseRequest) -> Mapping[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise invalid("body", f"it is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise invalid("body", "an object was expected")
    return body


def _app(request: web.BaseRequest, app: App) -> dict[str, Any]:
    return versions.without_newer_keys(views.app(app), _version(request))


def _version(request: web.BaseRequest) -> str:
    return str(request.query.get("api-version", ""))


def _listed(items: Iterable[Mapping[str, Any]]) -> web.Response:
    return web.json_response({"value": list(items)})


def _done(text: str) -> web.Response:
    return web.json_response(text, headers={f"{_LEFT}writes": "1199"})
