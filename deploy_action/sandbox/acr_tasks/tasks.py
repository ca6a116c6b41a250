"""ARM's Microsoft.ContainerRegistry: the registry as a resource, and its remote builds.

Source: Microsoft.ContainerRegistry 2019-06-01-preview (runs) and 2023-07-01 (registries). Any
api-version is taken; paths are matched without regard to case, as ARM does.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.acr_tasks.blobs import Blobs
from deploy_action.sandbox.acr_tasks.builder import ImageBuilder
from deploy_action.sandbox.acr_tasks.runs import Order, Run
from deploy_action.sandbox.registry import Registry
from deploy_action.sandbox.registry.embedded import chunks

_TYPE: Final = "Microsoft.ContainerRegistry/registries"
_LIST: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)(?:/resourceGroups/(?P<group>[^/]+))?"
    r"/providers/Microsoft\.ContainerRegistry/registries/?",
    re.IGNORECASE,
)
_ONE: Final = re.compile(
    r"(?P<home>/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+))"
    r"/providers/Microsoft\.ContainerRegistry/registries/(?P<name>[^/]+)(?P<rest>(?:/[^/]+)*)/?",
    re.IGNORECASE,
)

_CHECK_NAME: Final = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.ContainerRegistry/checkNameAvailability/?",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"[A-Za-z0-9]{5,50}")


class Tasks:
    """The control plane of the registries; a `interfaces.Service` for `blob_host`.

    Args:
        registry: the registries.
        directory: where contexts and logs are kept.
        builder: what builds.
        groups: by registry name, ``/subscriptions/…/resourceGroups/…`` of its resource; a registry
            that is not in it is found in any group.
        location: the region of the resources.
        created: called with the host name and the resource id of each new registry.
    """

    blob_host: Final = "acrtasksstore.blob.core.windows.net"

    def __init__(
        self,
        *,
        registry: Registry,
        directory: Path,
        builder: ImageBuilder,
        groups: Mapping[str, str] | None = None,
        location: str = "westeurope",
        created: Callable[[str, str], None] = lambda _host, _id: None,
    ) -> None:
        self._registry = registry
        self._hosts = {name_of(host): host for host in registry.hosts}
        self._groups = {name.lower(): home for name, home in (groups or {}).items()}
        self._locations = dict.fromkeys(self._hosts, location)
        self._without_admin: set[str] = set()
        self._on_created = created
        self._builder = builder
        self._scratch = directory / "contexts"
        self._blobs = Blobs(self.blob_host, directory / "blobs")
        self._runs: dict[str, dict[str, Run]] = {name: {} for name in self._hosts}
        self._created = datetime.now(UTC)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer for `blob_host`."""
        return await self._blobs.handle(request)

    async def close(self) -> None:
        """Stop builds that run."""
        tasks = [run.task for runs in self._runs.values() for run in runs.values() if run.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def registries(self, subscription: str, group: str = "") -> list[dict[str, Any]]:
        """Return the resources of a subscription, or of one of its resource groups."""
        registries = []
        for name in self._hosts:
            home = self._groups.get(name, f"/subscriptions/{subscription}/resourceGroups/{group}")
            parts = home.lower().split("/")
            if parts[2] == subscription.lower() and group.lower() in {"", parts[4]}:
                registries.append(self._resource(name, home))
        return registries

    async def handle_arm(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer an ARM request of this provider; None when it is another's or not supported."""
        listed = _LIST.fullmatch(request.path)
        if listed and request.method == "GET":
            registries = self.registries(listed["subscription"], listed["group"] or "")
            return web.json_response({"value": registries})
        if request.method == "POST" and _CHECK_NAME.fullmatch(request.path):
            name = str((await _body(request)).get("name") or "").lower()
            return web.json_response(self._availability(name))
        match = _ONE.fullmatch(request.path)
        if not match:
            return None
        name = match["name"].lower()
        if request.method == "PUT" and not match["rest"]:
            return self._create(match["home"], match["name"], await _body(request))
        home = self._groups.get(name, match["home"])
        if name not in self._hosts or home.lower() != match["home"].lower():
            return _missing(f"{_TYPE}/{match['name']}", match["group"])
        rest = [part for part in match["rest"].split("/") if part]
        return await self._routed(request, name, home, rest)

    def _availability(self, name: str) -> dict[str, Any]:
        if name not in self._hosts:
            return {"nameAvailable": True}
        text = f"The registry {name} is already in use."
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": text}

    def _create(self, home: str, name: str, body: Mapping[str, Any]) -> web.Response:
        """Create an empty registry without a domain name label; an existing one does not change."""
        if name.lower() in self._hosts:
            if self._groups.get(name.lower(), home).lower() == home.lower():
                return web.json_response(self._resource(name.lower(), home))
            text = f"The registry DNS name {name.lower()}.azurecr.io is already in use."
            return _refused(409, "AlreadyInUse", text)
        sku = (body.get("sku") or {}).get("name")
        properties = body.get("properties") or {}
        if not _NAME.fullmatch(name):
            text = f"'{name}' is not a registry's name: 5 to 50 letters and digits"
            return _refused(400, "InvalidResourceName", text)
        if sku not in {"Basic", "Standard", "Premium"}:
            return _refused(400, "InvalidSku", f"The registry SKU '{sku}' is invalid.")
        if properties.get("autoGeneratedDomainNameLabelScope", "Unsecure") != "Unsecure":
            text = "The sandbox creates no registries with a domain name label."
            return _refused(501, "NotSupportedBySandbox", text)
        key, host = name.lower(), f"{name.lower()}.azurecr.io"
        self._registry.add(host)
        self._hosts[key] = host
        self._groups[key] = home
        self._runs[key] = {}
        self._locations[key] = str(body.get("location") or "")
        if not properties.get("adminUserEnabled"):
            self._without_admin.add(key)
        resource = self._resource(key, home)
        self._on_created(host, resource["id"])
        return web.json_response(resource, status=201)

    async def _routed(  # noqa: PLR0911  a routing table, in one piece
        self, request: web.BaseRequest, name: str, home: str, rest: list[str]
    ) -> web.StreamResponse | None:
        match request.method, [part.lower() for part in rest]:
            case "GET", []:
                return web.json_response(self._resource(name, home))
            case "POST", ["listcredentials"] if name in self._without_admin:
                text = "Cannot perform credential operations for the registry as admin user is "
                text += "disabled. Kindly enable admin user as per docs: "
                text += "https://docs.microsoft.com/en-us/azure/container-registry/"
                text += "container-registry-authentication#admin-account"
                return _refused(400, "UnAuthorizedForCredentialOperations", text)
            case "POST", ["listcredentials"]:
                user, password = self._registry.admin(self._hosts[name])
                both = [{"name": key, "value": password} for key in ("password", "password2")]
                return web.json_response({"username": user, "passwords": both})
            case "POST", ["listbuildsourceuploadurl"]:
                return self._upload(name)
            case "POST", ["schedulerun"]:
                return await self._schedule(request, name, home)
            case "GET", ["runs"]:
                runs = reversed(self._runs[name].values())
                return web.json_response({"value": [self._run(run, home) for run in runs]})
            case method, ["runs", _, *verb]:
                return self._one_run(method, name, home, rest[1], verb)
        return None

    def _one_run(
        self, method: str, name: str, home: str, run_id: str, verb: list[str]
    ) -> web.StreamResponse | None:
        run = self._runs[name].get(run_id)
        if not run:
            return _missing(f"{_TYPE}/{name}/runs/{run_id}", home.rsplit("/", 1)[-1])
        match method, verb:
            case "GET", []:
                return web.json_response(self._run(run, home))
            case "POST", ["listlogsasurl"]:
                return web.json_response({"logLink": self._blobs.address(_log_name(name, run_id))})
            case "POST", ["cancel"]:
                run.cancel()
                return web.Response(status=200)
        return None

    def _upload(self, name: str) -> web.Response:
        stamp = datetime.now(UTC).strftime("%Y%m%d%H%M")
        path = f"source/{stamp}/{secrets.token_hex(16)}.tar.gz"
        self._blobs.create(f"{_container(name)}/{path}", "cw")
        address = self._blobs.address(f"{_container(name)}/{path}")
        return web.json_response({"uploadUrl": address, "relativePath": path})

    async def _schedule(self, request: web.BaseRequest, name: str, home: str) -> web.Response:
        host = self._hosts[name]
        try:
            order = Order.of(json.loads(b"".join([chunk async for chunk in chunks(request)])), host)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _refused(400, "InvalidRequestContent", f"The run request is invalid: {error}")
        run_id = f"ca{len(self._runs[name]) + 1}"
        log = self._blobs.create(_log_name(name, run_id), "r", kind="AppendBlob")
        run = Run(run_id=run_id, host=host, order=order, log=log)
        source = self._blobs.find(f"{_container(name)}/{order.source}")
        scratch = self._scratch / f"{name}-{run_id}"
        run.task = asyncio.create_task(
            run.carry_out(self._builder, source.path if source else None, scratch)
        )
        self._runs[name][run_id] = run
        return web.json_response(self._run(run, home))

    def _run(self, run: Run, home: str) -> dict[str, Any]:
        registry = self._resource(name_of(run.host), home)["id"]
        return {
            "type": f"{_TYPE}/runs",
            "properties": run.properties(),
            "id": f"{registry}/runs/{run.run_id}",
            "name": run.run_id,
        }

    def _resource(self, name: str, home: str) -> dict[str, Any]:
        created = self._created.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        return {
            "type": _TYPE,
            "id": f"{home}/providers/{_TYPE}/{name}",
            "name": name,
            "location": self._locations[name],
            "tags": {},
            "sku": {"name": "Basic", "tier": "Basic"},
            "properties": {
                "loginServer": self._hosts[name],
                "creationDate": created,
                "provisioningState": "Succeeded",
                "adminUserEnabled": name not in self._without_admin,
                "policies": {
                    "quarantinePolicy": {"status": "disabled"},
                    "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
                },
                "encryption": {"status": "disabled"},
                "dataEndpointEnabled": False,
                "dataEndpointHostNames": [],
                "privateEndpointConnections": [],
                "publicNetworkAccess": "Enabled",
                "networkRuleBypassOptions": "AzureServices",
                "zoneRedundancy": "Disabled",
                "anonymousPullEnabled": False,
            },
        }


async def _body(request: web.BaseRequest) -> Mapping[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def name_of(host: str) -> str:
    """Return a registry's name: its host without the hash of a domain name label."""
    return host.partition(".")[0].partition("-")[0]


def _container(name: str) -> str:
    return f"acrtasks-{name}"


def _log_name(name: str, run_id: str) -> str:
    return f"{_container(name)}/logs/{run_id}/rawtext.log"


def _missing(what: str, group: str) -> web.Response:
    return _refused(
        404,
        "ResourceNotFound",
        f"The Resource '{what}' under resource group '{group}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def _refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
