"""The app as read from Azure, and which of its revisions is stable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.core import external
from deploy_action.core.amount import amount
from deploy_action.core.app_wide import SYSTEM
from deploy_action.core.revisions.revision import Revision, by_name, moment_s
from deploy_action.core.traffic.split import FULL_TRAFFIC, Entry, Split
from deploy_action.errors import PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One Container App at one moment.

    Args:
        state: the app's own `provisioningState`: Succeeded, InProgress, Failed, Canceled, Deleting.
        split: which revisions receive the traffic. In Single revision mode Azure ignores the
            configured weights: the latest revision that is ready receives all of it.
        fqdn: the users' host name; empty without ingress.
        external: whether the ingress accepts requests from outside the app's environment.
        location: where it runs, as Azure writes it.
        environment: resource ID of its Container Apps environment.
        target_port: the port that the ingress sends requests to; 0 without ingress.
        profile: its workload profile; empty where Azure does not say.
        secrets: its secrets without values: name, and URL and identity of references.
        unchanged_s: seconds since the app's last change, by Azure's clock; 0 if unknown.
        identities: ``system`` and resource IDs of its managed identities, in lower case.
        settings: fingerprint of what belongs to no revision (ingress but its traffic, registries,
            names of secrets); a rollback does not bring an earlier one back.
    """

    name: str
    state: str
    mode: str
    split: Split
    fqdn: str = ""
    external: bool = True
    latest: str = ""
    latest_ready: str = ""
    location: str = ""
    environment: str = ""
    target_port: int = 0
    profile: str = ""
    secrets: tuple[Mapping[str, Any], ...] = ()
    identities: frozenset[str] = frozenset()
    settings: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    unchanged_s: float = 0.0

    @property
    def url(self) -> str:
        """The users' URL; empty without ingress."""
        return f"https://{self.fqdn}" if self.fqdn else ""

    @property
    def is_internal(self) -> bool:
        """Whether only clients inside the app's environment or network reach it."""
        return bool(self.fqdn) and not self.external

    @property
    def is_multiple(self) -> bool:
        """Whether the app may have several active revisions that share traffic."""
        return self.mode.lower() == "multiple"

    @property
    def is_single(self) -> bool:
        """Whether the app has one active revision at a time."""
        return self.mode.lower() == "single"

    def require_multiple(self) -> None:
        """Refuse an app whose traffic cannot be split.

        Raises:
            PreflightError: it is not in Multiple revision mode.
        """
        if not self.is_multiple:
            convert = ""
            if self.is_single:
                convert = (
                    "Set strategy: blue-green or strategy: direct, which keep the mode. Or set "
                    "convert-mode: true to switch it, or run once: "
                )
            raise PreflightError(
                f"App '{self.name}' is in {self.mode} revision mode, but splitting traffic needs "
                "Multiple.",
                hint=f"{convert}az containerapp revision set-mode --mode multiple "
                "--resource-group GROUP --name "
                f"{self.name}",
            )

    @property
    def secret_names(self) -> frozenset[str]:
        """The names of its secrets."""
        return frozenset(str(secret.get("name")) for secret in self.secrets)

    @property
    def runs_on_consumption(self) -> bool:
        """Whether its replicas have the fixed sizes of the Consumption profile."""
        return self.profile.lower() == "consumption"

    @property
    def busy(self) -> bool:
        """Whether an operation is running on it."""
        return self.state.lower() not in {"succeeded", "failed", "canceled"}

    @property
    def failed(self) -> bool:
        """Whether the last operation on it failed or was canceled."""
        return self.state.lower() in {"failed", "canceled"}

    @classmethod
    def from_azure(cls, resource: Mapping[str, Any], *, now_s: float = 0.0) -> App:
        """Read the resource as ARM gives it; unknown fields are ignored.

        Args:
            resource: the response.
            now_s: Azure's time of the response, in seconds since 1970; 0 if unknown.

        Raises:
            ValueError: the resource is not a valid container app.
        """
        properties = external.mapping(resource.get("properties"), "properties")
        configuration = external.mapping(properties.get("configuration"), "configuration")
        ingress = external.mapping(configuration.get("ingress"), "ingress")
        tags = external.mapping(resource.get("tags"), "tags")
        system = external.mapping(resource.get("systemData"), "systemData")
        modified_s = moment_s(external.text(system.get("lastModifiedAt"), "lastModifiedAt"))
        mode = external.text(configuration.get("activeRevisionsMode"), "activeRevisionsMode")
        split = Split.from_azure(external.items(ingress.get("traffic"), "traffic"))
        latest_ready = external.text(
            properties.get("latestReadyRevisionName"), "latestReadyRevisionName"
        )
        if mode.lower() in {"", "single"} and latest_ready:
            split = Split.of([Entry(revision=latest_ready, weight=FULL_TRAFFIC)])
        return cls(
            name=external.name(resource.get("name"), "name"),
            state=external.name(properties.get("provisioningState"), "provisioningState"),
            mode=mode or "Single",
            split=split,
            fqdn=external.text(ingress.get("fqdn"), "fqdn"),
            external=bool(ingress.get("external")),
            latest=external.text(properties.get("latestRevisionName"), "latestRevisionName"),
            latest_ready=latest_ready,
            location=external.text(resource.get("location"), "location"),
            environment=external.text(
                properties.get("environmentId") or properties.get("managedEnvironmentId"),
                "environmentId",
            ),
            target_port=external.integer(ingress.get("targetPort"), "targetPort"),
            profile=external.text(properties.get("workloadProfileName"), "workloadProfileName"),
            secrets=tuple(
                external.mapping(item, "a secret")
                for item in external.items(configuration.get("secrets"), "secrets")
            ),
            identities=_identities(resource),
            settings=_fingerprint(configuration),
            tags={str(key): external.text(value, f"tag {key}") for key, value in tags.items()},
            unchanged_s=max(0.0, now_s - modified_s) if now_s and modified_s else 0.0,
        )


def _identities(resource: Mapping[str, Any]) -> frozenset[str]:
    block = external.mapping(resource.get("identity"), "identity")
    assigned = external.mapping(block.get("userAssignedIdentities"), "userAssignedIdentities")
    kinds = external.text(block.get("type"), "the identity's type").lower()
    own = {SYSTEM} if "systemassigned" in kinds else set()
    return frozenset({*own, *(str(key).lower() for key in assigned)})


def _fingerprint(configuration: Mapping[str, Any]) -> str:
    ingress = external.mapping(configuration.get("ingress"), "ingress")
    secrets = external.items(configuration.get("secrets"), "secrets")
    counted = {
        "ingress": {key: value for key, value in ingress.items() if key != "traffic"},
        "secrets": sorted(str(external.mapping(item, "a secret").get("name")) for item in secrets),
        "registries": configuration.get("registries") or [],
    }
    text = json.dumps(counted, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def revision_from_azure(resource: Mapping[str, Any]) -> Revision:
    """Read one revision as ARM gives it; states outside the SDK's enumerations pass through.

    Raises:
        ValueError: the resource is not a valid revision.
    """
    resource = external.mapping(resource, "a revision")
    properties = external.mapping(resource.get("properties"), "properties")

    def text(field: str) -> str:
        return external.text(properties.get(field), field)

    return Revision(
        name=external.name(resource.get("name"), "a revision's name"),
        active=bool(properties.get("active")),
        created=text("createdTime"),
        fqdn=text("fqdn"),
        weight=external.integer(properties.get("trafficWeight"), "trafficWeight"),
        replicas=external.integer(properties.get("replicas"), "replicas"),
        provisioning_state=text("provisioningState"),
        health_state=text("healthState"),
        running_state=text("runningState"),
        details=text("provisioningError") or text("runningStateDetails"),
        template=_template(properties.get("template")),
    )


def _template(value: Any) -> Mapping[str, Any]:
    """Return a revision's template; only the fields that are used are checked."""
    template = external.mapping(value, "template")
    for container in external.items(template.get("containers"), "containers"):
        name = external.name(external.mapping(container, "a container").get("name"), "name")
        external.text(container.get("image"), f"the image of container {name}")
        for variable in external.items(container.get("env"), f"env of container {name}"):
            external.name(external.mapping(variable, "a variable").get("name"), "its name")
            external.text(variable.get("value"), "its value")
    scale = external.mapping(template.get("scale"), "scale")
    external.integer(scale.get("minReplicas"), "minReplicas")
    for rule in external.items(scale.get("rules"), "rules"):
        external.mapping(rule, "a scale rule")
    return template


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of one replica, as the platform sees it.

    Args:
        started: whether its startup probe has passed.
        ready: whether its readiness probe passes.
        restarts: how often it ended and was started again.
        details: the platform's own message, often empty.
    """

    name: str
    started: bool
    ready: bool
    restarts: int
    details: str = ""

    @property
    def in_words(self) -> str:
        """The reason why it does not serve, for messages."""
        if self.details:
            return f"container '{self.name}': {self.details}"
        if self.ready:
            return f"container '{self.name}' is ready"
        if self.restarts:
            return f"container '{self.name}' restarted {amount(self.restarts, 'time')}"
        if self.started:
            return f"container '{self.name}' runs, but its readiness probe does not pass"
        return f"container '{self.name}' is not listening yet"

    @property
    def remedy(self) -> str:
        """The first thing to check."""
        if self.restarts:
            return "Check its log in Azure for why it exits, then its image, command and secrets."
        if self.started:
            return "Check the response on its readiness probe's path, and its log in Azure."
        return "Check that it listens on the ingress target port, and check its log in Azure."


def containers_from_azure(replicas: Iterable[Mapping[str, Any]]) -> tuple[Container, ...]:
    """Read the containers of all replicas as ARM lists them; raises `ValueError`."""
    return tuple(
        Container(
            name=external.text(item.get("name"), "a container's name"),
            started=bool(item.get("started")),
            ready=bool(item.get("ready")),
            restarts=external.integer(item.get("restartCount"), "restartCount"),
            details=external.text(item.get("runningStateDetails"), "runningStateDetails"),
        )
        for replica in replicas
        for item in _containers_of(replica)
    )


def _containers_of(replica: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    properties = external.mapping(replica.get("properties"), "properties")
    for item in external.items(properties.get("containers"), "containers"):
        yield external.mapping(item, "a container")


def serving(app: App, revisions: Collection[Revision]) -> Revision | None:
    """Return the revision that holds the users' traffic, or None if nothing serves.

    Where traffic follows "latest", Azure serves the latest *ready* revision.
    """
    entry = app.split.heaviest()
    return by_name(revisions, entry.revision or app.latest_ready)
