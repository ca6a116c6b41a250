"""The storages of managed environments, which volumes of apps name."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.world import Environment, World
from deploy_action.sandbox.world.refusals import not_supported, resource_missing

_KIND: Final = "Microsoft.App/managedEnvironments/storages"
_PATH: Final = re.compile(
    r"(?P<environment>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.App"
    r"/managedEnvironments/[^/]+)/storages(?:/(?P<name>[^/]+))?/?",
    re.IGNORECASE,
)


class Storages:
    """Answers for ``managedEnvironments/NAME/storages``.

    Args:
        world: has the environments.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a request for storages; None for others."""
        match = _PATH.fullmatch(request.path)
        environment = self._world.environments.get(match["environment"].lower()) if match else None
        if match is None or environment is None:
            return None
        name = match["name"] or ""
        storage = environment.storages.get(name.lower())
        match request.method:
            case "GET" if not name:
                listed = [_view(environment, item) for item in environment.storages.values()]
                return web.json_response({"value": listed})
            case "GET" if storage:
                return web.json_response(_view(environment, storage))
            case "GET":
                raise resource_missing(_KIND, name, environment.group)
            case "PUT" if name:
                properties = json.loads(await request.read()).get("properties") or {}
                stored = {"name": name, "properties": properties}
                environment.storages[name.lower()] = stored
                return web.json_response(_view(environment, stored))
            case "DELETE" if name:
                environment.storages.pop(name.lower(), None)
                return web.Response(status=200 if storage else 204)
        raise not_supported(f"{request.method} {request.path}")


def _view(environment: Environment, stored: dict[str, Any]) -> dict[str, Any]:
    shown = {
        kind: {key: value for key, value in about.items() if key != "accountKey"}
        for kind, about in stored["properties"].items()
    }
    return {
        "id": f"{environment.id}/storages/{stored['name']}",
        "name": stored["name"],
        "type": _KIND,
        "properties": shown,
    }
