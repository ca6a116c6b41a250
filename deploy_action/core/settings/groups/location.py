"""The command, the app and the identity to sign in with."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class LocationSettings:
    """Command, settings file and Azure resources."""

    command: Command = setting(
        parsers.one_of(Command),
        "deploy",
        "What to do: deploy, rollback, repair, status or validate.",
        is_input=True,
    )
    environment: str = setting(
        parsers.name, "prod", "The environment of the settings file to use.", is_input=True
    )
    working_directory: str = setting(
        parsers.text,
        ".",
        "Folder in the checkout that all other paths are relative to, for a checkout in a "
        "subfolder or an app in a monorepo.",
        is_input=True,
    )
    settings_file: str = setting(
        parsers.text,
        ".github/deploy-action.yml",
        "The settings file, relative to working-directory. The file is optional. none disables it.",
        is_input=True,
    )
    settings: str = setting(
        parsers.text,
        "",
        "Settings as YAML, with the same keys as an environment of the settings file. They take "
        "precedence over the file.",
        is_input=True,
    )
    subscription_id: str = setting(
        parsers.guid,
        "",
        "Azure subscription ID. Defaults to the subscription of the Azure CLI session.",
        is_input=True,
    )
    tenant_id: str = setting(
        parsers.guid, "", "Microsoft Entra tenant ID, to sign in with GitHub OIDC.", is_input=True
    )
    client_id: str = setting(
        parsers.guid,
        "",
        "Application (client) ID to sign in with GitHub OIDC. Defaults to the Azure CLI session "
        "of an earlier azure/login step.",
        is_input=True,
    )
    resource_group: str = setting(
        parsers.name, "", "Resource group of the container app.", is_input=True
    )
    app: str = setting(parsers.name, "", "Name of the container app.", is_input=True)
    container: str = setting(
        parsers.name, "", "Container that gets the new image. Defaults to the first one."
    )
