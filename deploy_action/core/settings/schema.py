"""All settings of one run, assembled from their groups.

Each file in `groups` declares the settings of one topic: name, parser, default, description. The
field ``traffic_steps`` is the key ``traffic-steps``; durations are fields that end in ``_s``.
action.yml, the documentation's tables and the JSON Schema are generated from these declarations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache

from deploy_action.core.app_wide import SecretValue
from deploy_action.core.revisions.changes import TemplateChange
from deploy_action.core.settings.groups.addin import AddinSettings
from deploy_action.core.settings.groups.analysis import AnalysisSettings
from deploy_action.core.settings.groups.cache import CacheSettings
from deploy_action.core.settings.groups.creation import CreationSettings
from deploy_action.core.settings.groups.gates import GateSettings
from deploy_action.core.settings.groups.image import ImageSettings
from deploy_action.core.settings.groups.location import LocationSettings
from deploy_action.core.settings.groups.notifications import NotificationSettings
from deploy_action.core.settings.groups.rollback import RollbackSettings
from deploy_action.core.settings.groups.run import RunSettings
from deploy_action.core.settings.groups.service import ServiceSettings
from deploy_action.core.settings.groups.traffic import TrafficSettings
from deploy_action.core.settings.spec import SettingSpec, spec_of

# In the order of the documentation.
GROUPS: dict[str, type] = {
    "Command and location": LocationSettings,
    "Image": ImageSettings,
    "The service": ServiceSettings,
    "Add-in manifest and version": AddinSettings,
    "Cache": CacheSettings,
    "Health checks and other gates": GateSettings,
    "Traffic and revisions": TrafficSettings,
    "Analysis": AnalysisSettings,
    "Rollback and repair": RollbackSettings,
    "Creating the app": CreationSettings,
    "Notifications": NotificationSettings,
    "The run": RunSettings,
}


@dataclass(frozen=True, kw_only=True)
class Settings(
    LocationSettings,
    ImageSettings,
    ServiceSettings,
    AddinSettings,
    CacheSettings,
    GateSettings,
    TrafficSettings,
    AnalysisSettings,
    RollbackSettings,
    CreationSettings,
    NotificationSettings,
    RunSettings,
):
    """All settings of one run, validated. Durations are seconds."""

    @property
    def template_change(self) -> TemplateChange:
        """The whole change of the template: the block, with ``env`` and ``containers``."""
        main = replace(self.template.main, env={**self.template.main.env, **self.env})
        return replace(self.template, main=main, containers=self.containers)

    @property
    def served_manifest(self) -> str:
        """The path at which the app serves its manifest, or would by default; empty without one."""
        name = self.manifest.rpartition("/")[2]
        return self.manifest_path or (f"/{name}" if name else "")


@cache
def _specs() -> tuple[SettingSpec, ...]:
    return tuple(
        spec_of(item.name, heading, item.metadata)
        for heading, group in GROUPS.items()
        for item in fields(group)
    )


def setting_specs() -> Iterator[SettingSpec]:
    """Yield every setting, group by group."""
    return iter(_specs())


def secret_values(settings: Settings) -> Iterator[str]:
    """Yield every secret in *settings*, wherever it came from."""
    for spec in setting_specs():
        value = getattr(settings, spec.field)
        if not spec.secret:
            continue
        for item in value.values() if isinstance(value, Mapping) else [value]:
            match item:
                case str() if item:
                    yield item
                case SecretValue() if item.value:
                    yield item.value
    for notification in settings.notifications:
        yield from notification.secrets()
    yield from settings.app_insights.secrets()
