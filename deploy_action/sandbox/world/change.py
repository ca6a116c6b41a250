"""The effect of a PUT or PATCH on an app's resource: pure, without time and processes.

Source: JSON merge patch (RFC 7396) and recorded traffic of Microsoft.App: arrays replace, enums and
numbers come back in Azure's own form, an unchanged template makes no revision.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from deploy_action.sandbox.world.json_copy import copied
from deploy_action.sandbox.world.refusals import (
    invalid,
    refuse,
    registry_secret_missing,
    secret_invalid,
)
from deploy_action.sandbox.world.secret_rules import check_secrets, check_tags
from deploy_action.sandbox.world.template_rules import check_template

SUFFIX: Final = re.compile(r"^[a-z0-9](?!.*--)([-a-z0-9]*[a-z0-9])?$")
_NAME: Final = re.compile(r"^[a-z](?!.*--)[-a-z0-9]{0,30}[a-z0-9]$")
_LABEL: Final = re.compile(r"^[a-z0-9](?!.*--)[-a-z0-9]{0,62}$")
_LONGEST_REVISION: Final = 54
_TEMPLATE: Final[Mapping[str, Any]] = {
    "revisionSuffix": "",
    "terminationGracePeriodSeconds": None,
    "containers": None,
    "initContainers": None,
    "scale": None,
    "volumes": None,
    "serviceBinds": None,
}
_SCALE: Final[Mapping[str, Any]] = {
    "minReplicas": None,
    "maxReplicas": 10,
    "cooldownPeriod": 300,
    "pollingInterval": 30,
    "rules": None,
}
# "Ephemeral volume" in Microsoft's documentation of storage mounts; the first three are recorded.
_STORAGE_BY_CPU: Final = ((0.25, "1Gi"), (0.5, "2Gi"), (1.0, "4Gi"))
_WITHOUT_REVISION: Final = ("imageType",)  # preview keys whose change creates no revision
_READ_ONLY: Final = (
    "provisioningState",
    "runningStatus",
    "latestRevisionName",
    "latestReadyRevisionName",
    "latestRevisionFqdn",
    "customDomainVerificationId",
    "outboundIpAddresses",
    "eventStreamEndpoint",
    "deploymentErrors",
)


def merged(old: Any, patch: Any) -> Any:
    """Merge: objects by key, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return copied(patch)
    result = copied(dict(old)) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def filled(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template with the keys that Azure fills in for an app."""
    shown = filled_revision(stored)
    shown["revisionSuffix"] = shown["revisionSuffix"] or ""
    shown["scale"] = {
        key: _SCALE[key] if value is None else value for key, value in shown["scale"].items()
    }
    for container in _containers(shown):
        resources = container["resources"]
        resources["ephemeralStorage"] = _ephemeral_storage(resources.get("cpu"))
        container.setdefault("env", [])
    return shown


def filled_revision(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template with the keys that Azure fills in for a revision."""
    shown = {**_TEMPLATE, **copied(dict(stored))}
    scale = shown["scale"] or {}
    shown["scale"] = {
        **dict.fromkeys(_SCALE),
        "maxReplicas": _SCALE["maxReplicas"],
        **scale,
        "rules": scale.get("rules") or None,
    }
    shown["serviceBinds"] = shown["serviceBinds"] or None
    for container in _containers(shown):
        container.setdefault("resources", {"cpu": 0.5, "memory": "1Gi"})
        container["resources"].pop("ephemeralStorage", None)
        container.setdefault("probes", [])
    return shown


def _containers(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(template["containers"] or ()), *(template["initContainers"] or ())]


def _ephemeral_storage(cpu: Any) -> str:
    """Return what Azure derives from the CPU; what was sent is ignored."""
    cores = float(cpu or 0.5)
    return next((size for most, size in _STORAGE_BY_CPU if cores <= most), "8Gi")


def effective(template: Mapping[str, Any]) -> str:
    """Return a template's content for comparison; explicit defaults make no difference."""
    shown = filled(template)
    for container in _containers(shown):
        for key in _WITHOUT_REVISION:
            container.pop(key, None)
    return json.dumps(_without_nothing(shown), sort_keys=True)


def checked(
    name: str,
    resource: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    known: Collection[str],
    storages: Collection[str] = (),
) -> dict[str, Any]:
    """Return *resource* as Azure stores it.

    Args:
        name: the app's name.
        resource: the complete requested resource.
        old: as it is stored now, or None.
        known: the names of the app's revisions.
        storages: the names of the environment's storages.

    Raises:
        Refused: it is invalid.
    """
    desired: dict[str, Any] = _without_null(resource)
    properties = desired.setdefault("properties", {})
    if not isinstance(properties, dict):
        raise invalid("properties", "an object was expected")
    for key in _READ_ONLY:
        properties.pop(key, None)
    for key in ("id", "name", "type", "systemData"):
        desired.pop(key, None)
    if not _NAME.fullmatch(name):
        raise invalid("name", f"'{name}' is not a lower-case name of 2 to 32 letters, digits, -")
    check_tags(desired.get("tags") or {})
    configuration = properties.setdefault("configuration", {})
    _mode(configuration)
    _secrets(configuration, old)
    _ingress(configuration, name, known)
    template = properties.setdefault("template", {})
    _template(template, name)
    profile = str(properties.get("workloadProfileName") or "")
    check_template(template, configuration, profile=profile, storages=storages)
    return desired


def _mode(configuration: dict[str, Any]) -> None:
    configured = str(configuration.get("activeRevisionsMode") or "Single")
    modes = {mode.lower(): mode for mode in ("Single", "Multiple", "Labels")}
    if configured.lower() not in modes:
        raise invalid("configuration.activeRevisionsMode", f"'{configured}' is not a revision mode")
    configuration["activeRevisionsMode"] = modes[configured.lower()]


def _secrets(configuration: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    """Keep the stored values of secrets without one: reads never return values."""
    before = ((old or {}).get("properties") or {}).get("configuration") or {}
    stored = {item["name"]: item for item in before.get("secrets") or ()}
    check_secrets(configuration.get("secrets") or ())
    lacking = []
    for item in configuration.get("secrets") or ():
        if item.get("value") is None and not item.get("keyVaultUrl"):
            if "value" in stored.get(item.get("name"), {}):
                item["value"] = stored[item["name"]]["value"]
            else:
                lacking.append(str(item.get("name")))
        elif item.get("keyVaultUrl") and not item.get("identity"):
            lacking.append(str(item.get("name")))
    if lacking:
        raise secret_invalid(",".join(lacking))
    names = {item.get("name") for item in configuration.get("secrets") or ()}
    for registry in configuration.get("registries") or ():
        reference = registry.get("passwordSecretRef")
        if reference and reference not in names:
            raise registry_secret_missing(reference, str(registry.get("server") or ""))


def _ingress(configuration: Mapping[str, Any], name: str, known: Collection[str]) -> None:
    ingress = configuration.get("ingress")
    if not ingress:
        return
    ingress.pop("fqdn", None)
    transports = {"auto": "Auto", "http": "Http", "http2": "Http2", "tcp": "Tcp"}
    ingress["transport"] = transports.get(str(ingress.get("transport") or "auto").lower(), "Auto")
    ingress.setdefault("external", False)
    ingress.setdefault("allowInsecure", False)
    ingress.setdefault("exposedPort", 0)
    if not ingress.get("traffic"):
        ingress["traffic"] = [{"weight": 100, "latestRevision": True}]
    total, labels = 0, []
    for entry in ingress["traffic"]:
        try:
            entry["weight"] = int(entry.get("weight") or 0)
        except (TypeError, ValueError):
            raise invalid("traffic.weight", f"'{entry.get('weight')}' is not a number") from None
        if not 0 <= entry["weight"] <= 100:
            raise invalid("traffic.weight", f"{entry['weight']} is not between 0 and 100")
        total += entry["weight"]
        _entry(entry, name, known)
        if entry.get("label"):
            labels.append(entry["label"])
    if total != 100:
        raise invalid("traffic", f"the weights add up to {total}, they must add up to 100")
    if len(labels) != len(set(labels)):
        raise invalid("traffic.label", "one label points at two revisions")


def _entry(entry: dict[str, Any], name: str, known: Collection[str]) -> None:
    if entry.get("latestRevision"):
        entry.pop("revisionName", None)
    else:
        entry.pop("latestRevision", None)
        revision = str(entry.get("revisionName") or "")
        if revision not in known:
            raise invalid(
                "traffic.revisionName", f"'{revision}' is not a revision of container app '{name}'"
            )
    if entry.get("label") and not _LABEL.fullmatch(str(entry["label"])):
        raise invalid("traffic.label", f"'{entry['label']}' is not a valid label")


def _template(template: Any, name: str) -> None:
    containers = template.get("containers") if isinstance(template, Mapping) else None
    if not containers:
        text = "Must specify at least one container in the template of the container app."
        raise refuse(400, "ContainerAppCreateMustContainContainer", text)
    for container in (*containers, *(template.get("initContainers") or ())):
        if not container.get("image"):
            raise invalid("template.containers.image", "an image was expected")
        container.setdefault("name", name)
    suffix = template.get("revisionSuffix") or ""
    if suffix and not SUFFIX.fullmatch(suffix):
        raise invalid("template.revisionSuffix", f"'{suffix}' is not of {SUFFIX.pattern}")
    if len(f"{name}--{suffix}") > _LONGEST_REVISION:
        raise invalid(
            "template.revisionSuffix",
            f"'{name}--{suffix}' is longer than {_LONGEST_REVISION} characters",
        )


def _without_null(value: Any) -> Any:
    """Remove null members, which mean the same as missing ones."""
    if isinstance(value, Mapping):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return value


def _without_nothing(value: Any) -> Any:
    """Remove null and empty members."""
    if isinstance(value, Mapping):
        kept = {key: _without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    return value


def what_changes(body: Mapping[str, Any]) -> list[str]:
    """Return what a merge patch changes: template, traffic, configuration, tags."""
    properties = body.get("properties") or {}
    configuration = properties.get("configuration") or {}
    ingress = configuration.get("ingress") or {}
    named = {
        "template": "template" in properties,
        "traffic": "traffic" in ingress,
        "configuration": bool(set(configuration) - {"ingress"} or set(ingress) - {"traffic"}),
        "tags": "tags" in body,
    }
    return [name for name, there in named.items() if there]
