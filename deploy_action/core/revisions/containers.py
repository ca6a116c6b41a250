"""Applies the settings to one container of a template; other fields stay the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from deploy_action.core.revisions.changes import (
    ContainerChange,
    EnvValue,
    Mount,
    ProbeChange,
    ProbeKind,
    Remove,
)


def changed_container(
    container: Mapping[str, Any], change: ContainerChange, *, port: int
) -> dict[str, Any]:
    """Return *container* with *change* applied; the caller sets the image.

    Args:
        container: as Azure gave it.
        change: the fields that the settings name.
        port: the ingress' target port, for new probes without a port.
    """
    changed = dict(container)
    if change.cpu is not None or change.memory is not None:
        changed["resources"] = _resources(container.get("resources") or {}, change)
    for key, texts in (("command", change.command), ("args", change.args)):
        if isinstance(texts, Remove):
            changed.pop(key, None)
        elif texts is not None:
            changed[key] = list(texts)
    if change.env:
        changed["env"] = changed_env(container.get("env") or (), change.env)
    if change.probes:
        changed["probes"] = _probes(container.get("probes") or (), change.probes, port)
    if change.mounts:
        changed["volumeMounts"] = _mounts(container.get("volumeMounts") or (), change.mounts)
    return changed


def readiness_path(template: Mapping[str, Any], port: int) -> str:
    """Return the path of the HTTP readiness probe of the container that the ingress reaches.

    Args:
        template: as Azure gave it.
        port: the ingress' target port; 0 if unknown, which accepts every port.

    Returns:
        an empty text if no container has such a probe.
    """
    for container in template.get("containers") or ():
        for probe in container.get("probes") or ():
            http = probe.get("httpGet") or {}
            path = str(http.get("path") or "/")
            is_readiness = str(probe.get("type", "")).lower() == "readiness"
            if is_readiness and http and path.startswith("/") and port in {0, http.get("port")}:
                return path
    return ""


def parse_quantity(text: Any) -> Decimal | None:
    """Return a number of cores or of Gi as Azure writes it, or None if it is something else."""
    try:
        return Decimal(str(text).removesuffix("Gi"))
    except InvalidOperation:
        return None


def _resources(current: Mapping[str, Any], change: ContainerChange) -> dict[str, Any]:
    resources = dict(current)
    if change.cpu is not None and parse_quantity(current.get("cpu")) != change.cpu:
        resources["cpu"] = float(change.cpu)
    if change.memory is not None and parse_quantity(current.get("memory")) != parse_quantity(
        change.memory
    ):
        resources["memory"] = change.memory
    return resources


def changed_env(
    current: Sequence[Mapping[str, Any]], changes: Mapping[str, EnvValue | Remove]
) -> list[dict[str, Any]]:
    """Return the variables after *changes*: in place where they exist, new ones at the end."""
    variables = []
    for variable in current:
        change = changes.get(str(variable.get("name")))
        if change is None:
            variables.append(dict(variable))
        elif not isinstance(change, Remove):
            variables.append(_variable(variable, change))
    names = {variable.get("name") for variable in current}
    variables += [
        change.as_azure(name)
        for name, change in changes.items()
        if name not in names and not isinstance(change, Remove)
    ]
    return variables


def _variable(variable: Mapping[str, Any], change: EnvValue) -> dict[str, Any]:
    current = EnvValue(
        text=str(variable.get("value") or ""), secret=str(variable.get("secretRef") or "")
    )
    return dict(variable) if current == change else change.as_azure(str(variable["name"]))


def _probes(
    current: Sequence[Mapping[str, Any]],
    changes: Mapping[ProbeKind, ProbeChange | Remove],
    port: int,
) -> list[dict[str, Any]]:
    by_name = {kind.value.lower(): change for kind, change in changes.items()}
    probes = []
    for probe in current:
        change = by_name.pop(str(probe.get("type", "")).lower(), None)
        if not isinstance(change, Remove):
            probes.append(_probe(probe, change, port) if change else dict(probe))
    for kind, change in changes.items():
        if kind.value.lower() in by_name and not isinstance(change, Remove):
            probes.append(_probe({"type": kind.value}, change, port))
    return probes


def _probe(current: Mapping[str, Any], change: ProbeChange, port: int) -> dict[str, Any]:
    """Return one probe; the port stays where none is named."""
    probe = dict(current)
    http, tcp = (dict(current.get(key) or {}) for key in ("httpGet", "tcpSocket"))
    names_http = (change.path, change.scheme, change.headers) != (None, None, None)
    if change.tcp:
        probe.pop("httpGet", None)
        probe["tcpSocket"] = {**tcp, "port": change.port}
    elif names_http or http or not tcp:
        probe.pop("tcpSocket", None)
        earlier = http.get("port") or tcp.get("port") or port
        http["port"] = change.port if change.port is not None else earlier
        if change.path is not None or "path" not in http:
            http["path"] = change.path or "/"
        if change.scheme is not None and str(http.get("scheme") or "HTTP").upper() != change.scheme:
            http["scheme"] = change.scheme
        if change.headers is not None:
            http["httpHeaders"] = [{"name": name, "value": text} for name, text in change.headers]
        probe["httpGet"] = http
    elif change.port is not None:
        probe["tcpSocket"] = {**tcp, "port": change.port}
    return {**probe, **change.fields}


def _mounts(
    current: Sequence[Mapping[str, Any]], changes: Mapping[str, Mount | Remove]
) -> list[dict[str, Any]]:
    mounts = []
    remaining = dict(changes)
    for mount in current:
        change = remaining.pop(str(mount.get("volumeName")), None)
        if not isinstance(change, Remove):
            mounts.append({**mount, **_mount(change)} if change else dict(mount))
    mounts += [
        {"volumeName": name, **_mount(change)}
        for name, change in remaining.items()
        if not isinstance(change, Remove)
    ]
    return mounts


def _mount(mount: Mount) -> dict[str, str]:
    sub_path = {"subPath": mount.sub_path} if mount.sub_path else {}
    return {"mountPath": mount.path, **sub_path}
