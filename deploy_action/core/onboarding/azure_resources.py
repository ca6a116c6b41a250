"""The `az` commands for the resource group, environment, registry and app."""

from __future__ import annotations

from deploy_action.core.onboarding.answers import Answers
from deploy_action.core.onboarding.az_command import AzCommand, query

_PROVIDERS = ("Microsoft.App", "Microsoft.ContainerRegistry", "Microsoft.OperationalInsights")
_SAMPLE_IMAGE = "mcr.microsoft.com/k8se/quickstart:latest"


def resources(answers: Answers) -> list[AzCommand]:
    """Return the commands that find the app and the registry.

    With a location they also create what does not exist.
    """
    return _created(answers) if answers.location else _existing(answers)


def _existing(answers: Answers) -> list[AzCommand]:
    return [
        AzCommand(
            about="The app and the registry, which must exist.",
            words=("containerapp", "show", *_app(answers), *query("id")),
            saves="APP_ID",
        ),
        AzCommand(
            about="",
            words=("acr", "show", "--name", answers.registry, *query("id")),
            saves="REGISTRY_ID",
        ),
    ]


def _created(answers: Answers) -> list[AzCommand]:
    group = ("--resource-group", answers.resource_group)
    location = ("--location", answers.location)
    return [
        *_registrations(),
        AzCommand(
            about="The resource group.",
            unless=(("group", "list", *_named(answers.resource_group)),),
            words=("group", "create", "--name", answers.resource_group, *location, *query("id")),
            saves="GROUP_ID",
        ),
        AzCommand(
            about="The registry.",
            unless=(("acr", "list", *_named(answers.registry)),),
            words=(
                *("acr", "create", "--name", answers.registry, *group, *location),
                *("--sku", "Basic", *query("id")),
            ),
            saves="REGISTRY_ID",
        ),
        AzCommand(
            about="The app's environment. Creating it takes a few minutes.",
            unless=(
                ("containerapp", "list", *group, *_named(answers.app, "properties.environmentId")),
                ("containerapp", "env", "list", *group, *_named(answers.environment_name)),
            ),
            words=(
                *("containerapp", "env", "create", "--name", answers.environment_name),
                *(*group, *location, *query("id")),
            ),
            saves="ENVIRONMENT_ID",
        ),
        AzCommand(
            about="The app, with a sample image until the first deployment.",
            unless=(("containerapp", "list", *group, *_named(answers.app)),),
            words=(
                *("containerapp", "create", *_app(answers), "--environment", "$ENVIRONMENT_ID"),
                *("--image", _SAMPLE_IMAGE, "--ingress", "external"),
                *("--target-port", answers.target_port, "--revisions-mode", "multiple"),
                *query("id"),
            ),
            saves="APP_ID",
        ),
    ]


def _registrations() -> list[AzCommand]:
    about = "Register the resource providers. A new subscription has not registered them yet."
    return [
        AzCommand(
            about="" if number else about,
            words=("provider", "register", "--namespace", name, "--wait", "--output", "none"),
        )
        for number, name in enumerate(_PROVIDERS)
    ]


def _app(answers: Answers) -> tuple[str, ...]:
    return ("--name", answers.app, "--resource-group", answers.resource_group)


def _named(name: str, value: str = "id") -> tuple[str, ...]:
    return query(f"[?name=='{name}'].{value} | [0]")
