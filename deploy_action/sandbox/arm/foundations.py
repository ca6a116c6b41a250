"""Creates what a new subscription lacks: resource groups and managed environments.

Source: Resource Manager's reference for resource groups, and the requests of ``az group create``
and ``az containerapp env create``. An environment takes minutes; its operation is polled like an
app's. Registries and workspaces are created by their own providers.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.arm import regions, versions, views
from deploy_action.sandbox.arm.polling import Addresses
from deploy_action.sandbox.world import Environment, Operation, World
from deploy_action.sandbox.world.clock import Spread
from deploy_action.sandbox.world.refusals import invalid, json_object, refuse

CREATE: Final = Spread(60, 90, 180)
_GROUP: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<name>[^/]+)/?", re.IGNORECASE
)
_ENVIRONMENT: Final = re.compile(
    r"(?P<home>/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+))"
    r"/providers/Microsoft\.App/managedEnvironments/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)
_GROUP_NAME: Final = re.compile(r"[-\w.()]{0,89}[-\w()]")
_ENVIRONMENT_NAME: Final = re.compile(r"[a-z0-9A-Z](?:[-a-z0-9A-Z]{0,58}[a-z0-9A-Z])?")
_WORDS: Final = ("bluegrass", "calmwater", "kindmeadow", "orangetree", "redpond", "whitesand")


def new_domain(location: str) -> str:
    """Return a domain for a new environment in a region."""
    region = regions.short(location)
    word = secrets.choice(_WORDS)
    return f"{word}-{secrets.token_hex(4)}.{region}.azurecontainerapps.io"


class Foundations:
    """Answers PUT requests for resource groups and environments.

    Args:
        world: has the groups and environments.
        subscription: where they are created.
        addresses: makes the URLs of operations.
        retry_after_s: seconds that polling responses ask to wait.
        connect: connects the workspace with this customer id to the logs of an
            environment.
    """

    def __init__(
        self,
        *,
        world: World,
        subscription: str,
        addresses: Addresses,
        retry_after_s: int,
        connect: Callable[[str, str], None],
    ) -> None:
        self._world = world
        self._subscription = subscription
        self._addresses = addresses
        self._retry_after_s = retry_after_s
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End all operations."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle(self, request: web.BaseRequest) -> web.Response | None:
        """Answer a request that creates something; None for others."""
        if request.method != "PUT":
            return None
        if match := _GROUP.fullmatch(request.path):
            if match["subscription"].lower() == self._subscription.lower():
                return self._put_group(match["name"], json_object(await request.read()))
        elif match := _ENVIRONMENT.fullmatch(request.path):
            return self._put_environment(request, match, json_object(await request.read()))
        return None

    # -- resource groups -----------------------------------------------------------------------

    def _put_group(self, name: str, body: Mapping[str, Any]) -> web.Response:
        location = regions.known(str(body.get("location") or ""))
        if not body.get("location"):
            text = "The location property is required for this definition."
            raise refuse(400, "LocationRequired", text)
        if location is None:
            raise refuse(
                400,
                "LocationNotAvailableForResourceGroup",
                f"The provided location '{body['location']}' is not available for resource group. "
                f"List of available regions is '{','.join(map(regions.short, regions.NAMES))}'.",
            )
        if not _GROUP_NAME.fullmatch(name):
            text = f"The provided resource group name '{name}' has invalid characters."
            raise refuse(400, "InvalidResourceGroupName", text)
        before = self._world.group_locations.get(name.lower())
        if before and regions.short(before) != regions.short(location):
            raise refuse(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{regions.short(location)}'. The Resource group "
                f"already exists in location '{regions.short(before)}'.",
            )
        self._world.groups.setdefault(name.lower(), name)
        self._world.group_locations[name.lower()] = location
        shown = views.group(self._subscription, self._world.groups[name.lower()], location)
        return web.json_response(shown, status=200 if before else 201)

    # -- environments --------------------------------------------------------------------------

    def _put_environment(
        self, request: web.BaseRequest, match: re.Match[str], body: Mapping[str, Any]
    ) -> web.Response:
        group = self._world.group(match["group"])
        name, asked = match["name"], str(body.get("location") or "")
        version = str(request.query.get("api-version", ""))
        versions.require_known(version, "managedEnvironments", asked)
        location = regions.known(asked) or asked
        if not _ENVIRONMENT_NAME.fullmatch(name):
            raise invalid("name", f"'{name}' is not a name of a managed environment")
        home = f"/subscriptions/{self._subscription}/resourceGroups/{group}"
        address = f"{home}/providers/Microsoft.App/managedEnvironments/{name}"
        properties = dict(body.get("properties") or {})
        environment = self._world.environments.get(address.lower())
        if environment and environment.state == "InProgress":
            text = f"The managed environment '{name}' has an active operation."
            raise refuse(409, "ManagedEnvironmentOperationInProgress", text)
        if environment:
            environment.properties |= properties
            self._collect_logs(environment)
            return web.json_response(views.environment(environment, self._subscription))
        made = Environment(
            id=address,
            name=name,
            group=group,
            location=location,
            domain=new_domain(location),
            created=self._world.clock.now(),
            state="InProgress",
            properties=properties,
        )
        self._world.environments[address.lower()] = made
        operation = Operation(regions.short(location), name, made.created, what="environment")
        self._world.operations[operation.id] = operation
        task = asyncio.ensure_future(self._create(made, operation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        status_url = self._addresses.status(
            operation,
            self._subscription,
            version,
            kind="managedEnvironmentOperationStatuses",
        )
        headers = {"Azure-AsyncOperation": status_url, "Retry-After": str(self._retry_after_s)}
        shown = views.environment(made, self._subscription)
        return web.json_response(shown, status=201, headers=headers)

    async def _create(self, environment: Environment, operation: Operation) -> None:
        await self._world.clock.sleep(self._world.clock.draw(CREATE))
        self._collect_logs(environment)
        environment.state = operation.status = "Succeeded"

    def _collect_logs(self, environment: Environment) -> None:
        logs = environment.properties.get("appLogsConfiguration") or {}
        customer = (logs.get("logAnalyticsConfiguration") or {}).get("customerId")
        if customer:
            self._connect(str(customer), environment.name)
