"""The app as one read of Azure shows it, and which of its revisions is stable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.core.revisions.revision import Revision, by_name
from deploy_action.core.traffic.split import Split
from deploy_action.errors import PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One Container App at one moment.

    Args:
        state: the app's own `provisioningState`: Succeeded, InProgress, Failed, Canceled, Deleting.
        fqdn: the users' host name; empty without ingress.
        location: where it runs, as Azure writes it.
        settings: fingerprint of what belongs to no revision (ingress but its traffic, registries,
            names of secrets); a rollback does not bring an earlier one back.
    """

    name: str
    state: str
    mode: str
    split: Split
    fqdn: str = ""
    latest: str = ""
    latest_ready: str = ""
    location: str = ""
    settings: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_multiple(self) -> bool:
        """Whether the app may have several active revisions that share traffic."""
        return self.mode.lower() == "multiple"

    def require_multiple(self) -> None:
        """Refuse an app whose traffic cannot be split.

        Raises:
            PreflightError: it is not in Multiple revision mode.
        """
        if not self.is_multiple:
            raise PreflightError(
                f"App '{self.name}' is in {self.mode} revision mode, but splitting traffic needs "
                "Multiple.",
                hint="Set convert-mode: true to switch it, or run once: az containerapp revision "
                f"set-mode --mode multiple --name {self.name}",
            )

    @property
    def busy(self) -> bool:
        """Whether an operation is running on it."""
        return self.state.lower() not in {"succeeded", "failed", "canceled"}

    @property
    def failed(self) -> bool:
        """Whether the last operation on it failed or was canceled."""
        return self.state.lower() in {"failed", "canceled"}

    @classmethod
    def from_azure(cls, resource: Mapping[str, Any]) -> App:
        """Read the resource as ARM gives it; what we do not know stays untouched in Azure."""
        properties = resource.get("properties") or {}
        configuration = properties.get("configuration") or {}
        ingress = configuration.get("ingress") or {}
        return cls(
            name=str(resource.get("name", "")),
            state=str(properties.get("provisioningState") or ""),
            mode=str(configuration.get("activeRevisionsMode") or "Single"),
            split=Split.from_azure(ingress.get("traffic")),
            fqdn=str(ingress.get("fqdn") or ""),
            latest=str(properties.get("latestRevisionName") or ""),
            latest_ready=str(properties.get("latestReadyRevisionName") or ""),
            location=str(resource.get("location") or ""),
            settings=_fingerprint(configuration),
            tags={str(key): str(value) for key, value in (resource.get("tags") or {}).items()},
        )


def _fingerprint(configuration: Mapping[str, Any]) -> str:
    ingress = {k: v for k, v in (configuration.get("ingress") or {}).items() if k != "traffic"}
    secrets = sorted(str(item.get("name")) for item in configuration.get("secrets") or ())
    counted = {"ingress": ingress, "secrets": secrets}
    counted["registries"] = configuration.get("registries") or []
    text = json.dumps(counted, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def revision_from_azure(resource: Mapping[str, Any]) -> Revision:
    """Read one revision as ARM gives it; states outside the SDK's enumerations pass through."""
    properties = resource.get("properties") or {}
    return Revision(
        name=str(resource.get("name", "")),
        active=bool(properties.get("active")),
        created=str(properties.get("createdTime") or ""),
        fqdn=str(properties.get("fqdn") or ""),
        weight=int(properties.get("trafficWeight") or 0),
        replicas=int(properties.get("replicas") or 0),
        provisioning_state=str(properties.get("provisioningState") or ""),
        health_state=str(properties.get("healthState") or ""),
        running_state=str(properties.get("runningState") or ""),
        details=str(
            properties.get("provisioningError") or properties.get("runningStateDetails") or ""
        ),
        template=properties.get("template") or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of one replica, as the platform sees it.

    Args:
        started: whether its startup probe has passed.
        ready: whether its readiness probe passes.
        restarts: how often it ended and was started again.
        details: the platform's own words, often empty.
    """

    name: str
    started: bool
    ready: bool
    restarts: int
    details: str = ""

    @property
    def in_words(self) -> str:
        """What keeps it from serving, for messages."""
        if self.details:
            return f"container '{self.name}': {self.details}"
        if self.ready:
            return f"container '{self.name}' is ready"
        if self.restarts:
            return f"container '{self.name}' ended {self.restarts} times"
        if self.started:
            return f"container '{self.name}' runs, but its readiness probe does not pass"
        return f"container '{self.name}' has not started to listen"

    @property
    def remedy(self) -> str:
        """What to look at first."""
        if self.restarts:
            return "See its log in Azure for why it ends; image, command and secrets first."
        if self.started:
            return "See what its readiness probe's path answers, and its log in Azure."
        return "Check that it listens on the ingress' target port, and its log in Azure."


def containers_from_azure(replicas: Iterable[Mapping[str, Any]]) -> tuple[Container, ...]:
    """Read the containers of all replicas as ARM lists them."""
    return tuple(
        Container(
            name=str(item.get("name") or ""),
            started=bool(item.get("started")),
            ready=bool(item.get("ready")),
            restarts=int(item.get("restartCount") or 0),
            details=str(item.get("runningStateDetails") or ""),
        )
        for replica in replicas
        for item in (replica.get("properties") or {}).get("containers") or ()
    )


def serving(app: App, revisions: Collection[Revision]) -> Revision | None:
    """Return the revision that holds the users' traffic, or None if nothing serves.

    Where traffic follows "latest", Azure serves the latest *ready* revision.
    """
    entry = app.split.heaviest()
    return by_name(revisions, entry.revision or app.latest_ready)
