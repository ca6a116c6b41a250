"""Azure's rules for templates: probes, scale rules, CPU and memory, variables, volumes.

Source: "Health probes", "Set scaling rules" and "Containers" of the Azure Container Apps
documentation and the ranges of Microsoft.App 2025-07-01; texts of reported refusals where there are
any. Other texts are chosen and name the field.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deploy_action.sandbox.world.refusals import invalid, refuse

_PROBE_TYPES: Final = ("Liveness", "Readiness", "Startup")
_PROBE_RANGES: Final = {
    "initialDelaySeconds": (1, 60),
    "periodSeconds": (1, 240),
    "timeoutSeconds": (1, 240),
    "failureThreshold": (1, 10),
    "successThreshold": (1, 10),
    "terminationGracePeriodSeconds": (0, 3600),
}
_MOST_REPLICAS: Final = 1000
_RULE_KINDS: Final = ("http", "tcp", "custom", "azureQueue")
_STORAGE_TYPES: Final = ("AzureFile", "EmptyDir", "Secret", "NfsAzureFile")
_PAIRS: Final = tuple(Decimal(step) / 4 for step in range(1, 17))
_MEMORY: Final = re.compile(r"(?P<amount>[0-9]+(?:\.[0-9]+)?)Gi")
_CRON: Final = re.compile(r"\S+(?: \S+){4}")


def check_template(
    template: Mapping[str, Any],
    configuration: Mapping[str, Any],
    *,
    profile: str,
    storages: Collection[str],
) -> None:
    """Check a template that has at least one container.

    Args:
        template: the requested one.
        configuration: of the same app, for its secrets.
        profile: the requested workload profile, or nothing.
        storages: the names of the environment's storages.

    Raises:
        Refused: 400, with the field.
    """
    if profile and profile.lower() != "consumption":
        text = f"Workload profile name '{profile}' was not found in the managed environment."
        raise refuse(400, "WorkloadProfileNotFound", text)
    secrets = {item.get("name") for item in configuration.get("secrets") or ()}
    everything = [*(template.get("containers") or ()), *(template.get("initContainers") or ())]
    twice = _twice(item.get("name") for item in everything)
    if twice:
        raise invalid("template.containers.name", f"'{twice}' is the name of two containers")
    _check_volumes(template.get("volumes") or (), secrets, storages)
    volumes = {volume["name"] for volume in template.get("volumes") or ()}
    for container in everything:
        for reference in _secret_refs(container):
            if reference not in secrets:
                text = f"SecretRef '{reference}' defined for container '{container.get('name')}'"
                raise refuse(400, "ContainerAppSecretRefNotFound", f"{text} not found.")
        _check_probes(container)
        _check_mounts(container, volumes)
    _check_resources(template.get("containers") or ())
    _check_scale(template.get("scale") or {}, secrets)


def secret_refs(template: Mapping[str, Any]) -> set[str]:
    """Return the secrets that a template needs."""
    names: set[str] = set()
    for kind in ("containers", "initContainers"):
        for container in template.get(kind) or ():
            names |= set(_secret_refs(container))
    for volume in template.get("volumes") or ():
        names |= {str(item.get("secretRef")) for item in volume.get("secrets") or ()}
    for rule in (template.get("scale") or {}).get("rules") or ():
        names |= set(_rule_secrets(rule))
    return names


def require_activatable(template: Mapping[str, Any]) -> None:
    """Check for faults that Azure accepts in a template but that prevent activation.

    Raises:
        RuntimeError: a container has a variable twice.
    """
    for container in template.get("containers") or ():
        if twice := _twice(item.get("name") for item in container.get("env") or ()):
            raise RuntimeError(
                f"Error activating revision: the variable '{twice}' is defined twice"
            )


def _secret_refs(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        if variable.get("secretRef"):
            yield str(variable["secretRef"])


def _check_probes(container: Mapping[str, Any]) -> None:
    name = container.get("name")
    probes = container.get("probes") or ()
    kinds = {kind.lower(): kind for kind in _PROBE_TYPES}
    for probe in probes:
        kind = kinds.get(str(probe.get("type", "")).lower())
        field = f"template.containers.{name}.probes"
        if kind is None:
            allowed = ", ".join(_PROBE_TYPES)
            raise invalid(f"{field}.type", f"'{probe.get('type')}' is not one of {allowed}")
        probe["type"] = kind
        targets = [key for key in ("httpGet", "tcpSocket") if probe.get(key)]
        if len(targets) != 1:
            raise invalid(field, f"{kind}: exactly one of httpGet and tcpSocket is required")
        _whole(f"{field}.{targets[0]}.port", probe[targets[0]].get("port"), 1, 65535)
        scheme = probe[targets[0]].get("scheme")
        if scheme and str(scheme).upper() not in {"HTTP", "HTTPS"}:
            raise invalid(f"{field}.httpGet.scheme", f"'{scheme}' is neither HTTP nor HTTPS")
        for key, (least, most) in _PROBE_RANGES.items():
            if probe.get(key) is not None:
                limit = 1 if key == "successThreshold" and kind != "Readiness" else most
                _whole(f"{field}.{key}", probe[key], least, limit)
    if twice := _twice(probe["type"] for probe in probes):
        raise invalid(f"template.containers.{name}.probes", f"there are two {twice} probes")


def _whole(field: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(field, f"{value!r} is not a whole number from {least} to {most}")
    return value


def _check_mounts(container: Mapping[str, Any], volumes: Collection[str]) -> None:
    for mount in container.get("volumeMounts") or ():
        volume, path = mount.get("volumeName"), str(mount.get("mountPath") or "")
        field = f"template.containers.{container.get('name')}.volumeMounts"
        if volume not in volumes:
            raise invalid(field, f"the volume '{volume}' is not defined in the template")
        if not path.startswith("/") or ":" in path:
            raise invalid(field, f"'{path}' is not an absolute path without a colon")


def _check_volumes(
    volumes: Collection[Mapping[str, Any]], secrets: Collection[Any], storages: Collection[str]
) -> None:
    if twice := _twice(volume.get("name") for volume in volumes):
        raise invalid("template.volumes.name", f"'{twice}' is the name of two volumes")
    for volume in volumes:
        kind, name = str(volume.get("storageType") or "EmptyDir"), volume.get("name")
        if not name:
            raise invalid("template.volumes.name", "a name is required")
        if kind not in _STORAGE_TYPES:
            raise invalid("template.volumes.storageType", f"'{kind}' is not a storage type")
        storage = str(volume.get("storageName") or "")
        if kind in {"AzureFile", "NfsAzureFile"} and storage.lower() not in storages:
            text = f"the storage '{storage}' does not exist in the managed environment"
            raise invalid("template.volumes.storageName", text)
        for item in volume.get("secrets") or ():
            if item.get("secretRef") not in secrets:
                text = f"the secret '{item.get('secretRef')}' of volume '{name}' was not found"
                raise refuse(400, "ContainerAppSecretRefNotFound", text)


def _check_resources(containers: Collection[Mapping[str, Any]]) -> None:
    """The sum over all containers must be one of the pairs of the Consumption profile."""
    cpu, memory = Decimal(0), Decimal(0)
    for container in containers:
        resources = container.get("resources") or {}
        own = resources.get("cpu", 0.5)
        try:
            cores = Decimal(str(own))
        except InvalidOperation:
            cores = Decimal(-1)
        if isinstance(own, bool) or cores <= 0:
            text = f"The CPU '{own}' of container '{container.get('name')}' is invalid."
            raise refuse(400, "ContainerAppContainersInvalidCpu", text)
        size = _MEMORY.fullmatch(str(resources.get("memory", "1Gi")))
        if size is None:
            text = f"'{resources.get('memory')}' is not a size like 0.5Gi"
            raise invalid("template.containers.resources.memory", text)
        cpu, memory = cpu + cores, memory + Decimal(size["amount"])
    if cpu not in _PAIRS or memory != 2 * cpu:
        pairs = " ".join(
            f"[cpu: {step.normalize():f}, memory: {2 * step:.1f}Gi];" for step in _PAIRS
        )
        total = f"{cpu.normalize():f} CPU, {memory:.1f} Gi Memory"
        raise refuse(
            400,
            "ContainerAppInvalidResourceTotal",
            f"Invalid Container App resource total '{total}'. Valid CPU - Memory combinations are: "
            f"{pairs[:-1]}.",
        )


def _check_scale(scale: Mapping[str, Any], secrets: Collection[Any]) -> None:
    least = scale.get("minReplicas")
    most = scale.get("maxReplicas")
    if least is not None:
        _whole("template.scale.minReplicas", least, 0, _MOST_REPLICAS)
    if most is not None:
        _whole("template.scale.maxReplicas", most, 1, _MOST_REPLICAS)
    if (least or 0) > (10 if most is None else most):
        text = f"minReplicas ({least}) is greater than maxReplicas ({10 if most is None else most})"
        raise invalid("template.scale", text)
    rules = scale.get("rules") or ()
    if twice := _twice(rule.get("name") for rule in rules):
        raise invalid("template.scale.rules", f"'{twice}' is the name of two rules")
    for rule in rules:
        _check_rule(rule)
        for reference in _rule_secrets(rule):
            if reference not in secrets:
                text = f"SecretRef '{reference}' defined for scale rule '{rule['name']}' not found."
                raise refuse(400, "ContainerAppSecretRefNotFound", text)


def _check_rule(rule: Mapping[str, Any]) -> None:
    name = rule.get("name")
    field = f"template.scale.rules.{name}"
    kinds = [kind for kind in _RULE_KINDS if rule.get(kind)]
    if not name or len(kinds) != 1:
        raise invalid(field, f"a name and exactly one of {', '.join(_RULE_KINDS)} are required")
    kind = kinds[0]
    if kind == "azureQueue":
        return
    metadata = rule[kind].get("metadata") or {}
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise invalid(f"{field}.{kind}.metadata.{key}", "every value is a string")
    limit = {"http": "concurrentRequests", "tcp": "concurrentConnections"}.get(kind)
    if limit:
        count = metadata.get(limit, "10")
        if not count.isdecimal() or int(count) < 1:
            raise invalid(f"{field}.{kind}.metadata.{limit}", f"'{count}' is less than 1")
    elif not rule[kind].get("type"):
        raise invalid(f"{field}.custom.type", "the type of a scaler is required")
    elif str(rule[kind]["type"]).lower() == "cron":
        _check_cron(f"{field}.custom.metadata", metadata)
    elif str(rule[kind]["type"]).lower() in {"cpu", "memory"}:
        _check_load(f"{field}.custom.metadata", metadata)


def _check_cron(field: str, metadata: Mapping[str, str]) -> None:
    for key in ("start", "end"):
        if not _CRON.fullmatch(metadata.get(key, "")):
            raise invalid(f"{field}.{key}", f"'{metadata.get(key, '')}' does not have five fields")
    if metadata["start"] == metadata["end"]:
        raise invalid(field, "start and end are the same")
    if not metadata.get("desiredReplicas", "").isdecimal():
        raise invalid(f"{field}.desiredReplicas", "a number is required")
    try:
        ZoneInfo(metadata.get("timezone") or "/")
    except (ZoneInfoNotFoundError, ValueError):
        text = f"'{metadata.get('timezone', '')}' is not an IANA time zone"
        raise invalid(f"{field}.timezone", text) from None


def _check_load(field: str, metadata: Mapping[str, str]) -> None:
    if metadata.get("type") not in {"Utilization", "AverageValue"}:
        raise invalid(f"{field}.type", "it is neither Utilization nor AverageValue")
    if not metadata.get("value", "").isdecimal():
        raise invalid(f"{field}.value", "a number is required")


def _rule_secrets(rule: Mapping[str, Any]) -> Iterator[str]:
    for kind in _RULE_KINDS:
        for item in (rule.get(kind) or {}).get("auth") or ():
            if item.get("secretRef"):
                yield str(item["secretRef"])


def _twice(names: Any) -> str:
    counted = Counter(names)
    return next((str(name) for name, times in counted.items() if times > 1), "")
