"""Creating an app that does not exist yet."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.blocks.secrets import identity, user_assigned
from deploy_action.core.settings.choices import Transport
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class CreationSettings:
    """Settings of a new app besides template, secrets and tags; an existing app keeps its own."""

    create: bool = setting(
        parsers.boolean,
        "false",
        "Whether to create the app if it does not exist, with template, containers, secrets, tags "
        "and the settings below. The settings below do not change an existing app.",
    )
    managed_environment: str = setting(
        parsers.text, "", "For create, the Container Apps environment, by name or resource ID."
    )
    target_port: int = setting(
        parsers.integer(1, 65535), "8000", "For create, the port that the container listens on."
    )
    ingress_external: bool = setting(
        parsers.boolean,
        "true",
        "For create, whether the ingress accepts requests from outside the environment.",
    )
    ingress_transport: Transport = setting(
        parsers.one_of(Transport),
        "auto",
        "For create, the ingress protocol: auto, http or http2.",
    )
    workload_profile: str = setting(
        parsers.name,
        "",
        "For create, the workload profile. Defaults to the environment's Consumption profile.",
    )
    identities: tuple[str, ...] = setting(
        parsers.list_of(identity),
        "",
        "For create, identities to assign besides those that pull the image and read secrets: "
        "system, or resource IDs of user-assigned identities.",
    )
    registry_identity: str = setting(
        user_assigned,
        "",
        "For create, the resource ID of the user-assigned identity that pulls the image (it needs "
        "AcrPull). Leave empty for a public registry.",
    )
