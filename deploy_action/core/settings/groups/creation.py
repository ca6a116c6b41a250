"""Creating an app that does not exist yet."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class CreationSettings:
    """What a new app needs."""

    create: bool = setting(
        parsers.boolean, "false", "Whether to create the app if it does not exist."
    )
    managed_environment: str = setting(
        parsers.text, "", "For create, the Container Apps environment, by name or resource id."
    )
    target_port: int = setting(
        parsers.integer(1, 65535), "8000", "For create, the port that the container listens on."
    )
    registry_identity: str = setting(
        parsers.text,
        "",
        "For create, the resource id of the user-assigned identity that pulls the image (it needs "
        "AcrPull). Empty for a public registry.",
    )
