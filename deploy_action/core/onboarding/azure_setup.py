"""The `az` commands that let a repository's jobs deploy an app, with the least roles."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deploy_action.core.onboarding.answers import Answers
from deploy_action.core.onboarding.az_command import AzCommand, query
from deploy_action.core.onboarding.azure_resources import resources

_ISSUER = "https://token.actions.githubusercontent.com"
_AUDIENCE = "api://AzureADTokenExchange"
# What the jobs need as variables of the GitHub environment.
JOB_VARIABLES = {
    "AZURE_CLIENT_ID": "CLIENT_ID",
    "AZURE_TENANT_ID": "TENANT_ID",
    "AZURE_SUBSCRIPTION_ID": "SUBSCRIPTION_ID",
}


def script(answers: Answers) -> str:
    """Return all commands as a shell script."""
    commands = "\n".join(command.as_shell() for command in commands_for(answers))
    references = {name: f"${saved}" for name, saved in JOB_VARIABLES.items()}
    return f"""\
#!/bin/sh
# Sign in first, with `az login`. You can run these commands again at any time.
set -eu
{commands}

{variables_script(answers, references)}"""


def variables_script(answers: Answers, values: Mapping[str, str]) -> str:
    """Return the commands that store *values* as variables of the GitHub environment."""
    lines = [
        "# Store the IDs as variables of the GitHub environment. They are not secrets.",
        (
            f"gh api --silent --method PUT repos/{answers.repository}/environments/"
            f"{answers.environment}"
        ),
    ]
    for name, value in values.items():
        where = f"--env {answers.environment} --repo {answers.repository}"
        lines.append(f'gh variable set {name} {where} --body "{value}"')
    return "\n".join(lines) + "\n"


def commands_for(answers: Answers) -> list[AzCommand]:
    """Return the commands in their order; each of them can be repeated without harm."""
    app = ("--name", answers.app, "--resource-group", answers.resource_group)
    return [
        AzCommand(
            about="The subscription and tenant of your session.",
            words=("account", "show", *query("id")),
            saves="SUBSCRIPTION_ID",
        ),
        AzCommand(about="", words=("account", "show", *query("tenantId")), saves="TENANT_ID"),
        *resources(answers),
        AzCommand(
            about="",
            words=("acr", "show", "--name", answers.registry, *query("loginServer")),
            saves="LOGIN_SERVER",
        ),
        *_identity(answers),
        *_roles(answers),
        AzCommand(
            about="The app pulls its images with its own identity.",
            words=(
                "containerapp",
                "identity",
                "assign",
                *app,
                "--system-assigned",
                *query("principalId"),
            ),
            saves="APP_PRINCIPAL_ID",
        ),
        _assignment("", "AcrPull", "$APP_PRINCIPAL_ID", "$REGISTRY_ID"),
        AzCommand(
            about="",
            words=(
                "containerapp",
                "registry",
                "set",
                *app,
                "--server",
                "$LOGIN_SERVER",
                "--identity",
                "system",
                "--output",
                "none",
            ),
        ),
        AzCommand(
            about="Switch to Multiple revision mode, so that two revisions can share traffic.",
            words=(
                "containerapp",
                "revision",
                "set-mode",
                *app,
                "--mode",
                "multiple",
                "--output",
                "none",
            ),
        ),
    ]


def _identity(answers: Answers) -> list[AzCommand]:
    """Return the commands for the identity of the jobs and the trust in GitHub's tokens."""
    credential = {
        "name": f"github-{answers.environment}" + ("-ids" if answers.repository_ids else ""),
        "issuer": _ISSUER,
        "subject": answers.subject,
        "audiences": [_AUDIENCE],
    }
    by_id = ("--id", "$CLIENT_ID")
    federated = ("ad", "app", "federated-credential")
    return [
        AzCommand(
            about="The identity of the deployment jobs.",
            unless=(
                (
                    *("ad", "app", "list", "--filter"),
                    f"displayName eq '{answers.identity_name}'",
                    *query("[0].appId"),
                ),
            ),
            words=(
                "ad",
                "app",
                "create",
                "--display-name",
                answers.identity_name,
                *query("appId"),
            ),
            saves="CLIENT_ID",
        ),
        AzCommand(
            about="",
            unless=(("ad", "sp", "list", "--filter", "appId eq '$CLIENT_ID'", *query("[0].id")),),
            words=("ad", "sp", "create", *by_id, *query("id")),
            saves="OBJECT_ID",
        ),
        AzCommand(
            about=f"Trust only jobs of {answers.repository} that use the environment "
            f"{answers.environment}.",
            unless=(
                (
                    *(*federated, "list", *by_id),
                    *query(f"[?subject=='{answers.subject}'].id | [0]"),
                ),
            ),
            words=(
                *federated,
                "create",
                *by_id,
                "--parameters",
                json.dumps(credential),
                *query("id"),
            ),
            saves="CREDENTIAL_ID",
        ),
    ]


def _roles(answers: Answers) -> list[AzCommand]:
    """Return the role assignments of the jobs' identity."""
    roles = [
        ("Container Apps Contributor", "$APP_ID"),
        ("Monitoring Reader", "$APP_ID"),
        ("AcrPush", "$REGISTRY_ID"),
    ]
    if answers.builder == "acr":
        roles.append(("Container Registry Tasks Contributor", "$REGISTRY_ID"))
    about = "Assign its roles: change the app, read its metrics, build and push images."
    return [
        _assignment("" if number else about, role, "$OBJECT_ID", scope)
        for number, (role, scope) in enumerate(roles)
    ]


def _assignment(about: str, role: str, principal: str, scope: str) -> AzCommand:
    """Return a role assignment; by object id, because a new principal is found by it at once."""
    return AzCommand(
        about=about,
        words=(
            "role",
            "assignment",
            "create",
            "--role",
            role,
            "--scope",
            scope,
            "--assignee-object-id",
            principal,
            "--assignee-principal-type",
            "ServicePrincipal",
            "--output",
            "none",
        ),
    )
