"""Differences between api-versions: which are valid, and which keys a response has.

Source: the change log of the package azure-mgmt-appcontainers, whose releases name the properties
that each api-version added. Versions that are newer than this list are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from deploy_action.sandbox.arm import regions
from deploy_action.sandbox.world.refusals import refuse

SUPPORTED: Final = (
    "2022-03-01, 2022-10-01, 2023-05-01, 2024-03-01, 2025-01-01, 2025-07-01, 2026-01-01"
)
_VERSION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")
_OLDEST: Final = "2022-01-01"
_SINCE: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("2022-06-01", ("properties", "environmentId")),
    ("2022-06-01", ("properties", "eventStreamEndpoint")),
    ("2022-06-01", ("properties", "lastActiveTime")),
    ("2022-06-01", ("properties", "configuration", "maxInactiveRevisions")),
    ("2022-06-01", ("properties", "configuration", "ingress", "exposedPort")),
    ("2022-06-01", ("properties", "configuration", "ingress", "ipSecurityRestrictions")),
    ("2022-06-01", ("properties", "template", "initContainers")),
    ("2022-10-01", ("properties", "latestReadyRevisionName")),
    ("2022-10-01", ("properties", "configuration", "ingress", "clientCertificateMode")),
    ("2022-10-01", ("properties", "configuration", "ingress", "corsPolicy")),
    ("2023-04-01", ("properties", "workloadProfileName")),
    ("2023-04-01", ("properties", "configuration", "ingress", "stickySessions")),
    ("2023-05-01", ("properties", "runningState")),
    ("2023-05-01", ("properties", "runningStateDetails")),
    ("2023-05-01", ("properties", "configuration", "service")),
    ("2023-05-01", ("properties", "template", "serviceBinds")),
    ("2023-05-01", ("properties", "template", "terminationGracePeriodSeconds")),
    ("2023-11-02", ("properties", "configuration", "ingress", "additionalPortMappings")),
    ("2024-08-02", ("properties", "configuration", "identitySettings")),
    ("2024-08-02", ("properties", "configuration", "ingress", "targetPortHttpScheme")),
    ("2024-08-02", ("properties", "configuration", "runtime")),
    ("2024-08-02", ("properties", "template", "scale", "cooldownPeriod")),
    ("2024-08-02", ("properties", "template", "scale", "pollingInterval")),
    ("2024-10-02", ("properties", "runningStatus")),
    ("2025-02-02", ("properties", "configuration", "targetLabel")),
    ("2025-02-02", ("properties", "patchingMode")),
)


def require_known(version: str, kind: str, location: str = "eastus") -> None:
    """Refuse an api-version or a region that Microsoft.App never had.

    Raises:
        Refused: the version is not a date or before the first version, or the region is unknown.
    """
    match = _VERSION.fullmatch(version)
    if match is None or match[1] < _OLDEST or regions.known(location) is None:
        text = (
            f"No registered resource provider found for location '{location}' and API version "
            f"'{version}' for type '{kind}'. The supported api-versions are '{SUPPORTED}'. "
            f"The supported locations are '{', '.join(map(regions.short, regions.NAMES))}'."
        )
        raise refuse(400, "NoRegisteredProviderFound", text)


def without_newer_keys(shown: dict[str, Any], version: str) -> dict[str, Any]:
    """Return an app or a revision without the keys that are newer than *version*."""
    for since, (*path, key) in _SINCE:
        if version[: len(since)] >= since:
            continue
        holder: Any = shown
        for part in path:
            holder = holder.get(part) if isinstance(holder, Mapping) else None
        if isinstance(holder, dict):
            holder.pop(key, None)
    return shown
