"""The resource of an app that does not exist yet, made from the same settings as a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy_action.core.app_wide import SYSTEM, SecretChanges, SecretValue, TagChanges, merged
from deploy_action.core.revisions.changes import Remove, TemplateChange
from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.template import for_candidate
from deploy_action.core.revisions.template_rules import template_faults
from deploy_action.core.settings.schema import Settings

_CONTAINER = "app"
_CONSUMPTION = "consumption"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApp:
    """A new app according to the settings.

    Args:
        external: whether the ingress accepts requests from outside its environment.
        target_port: the port that the container listens on.
        transport: of the ingress, as Azure writes it.
        profile: workload profile; empty for the environment's default.
        puller: resource ID of the identity that pulls the image; empty where none is needed.
        identities: ``system`` and resource IDs of identities.
        container: name of its own container; empty for a default.
        change: the template's settings.
    """

    external: bool = True
    target_port: int
    transport: str = "auto"
    profile: str = ""
    puller: str = ""
    identities: tuple[str, ...] = ()
    container: str = ""
    change: TemplateChange
    secrets: SecretChanges
    tags: TagChanges

    @classmethod
    def of(cls, settings: Settings) -> NewApp:
        """Return the app that *settings* describe."""
        return cls(
            external=settings.ingress_external,
            target_port=settings.target_port,
            transport=settings.ingress_transport.value,
            profile=settings.workload_profile,
            puller=settings.registry_identity,
            identities=settings.identities,
            container=settings.container,
            change=settings.template_change,
            secrets=settings.secrets,
            tags=settings.tags,
        )

    def faults(self) -> tuple[str, ...]:
        """Return what Azure would refuse, one sentence each."""
        named = self._secrets
        unreadable = tuple(
            f"secret '{name}': the app's own identity (system) is created together with the app "
            "and cannot read a key vault yet. Name a user-assigned identity that has the role Key "
            "Vault Secrets User."
            for name, secret in named.items()
            if secret.url and secret.identity == SYSTEM
        )
        return unreadable + template_faults(
            self._template("", "", Provenance(version="", commit="", run="")),
            secrets=named.keys(),
            consumption=self.profile.lower() in {"", _CONSUMPTION},
        )

    def resource(
        self, *, environment: str, location: str, suffix: str, image: str, provenance: Provenance
    ) -> dict[str, Any]:
        """Return the resource as Azure expects it.

        Args:
            environment: resource ID of its Container Apps environment.
            location: where that is.
            suffix: of its first revision.
            image: full name by digest.
            provenance: written into its environment variables.
        """
        configuration: dict[str, Any] = {
            "activeRevisionsMode": "Multiple",
            "ingress": {
                "external": self.external,
                "targetPort": self.target_port,
                "transport": self.transport,
            },
        }
        if self.puller:
            server = image.partition("/")[0]
            configuration["registries"] = [{"server": server, "identity": self.puller}]
        if secrets := merged((), self._secrets):
            configuration["secrets"] = secrets
        properties: dict[str, Any] = {
            "environmentId": environment,
            "configuration": configuration,
            "template": self._template(suffix, image, provenance),
        }
        if self.profile:
            properties["workloadProfileName"] = self.profile
        resource: dict[str, Any] = {"location": location, "properties": properties}
        if tags := {k: text for k, text in self.tags.items() if not isinstance(text, Remove)}:
            resource["tags"] = tags
        if identity := self._identity():
            resource["identity"] = identity
        return resource

    def app_wide(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Return what *resource* has besides its template, without values of secrets."""
        configuration = resource["properties"]["configuration"]
        assigned = resource.get("identity") or {}
        own = [SYSTEM] if "SystemAssigned" in assigned.get("type", "") else []
        identities = [*own, *(assigned.get("userAssignedIdentities") or {})]
        return {
            "activeRevisionsMode": configuration["activeRevisionsMode"],
            "ingress": configuration["ingress"],
            "registries": {
                item["server"]: item["identity"] for item in configuration.get("registries") or ()
            },
            "workloadProfileName": resource["properties"].get("workloadProfileName"),
            "identities": ", ".join(identities) or None,
            "secrets": {name: secret.described for name, secret in self._secrets.items()},
            "tags": resource.get("tags") or {},
        }

    @property
    def _secrets(self) -> Mapping[str, SecretValue]:
        return {name: item for name, item in self.secrets.items() if not isinstance(item, Remove)}

    def _identity(self) -> dict[str, Any]:
        readers = [secret.identity for secret in self._secrets.values() if secret.url]
        named = {item.lower(): item for item in (self.puller, *readers, *self.identities) if item}
        assigned: dict[str, Any] = {item: {} for key, item in named.items() if key != SYSTEM}
        kinds = ["SystemAssigned"] * (SYSTEM in named) + ["UserAssigned"] * bool(assigned)
        if not kinds:
            return {}
        block: dict[str, Any] = {"type": ", ".join(kinds)}
        return {**block, "userAssignedIdentities": assigned} if assigned else block

    def _template(self, suffix: str, image: str, provenance: Provenance) -> dict[str, Any]:
        name = self.container or _CONTAINER
        return for_candidate(
            {"containers": [{"name": name}], "scale": {"minReplicas": 1}},
            suffix=suffix,
            image=image,
            container=name,
            provenance=provenance,
            change=self.change,
            port=self.target_port,
        )
