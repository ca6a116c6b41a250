"""Azure Resource Manager's routes: Microsoft.App, and enough of the rest for real clients.

Any api-version is accepted and repeated in polling URLs; paths are matched without regard to
case. Everything else responds 501 with a message.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from deploy_action.sandbox import access
from deploy_action.sandbox.arm import catalogue, versions, views
from deploy_action.sandbox.arm.container_apps import ContainerApps, app_view, listed, version_of
from deploy_action.sandbox.arm.filters import resource_filter
from deploy_action.sandbox.arm.polling import Addresses
from deploy_action.sandbox.logstreams import LogStreams
from deploy_action.sandbox.monitor import Metrics
from deploy_action.sandbox.world import App, Refused, World
from deploy_action.sandbox.world.refusals import (
    not_supported,
    refuse,
    resource_missing,
    subscription_missing,
)

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
        self._allowed = allowed
        self._registries = registries
        self._registry_list = registry_list
        self._streams = streams
        self._monitor = monitor
        self._authorizer = authorizer
        self._extensions = extensions
        self._container_apps = ContainerApps(
            world=world,
            subscription=subscription,
            addresses=addresses,
            retry_after_s=retry_after_s,
            status_url=status_url,
        )

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
                return listed(
                    [
                        self._subscription_view(self._subscription, "Local Azure"),
                        self._subscription_view(self._shared, "Shared registries"),
                    ]
                )
            case ["tenants"]:
                tenant = {"id": f"/tenants/{self._tenant}", "tenantId": self._tenant}
                return listed([tenant])
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
                return listed(filter(resource_filter(_filter(request)), groups))
            case "HEAD", ["resourcegroups", _]:
                self._world.group(parts[1])
                return web.Response(status=204)
            case "GET", ["resourcegroups", _]:
                return web.json_response(self._group_view(self._world.group(parts[1])))
            case "GET", ["resources"]:
                return listed(self._resources(_filter(request)))
            case "GET", ["resourcegroups", _, "resources"]:
                return listed(self._resources(_filter(request), self._world.group(parts[1])))
            case "GET", ["providers"]:
                return listed(catalogue.providers(self._subscription))
            case "GET", ["providers", _]:
                return web.json_response(catalogue.provider(self._subscription, parts[1]))
            case "POST", ["providers", _, "register"]:
                return web.json_response(catalogue.provider(self._subscription, parts[1]))
            case "GET", ["providers", "microsoft.app", "containerapps"]:
                return listed(app_view(request, app) for app in self._world.apps.values())
            case "GET", ["providers", "microsoft.app", "managedenvironments"]:
                return listed(self._environments(""))
            case "GET", ["providers", "microsoft.app", "locations", _, kind, operation]:
                return self._container_apps.operation(request, kind, operation)
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
            versions.require_known(version_of(request), parts[0] if parts else "operations")
        match request.method, [part.lower() for part in parts]:
            case "GET", ["managedenvironments"]:
                return listed(self._environments(group))
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
                return listed(catalogue.in_environment(method, group, names, parts[1:]))
            case "GET", ["containerapps"]:
                apps = [app for app in self._world.apps.values() if app.group == group]
                return listed(app_view(request, app) for app in apps)
            case "GET", ["containerapps", _]:
                return web.json_response(app_view(request, self._world.app(group, parts[1])))
            case "PUT", ["containerapps", _]:
                return await self._container_apps.put(request, group, parts[1])
            case "PATCH", ["containerapps", _]:
                return await self._container_apps.patch(request, group, parts[1])
            case "DELETE", ["containerapps", _]:
                return self._container_apps.delete(request, group, parts[1])
            case "POST", ["containerapps", _, "listsecrets"]:
                return listed(views.secrets(self._world.app(group, parts[1])))
            case "POST", ["containerapps", _, "getauthtoken"]:
                token = self._streams.token(self._world.app(group, parts[1]))
                return web.json_response(
                    {"location": request.query.get("location", ""), "properties": token}
                )
            case "GET", ["containerapps", _, "providers", "microsoft.insights", kind]:
                return self._insights(request, self._world.app(group, parts[1]), kind)
            case _, ["containerapps", _, "revisions", *_]:
                app = self._world.app(group, parts[1])
                return self._container_apps.revisions(request, app, parts[3:])
        raise not_supported(f"{request.method} {request.path}")

    def _insights(self, request: web.BaseRequest, app: App, kind: str) -> web.Response:
        resource = request.path[: request.path.lower().index("/providers/microsoft.insights")]
        if kind == "metricdefinitions":
            return self._monitor.definitions(resource)
        if kind == "metrics":
            return self._monitor.metrics(app, resource, request.query)
        raise not_supported(f"GET {request.path}")

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
