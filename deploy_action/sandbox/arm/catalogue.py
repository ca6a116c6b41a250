"""Resource providers, and the kinds of sub-resources that an environment can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from deploy_action.sandbox.arm import regions
from deploy_action.sandbox.world.refusals import (
    not_supported,
    parent_missing,
    refuse,
    resource_missing,
)

_PROVIDERS: Final[Mapping[str, Sequence[str]]] = {
    "Microsoft.App": ("containerApps", "managedEnvironments", "jobs", "operations"),
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions", "permissions"),
    "Microsoft.ContainerRegistry": ("registries",),
    "Microsoft.Insights": ("components", "metrics", "diagnosticSettings"),
    "Microsoft.KeyVault": ("vaults",),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities",),
    "Microsoft.OperationalInsights": ("workspaces",),
    "Microsoft.Resources": ("deployments", "resourceGroups", "subscriptions", "tags"),
}
_ENVIRONMENT_KINDS: Final = {
    kind.lower(): kind
    for kind in (
        "certificates",
        "managedCertificates",
        "daprComponents",
        "storages",
        "javaComponents",
        "dotNetComponents",
        "httpRouteConfigs",
        "maintenanceConfigurations",
        "privateEndpointConnections",
    )
}
_ENVIRONMENT: Final = "Microsoft.App/managedEnvironments"


def providers(subscription: str) -> list[dict[str, Any]]:
    """Return all resource providers."""
    return [provider(subscription, name) for name in _PROVIDERS]


def provider(subscription: str, name: str) -> dict[str, Any]:
    """Return one resource provider.

    Raises:
        Refused: there is no such namespace.
    """
    namespace = next((known for known in _PROVIDERS if known.lower() == name.lower()), None)
    if namespace is None and name.lower().startswith("microsoft."):
        raise not_supported(f"the resource provider {name}")
    if namespace is None:
        text = f"The resource namespace '{name}' is invalid."
        raise refuse(404, "InvalidResourceNamespace", text)
    return {
        "id": f"/subscriptions/{subscription}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {"resourceType": kind, "locations": [*regions.NAMES], "apiVersions": ["2025-07-01"]}
            for kind in _PROVIDERS[namespace]
        ],
    }


def in_environment(
    method: str, group: str, names: Sequence[str], parts: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the sub-resources of an environment: none exists.

    Args:
        method: of the request.
        group: the resource group.
        names: the environments of the group.
        parts: the path behind ``managedEnvironments/``.

    Raises:
        Refused: the environment, the sub-resource or its kind does not exist here.
    """
    environment, kind, *rest = parts
    known = _ENVIRONMENT_KINDS.get(kind.lower())
    if environment.lower() not in {name.lower() for name in names}:
        raise parent_missing(environment)
    if known is None or method not in {"GET", "DELETE"} or len(rest) > 1:
        raise not_supported(f"{method} on managedEnvironments/{'/'.join(parts)}")
    if rest or method == "DELETE":
        raise resource_missing(f"{_ENVIRONMENT}/{environment}/{known}", "/".join(rest), group)
    return []
