"""Which action a request to Resource Manager needs, and on which scope.

Source: "Azure resource provider operations": a resource type and `read`, `write`, `delete`, or the
name of a POST with `action`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SUBSCRIPTION_READ: Final = "Microsoft.Resources/subscriptions/read"
_VERBS: Final = {"GET": "read", "HEAD": "read", "DELETE": "delete"}
_RESOURCES: Final = "Microsoft.Resources/subscriptions"
# Refusals quote actions as the provider spells them, not as the request does.
_SPELLING: Final = {
    name.lower(): name
    for name in (
        "Microsoft.App",
        "Microsoft.Authorization",
        "Microsoft.ContainerRegistry",
        "Microsoft.Insights",
        "Microsoft.KeyVault",
        "Microsoft.ManagedIdentity",
        "Microsoft.OperationalInsights",
        "Microsoft.Resources",
        "containerApps",
        "getAuthToken",
        "listBuildSourceUploadUrl",
        "listCredentials",
        "listLogSasUrl",
        "listSecrets",
        "managedEnvironments",
        "roleAssignments",
        "roleDefinitions",
        "scheduleRun",
        "userAssignedIdentities",
    )
}


@dataclass(frozen=True, slots=True)
class Need:
    """The permission that a request needs.

    Args:
        action: such as ``Microsoft.App/containerApps/write``.
        scope: the resource, or for a list the scope that it is in.
    """

    action: str
    scope: str

    @property
    def kind(self) -> str:
        """``read``, ``write``, ``delete`` or ``action``."""
        return self.action.rpartition("/")[2].lower()


def needed(method: str, path: str) -> Need | None:
    """Return what a request needs; None if everyone is allowed, or if the response is filtered."""
    parts = [part for part in path.split("/") if part]
    low = [part.lower() for part in parts]
    need: Need | None = None
    match low:
        case ["subscriptions", _]:
            need = Need(SUBSCRIPTION_READ, path)
        case ["subscriptions", _, "resourcegroups", _]:
            need = Need(f"{_RESOURCES}/resourceGroups/{_VERBS.get(method, 'write')}", path)
        case ["subscriptions", _, "providers", _, "register"]:
            need = Need(f"{_spelled(parts[3])}/register/action", f"/subscriptions/{parts[1]}")
        case ["subscriptions", _, "providers", "microsoft.app", "locations", *_]:
            pass  # operation URLs are signed
        case [*_, "microsoft.operationalinsights", "workspaces", _, "api", "query"]:
            need = Need(f"{_spelled(parts[-5])}/workspaces/query/read", "/" + "/".join(parts[:-2]))
        case _ if "providers" in low and not is_filtered(method, path):
            at = len(low) - 1 - low[::-1].index("providers")
            if parts[at + 2 :]:
                need = _on_a_resource(method, parts[:at], parts[at + 1], parts[at + 2 :])
    return need


def is_filtered(method: str, path: str) -> bool:
    """Whether a request lists a whole subscription; such a list shows what the caller may read."""
    match [part.lower() for part in path.split("/") if part]:
        case ["subscriptions", _, "resourcegroups" | "resources"]:
            return method == "GET"
        case ["subscriptions", _, "providers", namespace, _]:
            return method == "GET" and namespace != "microsoft.authorization"
    return False


def _on_a_resource(method: str, home: list[str], namespace: str, rest: list[str]) -> Need:
    """Types and names alternate in *rest*; an unpaired last one is a list or a POST."""
    leftover = len(rest) % 2 == 1
    named = rest[:-1] if leftover else rest
    types = [_spelled(part) for part in (rest if method != "POST" else named)[0::2]]
    verb = _VERBS.get(method, "write")
    if method == "POST" and leftover:
        verb = f"{_spelled(rest[-1])}/action"
    own = ["providers", namespace, *named] if named else []
    return Need("/".join([_spelled(namespace), *types, verb]), "/" + "/".join([*home, *own]))


def _spelled(part: str) -> str:
    return _SPELLING.get(part.lower(), part)
