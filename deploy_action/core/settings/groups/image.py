"""The image: built locally, built by the registry, or already existing."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import images, parsers
from deploy_action.core.settings.choices import BuilderKind
from deploy_action.core.settings.images import BuildSecretSetting
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Source of the image."""

    registry: str = setting(
        parsers.text,
        "",
        "Registry to push to, by name or login server, such as contoso or contoso.azurecr.io.",
        is_input=True,
    )
    registry_resource_group: str = setting(
        parsers.text,
        "",
        "For builder: acr, the registry's resource group, as a name or as "
        "/subscriptions/ID/resourceGroups/NAME. Defaults to the app's group, then to all "
        "subscriptions that the identity may list.",
    )
    repository: str = setting(
        parsers.text, "", "Repository of the image in the registry. Defaults to the app's name."
    )
    image: str = setting(
        parsers.text,
        "",
        "Existing image to deploy instead of building one, from any registry. Registries other "
        "than Azure Container Registry use the runner's Docker login, if there is one.",
        is_input=True,
    )
    image_tag: str = setting(
        images.tag,
        "",
        "Tag of the app's repository to deploy instead of building an image, for example from a "
        "workflow's inputs.",
        is_input=True,
    )
    candidate: str = setting(
        parsers.text,
        "",
        "Existing revision to deploy instead of creating one: its name or suffix, or newest for "
        "the newest active revision. It is never changed or deactivated.",
        is_input=True,
    )
    image_tags: tuple[str, ...] = setting(
        images.tags,
        "",
        "Additional tags to set on the image after promotion, such as latest or the branch name.",
        is_input=True,
    )
    builder: BuilderKind = setting(
        parsers.one_of(BuilderKind),
        "docker",
        "Where to build the image: docker (on the runner, with BuildKit) or acr (in Azure "
        "Container Registry).",
    )
    context: str = setting(
        parsers.text,
        ".",
        "Build context, relative to working-directory. The .git folder is left out.",
        is_input=True,
    )
    dockerfile: str = setting(
        parsers.text,
        "Dockerfile",
        "Dockerfile, relative to the context or to working-directory.",
        is_input=True,
    )
    target: str = setting(
        parsers.text, "", "Stage of the Dockerfile to build. Defaults to the last one."
    )
    platform: str = setting(
        images.platform,
        "linux/amd64",
        "Platform of the image. Only linux/amd64 is supported by Container Apps.",
    )
    build_args: tuple[str, ...] = setting(
        parsers.assignments,
        "",
        "Build arguments, one NAME=value per line. Not for secrets.",
        is_input=True,
    )
    build_secrets: tuple[BuildSecretSetting, ...] = setting(
        images.build_secrets,
        "",
        "For builder: docker, secrets for RUN --mount=type=secret, one per line: ID=VALUE, "
        "id=ID,env=NAME or id=ID,src=PATH.",
        secret=True,
        is_input=True,
    )
    cache_from: tuple[str, ...] = setting(
        parsers.lines,
        "",
        "For builder: docker, images or cache sources to reuse layers from, one per line.",
    )
    build_timeout_s: float = setting(
        parsers.duration, "20m", "Maximum duration of the build and push."
    )

    @property
    def builds_image(self) -> bool:
        """Whether this run builds the image."""
        return not self.image and not self.image_tag and not self.candidate
