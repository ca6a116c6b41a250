"""Make the image source of a deployment."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.adapters.images import Builder, BuildSecret
from deploy_action.adapters.images.build_context import BuildContext
from deploy_action.adapters.images.reference import Reference
from deploy_action.adapters.images.registry import Registry, host_of
from deploy_action.core.settings.choices import BuilderKind
from deploy_action.errors import InputError
from deploy_action.rollout.image_source import Build, ImageSource
from deploy_action.runtime.http import HttpClient

if TYPE_CHECKING:
    from deploy_action.adapters.github_runner import Runner
    from deploy_action.services import Services


_LONGEST_MASKED = 1 << 16


def make_images(services: Services) -> ImageSource:
    """Return where the image comes from: given, or built by Docker or by the registry."""
    settings = services.settings
    repository = settings.repository or settings.app
    source: Reference | Build
    if settings.image or settings.image_tag:
        host = host_of(settings.registry) if settings.registry else ""
        source = Reference.parse(settings.image or f"{host}/{repository}:{settings.image_tag}")
        registry = services.registry(source.host)
    else:
        registry = services.registry(host_of(settings.registry))
        source = Build(
            context=lambda: build_context(services.runner, settings.context, settings.dockerfile),
            builder=_builder(services, registry),
            repository=repository,
            pushes=settings.builder is BuilderKind.DOCKER,
            unique=f"{settings.app}-{secrets.token_hex(4)}",
            arguments=dict(_pair(item) for item in settings.build_args),
            target=settings.target,
            secrets=build_secrets(services),
            cache_from=settings.cache_from,
        )
    return ImageSource(
        registry=registry,
        source=source,
        extra_tags=settings.image_tags,
        record=services.record,
    )


def existing_image(services: Services, image: str) -> ImageSource:
    """Return the image of a revision that exists already."""
    source = Reference.parse(image)
    return ImageSource(
        registry=services.registry(source.host),
        source=source,
        extra_tags=services.settings.image_tags,
        record=services.record,
    )


def _builder(services: Services, registry: Registry) -> Builder:
    settings = services.settings
    if settings.builder is BuilderKind.DOCKER:
        from deploy_action.adapters.images.docker_build import (  # noqa: PLC0415  loads docker
            DockerBuild,
        )

        return DockerBuild(
            services.program_environment,
            login=registry.push_login,
            timeout_s=settings.build_timeout_s,
        )
    if not registry.is_azure:
        raise InputError(
            "Input builder: 'acr' works only with Azure Container Registry, not with "
            f"{registry.host}.",
            hint="Set builder: docker.",
        )
    from deploy_action.adapters.images.acr_build import AcrBuild  # noqa: PLC0415  not for docker
    from deploy_action.adapters.images.acr_resource import ArmClient, group_path  # noqa: PLC0415

    group = settings.registry_resource_group
    session = services.signed_in
    return AcrBuild(
        ArmClient(session.arm_token, renew=session.renew, http=HttpClient()),
        host=registry.host,
        groups=(group_path(session.subscription, group or settings.resource_group),),
        search=not group,
        http=HttpClient(),
        timeout_s=settings.build_timeout_s,
        on_secret=services.secret,
    )


def build_secrets(services: Services) -> tuple[BuildSecret, ...]:
    """Return the secrets of the build with their values; raises `InputError`."""
    made = []
    for setting in services.settings.build_secrets:
        file = None
        value = setting.value
        if setting.variable:
            value = services.environment.get(setting.variable, "")
            if not value:
                raise InputError(
                    f"Input build-secrets: the variable '{setting.variable}' of secret "
                    f"'{setting.id}' is empty.",
                    hint="Set it in the step's env.",
                )
        elif setting.file:
            file = _inside(services.runner, "build-secrets", setting.file)
            if not file.is_file():
                raise InputError(
                    f"Input build-secrets: there is no file '{setting.file}' in the checkout."
                )
            if file.stat().st_size <= _LONGEST_MASKED:
                services.secret(file.read_text("utf-8", "replace"))
        if value:
            services.secret(value)
        made.append(BuildSecret(id=setting.id, value=value, file=file))
    return tuple(made)


def build_context(runner: Runner, context: str, dockerfile: str) -> BuildContext:
    """Return the build context; folder and Dockerfile must be inside the checkout."""
    workspace = runner.workspace
    folder = _inside(runner, "context", context)
    if not folder.is_dir():
        raise InputError(
            f"Input context: '{context}' must be a folder inside the checkout.",
            hint="Check the path, and that actions/checkout ran before.",
        )
    for base in (folder, workspace):
        path = base / dockerfile
        if path.is_file():
            return BuildContext(folder=folder, dockerfile=_inside(runner, "dockerfile", str(path)))
    _inside(runner, "dockerfile", dockerfile)
    tried = dict.fromkeys(_shown(workspace, base / dockerfile) for base in (folder, workspace))
    raise InputError(
        f"Input dockerfile: '{dockerfile}' was not found (tried {' and '.join(tried)}).",
        hint="Specify it relative to the context or to working-directory.",
    )


def _inside(runner: Runner, name: str, relative: str) -> Path:
    """Return a path with links resolved; raise `InputError` if it leaves the checkout."""
    path = (runner.workspace / relative).resolve()
    if not path.is_relative_to(runner.checkout):
        raise InputError(
            f"Input {name}: '{relative}' is outside the checkout.",
            hint="Use a path inside the checkout.",
        )
    return path


def _shown(workspace: Path, path: Path) -> str:
    resolved = path.resolve()
    inside = resolved.is_relative_to(workspace)
    return resolved.relative_to(workspace).as_posix() if inside else str(path)


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value
