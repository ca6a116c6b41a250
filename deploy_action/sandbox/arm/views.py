"""Responses in Azure's format: keys, casing and times as recorded (2025-2026)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from deploy_action.sandbox.world import App, Environment, Operation, Revision
from deploy_action.sandbox.world.change import filled, filled_revision
from deploy_action.sandbox.world.json_copy import copied

_CONFIGURATION: Final[Mapping[str, Any]] = {
    "secrets": None,
    "activeRevisionsMode": "Single",
    "targetLabel": "",
    "ingress": None,
    "registries": None,
    "identitySettings": [],
    "dapr": None,
    "runtime": None,
    "maxInactiveRevisions": 100,
    "service": None,
}
_INGRESS: Final[Mapping[str, Any]] = {
    "fqdn": "",
    "external": False,
    "targetPort": None,
    "exposedPort": 0,
    "transport": "Auto",
    "traffic": None,
    "customDomains": None,
    "allowInsecure": False,
    "ipSecurityRestrictions": None,
    "corsPolicy": None,
    "clientCertificateMode": None,
    "stickySessions": None,
    "additionalPortMappings": None,
    "targetPortHttpScheme": None,
}
_OWN: Final = frozenset({"configuration", "template", "environmentId", "managedEnvironmentId"})


def accepted(item: App) -> dict[str, Any]:
    """Return the body of a 201: an echo of the request, recorded since April 2024."""
    shown = app(item)
    for moment in ("createdAt", "lastModifiedAt"):
        shown["systemData"][moment] += "Z"  # only in this body
    properties = shown["properties"]
    for key in ("latestRevisionName", "latestReadyRevisionName", "runningStatus"):
        del properties[key]
    properties["latestRevisionFqdn"] = None
    sent = (item.shown["properties"].get("configuration") or {}).get("ingress") or {}
    if ingress := properties["configuration"]["ingress"]:
        ingress["fqdn"] = None
        ingress["traffic"] = None if _is_default(sent.get("traffic")) else ingress["traffic"]
    properties["template"]["scale"] = item.shown["properties"]["template"].get("scale")
    return shown


def _is_default(traffic: Any) -> bool:
    return bool(traffic == [{"weight": 100, "latestRevision": True}])


def app(item: App) -> dict[str, Any]:
    """Return an app as GET shows it: while an operation runs, as it was requested."""
    stored = copied(item.shown)
    latest = item.shown_latest
    properties = stored["properties"]
    group = f"/subscriptions/{item.subscription}/resourceGroups/{item.group}"
    created = ticks(item.created)
    return {
        "id": f"{group}/providers/Microsoft.App/containerapps/{item.name}",
        "name": item.name,
        "type": "Microsoft.App/containerApps",
        "location": item.environment.location,
        "systemData": {
            "createdBy": "00000000-0000-0000-0000-000000000000",
            "createdByType": "Application",
            "createdAt": created,
            "lastModifiedBy": "00000000-0000-0000-0000-000000000000",
            "lastModifiedByType": "Application",
            "lastModifiedAt": ticks(item.modified),
        },
        **({"tags": stored["tags"]} if stored.get("tags") else {}),
        "properties": {
            "provisioningState": item.state,
            "runningStatus": "Running",
            "managedEnvironmentId": item.environment.id,
            "environmentId": item.environment.id,
            "workloadProfileName": "Consumption",
            "patchingMode": "Automatic",
            "outboundIpAddresses": ["20.0.0.4"],
            "latestRevisionName": latest,
            "latestReadyRevisionName": item.latest_ready,
            "latestRevisionFqdn": item.host(latest) if latest and item.ingress else "",
            "customDomainVerificationId": item.verification,
            "configuration": _configuration(item, properties.get("configuration") or {}),
            "template": filled(properties.get("template") or {}),
            "eventStreamEndpoint": f"https://{_region(item)}.azurecontainerapps.dev{group}"
            f"/containerApps/{item.name}/eventstream",
            "delegatedIdentities": [],
            **{key: value for key, value in properties.items() if key not in _OWN},
        },
        "identity": stored.get("identity") or {"type": "None"},
    }


def _region(item: App) -> str:
    return item.environment.location.lower().replace(" ", "")


def _configuration(item: App, stored: Mapping[str, Any]) -> dict[str, Any]:
    shown = {**_CONFIGURATION, **stored}
    shown["secrets"] = [
        {key: value for key, value in secret.items() if key != "value"}
        for secret in shown["secrets"] or ()
    ] or None
    if shown["ingress"]:
        ingress = {**_INGRESS, **shown["ingress"], "fqdn": item.host()}
        shown["ingress"] = ingress
    return shown


_SECRET_FIELDS: Final = ("name", "value", "keyVaultUrl", "identity")


def secrets(item: App) -> list[dict[str, Any]]:
    """Return the secrets of an app: plain ones with their values, references with their URL."""
    stored = (item.shown["properties"].get("configuration") or {}).get("secrets") or ()
    return [{key: secret[key] for key in _SECRET_FIELDS if secret.get(key)} for secret in stored]


def revision(item: App, state: Revision) -> dict[str, Any]:
    """Return a revision as GET shows it."""
    group = f"/subscriptions/{item.subscription}/resourceGroups/{item.group}"
    shown = filled_revision(state.template)
    shown["revisionSuffix"] = None
    properties: dict[str, Any] = {
        "createdTime": state.created.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
    }
    if state.last_active:
        properties["lastActiveTime"] = state.last_active.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    properties |= {
        "fqdn": item.host(state.name) if item.ingress else "",
        "template": shown,
        "active": state.active,
        "replicas": state.replica_count,
        "trafficWeight": item.weight(state.name),
        "healthState": state.health_state,
        "provisioningState": state.provisioning_state,
        "runningState": state.running_state,
    }
    if labels := item.labels(state.name):
        properties["labels"] = labels
    if state.provisioning_error:
        properties["provisioningError"] = state.provisioning_error
    if state.details:
        properties["runningStateDetails"] = state.details
    return {
        "id": f"{group}/providers/Microsoft.App/containerApps/{item.name}/revisions/{state.name}",
        "name": state.name,
        "type": "Microsoft.App/containerapps/revisions",
        "properties": properties,
    }


def replicas(item: App, revision: Revision) -> list[dict[str, Any]]:
    """Return the replicas of a revision as the list shows them."""
    group = f"/subscriptions/{item.subscription}/resourceGroups/{item.group}"
    home = f"{group}/providers/Microsoft.App/containerApps/{item.name}/revisions/{revision.name}"
    listed = []
    for each in revision.replicas:
        running = each.replica.exit_code is None
        state = "Running" if each.ready else "Waiting" if running else "Terminated"
        stream = f"https://{_region(item)}.azurecontainerapps.dev{home}/replicas"
        stream = f"{stream}/{each.replica.name}/containers"
        listed.append(
            {
                "id": f"{home}/replicas/{each.replica.name}",
                "name": each.replica.name,
                "type": "Microsoft.App/containerapps/revisions/replicas",
                "properties": {
                    "createdTime": each.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "runningState": "Running" if each.ready else "NotRunning",
                    "runningStateDetails": "",
                    "containers": [
                        {
                            "name": name,
                            "containerId": f"containerd://{each.replica.name}/{name}",
                            "ready": each.ready,
                            "started": each.started,
                            "restartCount": each.restarts,
                            "runningState": state,
                            "runningStateDetails": "",
                            "logStreamEndpoint": f"{stream}/{name}/logstream",
                            "execEndpoint": f"{stream}/{name}/exec",
                        }
                        for name in (item["name"] for item in revision.template["containers"])
                    ],
                    "initContainers": [],
                },
            }
        )
    return listed


def group(subscription: str, name: str, location: str) -> dict[str, Any]:
    """Return a resource group as GET shows it."""
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location.lower().replace(" ", ""),
        "properties": {"provisioningState": "Succeeded"},
    }


def environment(item: Environment, subscription: str) -> dict[str, Any]:
    """Return a managed environment as GET shows it."""
    return {
        "id": item.id,
        "name": item.name,
        "type": "Microsoft.App/managedEnvironments",
        "location": item.location,
        "properties": {
            "provisioningState": item.state,
            "daprAIInstrumentationKey": None,
            "vnetConfiguration": None,
            "defaultDomain": item.domain,
            "staticIp": "20.0.0.5",
            "eventStreamEndpoint": f"https://{item.location.lower().replace(' ', '')}"
            f".azurecontainerapps.dev/subscriptions/{subscription}/resourceGroups/{item.group}"
            f"/managedEnvironments/{item.name}/eventstream",
            "appLogsConfiguration": _logs(item),
            "zoneRedundant": False,
            "customDomainConfiguration": {"customDomainVerificationId": subscription.upper()},
            "workloadProfiles": [{"workloadProfileType": "Consumption", "name": "Consumption"}],
            **{key: value for key, value in item.properties.items() if key in _AS_REQUESTED},
        },
    }


_AS_REQUESTED: Final = ("zoneRedundant", "workloadProfiles", "vnetConfiguration")


def _logs(item: Environment) -> dict[str, Any]:
    """Return where the logs go, without the workspace's key."""
    stored = item.properties.get("appLogsConfiguration") or {}
    workspace = stored.get("logAnalyticsConfiguration")
    shown = {"customerId": workspace.get("customerId"), "sharedKey": None} if workspace else None
    return {"destination": stored.get("destination"), "logAnalyticsConfiguration": shown}


def status(operation: Operation, path: str) -> dict[str, Any]:
    """Return an operation: exactly four fields, and the error once it failed."""
    shown: dict[str, Any] = {
        "id": path,
        "name": operation.id,
        "status": operation.status,
        "startTime": ticks(operation.started),
    }
    if operation.problem:
        shown["error"] = {
            "code": operation.problem.code,
            "message": operation.problem.message,
        }
    return shown


def ticks(when: datetime) -> str:
    """Write a time with seven digits and no zone."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"
