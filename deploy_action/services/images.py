"""Make the image source of a deployment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.adapters.images import Builder
from deploy_action.adapters.images.registry import Reference, host_of
from deploy_action.core.settings.choices import BuilderKind
from deploy_action.errors import InputError
from deploy_action.rollout.image_source import Images
from deploy_action.runtime.http import HttpClient

if TYPE_CHECKING:
    from deploy_action.services import Services


def make_images(services: Services) -> Images:
    """Return where the image comes from: given, or built by Docker or by the registry."""
    settings = services.settings
    host = Reference.parse(settings.image).host if settings.image else host_of(settings.registry)
    registry = services.registry(host)
    return Images(
        registry=registry,
        given=settings.image,
        builder=_builder(services, registry.refresh_token, host),
        repository=settings.repository or settings.app,
        context=str(_folder(services.runner.workspace, "context", settings.context)),
        dockerfile=settings.dockerfile,
        arguments=dict(_pair(item) for item in settings.build_args),
        record=services.record,
    )


def _builder(services: Services, password: Callable[[], str], host: str) -> Callable[[], Builder]:
    settings = services.settings

    def docker() -> Builder:
        from deploy_action.adapters.images.docker_build import (  # noqa: PLC0415  loads docker
            DockerEngine,
        )

        return DockerEngine(
            services.environment, password=password, timeout_s=settings.build_timeout_s
        )

    def acr() -> Builder:
        from deploy_action.adapters.images.acr_build import (  # noqa: PLC0415  loads azure.core
            RemoteBuild,
        )

        return RemoteBuild(
            services.signed_in.credential,
            subscription=services.signed_in.subscription,
            resource_group=settings.resource_group,
            name=host.partition(".")[0],
            http=HttpClient(),
            timeout_s=settings.build_timeout_s,
            on_secret=services.secret,
        )

    return docker if settings.builder is BuilderKind.DOCKER else acr


def _folder(workspace: Path, name: str, relative: str) -> Path:
    """Return a folder of the checkout, and none outside it."""
    folder = (workspace / relative).resolve()
    if not folder.is_relative_to(workspace) or not folder.is_dir():
        raise InputError(
            f"Input {name}: '{relative}' must be a folder inside the checkout.",
            hint="Check the path, and that actions/checkout ran before.",
        )
    return folder


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value
