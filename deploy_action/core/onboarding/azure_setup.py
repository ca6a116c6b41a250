"""The `az` commands that let a repository's jobs deploy an app, with the least roles."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy_action.core.onboarding.answers import Answers

_ISSUER = "https://token.actions.githubusercontent.com"
_WIDTH = 90
_AUDIENCE = "api://AzureADTokenExchange"
_VARIABLE = re.compile(r"\$([A-Z_]+)")
# What the jobs need as variables of the GitHub environment.
JOB_VARIABLES = {
    "AZURE_CLIENT_ID": "CLIENT_ID",
    "AZURE_TENANT_ID": "TENANT_ID",
    "AZURE_SUBSCRIPTION_ID": "SUBSCRIPTION_ID",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AzCommand:
    """One call of `az`. Words may contain ``$NAME``, the output of an earlier command.

    Args:
        about: a heading for it; empty if it belongs to the command before it.
        words: the arguments of `az`.
        saves: the name under which its output is kept; empty for none.
        unless: a query to run first; the command is skipped if the query prints something, which
            is then kept instead.
    """

    about: str
    words: tuple[str, ...]
    saves: str = ""
    unless: tuple[str, ...] = ()

    def as_shell(self) -> str:
        """Return the command as lines of a shell script."""
        command = _shell(self.words)
        if not self.saves:
            lines = [command]
        elif not self.unless:
            lines = [f"{self.saves}=$({command})"]
        else:
            lines = [
                f"{self.saves}=$({_shell(self.unless)})",
                f'[ -n "${self.saves}" ] || {self.saves}=$({command})',
            ]
        return "\n".join([f"\n# {self.about}", *lines] if self.about else lines)


def filled(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Return *words* with every ``$NAME`` replaced by its value."""
    return tuple(_VARIABLE.sub(lambda match: values[match[1]], word) for word in words)


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
        "# Store the ids as variables of the GitHub environment. They are not secrets.",
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
            words=("account", "show", *_query("id")),
            saves="SUBSCRIPTION_ID",
        ),
        AzCommand(about="", words=("account", "show", *_query("tenantId")), saves="TENANT_ID"),
        AzCommand(
            about="The app and the registry, which must exist.",
            words=("containerapp", "show", *app, *_query("id")),
            saves="APP_ID",
        ),
        AzCommand(
            about="",
            words=("acr", "show", "--name", answers.registry, *_query("id")),
            saves="REGISTRY_ID",
        ),
        AzCommand(
            about="",
            words=("acr", "show", "--name", answers.registry, *_query("loginServer")),
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
                *_query("principalId"),
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
                "ad",
                "app",
                "list",
                "--filter",
                f"displayName eq '{answers.identity_name}'",
                *_query("[0].appId"),
            ),
            words=(
                "ad",
                "app",
                "create",
                "--display-name",
                answers.identity_name,
                *_query("appId"),
            ),
            saves="CLIENT_ID",
        ),
        AzCommand(
            about="",
            unless=("ad", "sp", "list", "--filter", "appId eq '$CLIENT_ID'", *_query("[0].id")),
            words=("ad", "sp", "create", *by_id, *_query("id")),
            saves="OBJECT_ID",
        ),
        AzCommand(
            about=f"Trust only jobs of {answers.repository} that use the environment "
            f"{answers.environment}, and no others.",
            unless=(
                *federated,
                "list",
                *by_id,
                *_query(f"[?subject=='{answers.subject}'].id | [0]"),
            ),
            words=(
                *federated,
                "create",
                *by_id,
                "--parameters",
                json.dumps(credential),
                *_query("id"),
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


def _query(path: str) -> tuple[str, ...]:
    return ("--query", path, "--output", "tsv")


def _shell(words: Sequence[str]) -> str:
    """Return the command as shell text, in lines of at most 100 characters where possible."""
    lines = ["az"]
    for word, follower in zip(words, [*words[1:], ""], strict=True):
        text = _quoted(word)
        length = len(text) + (len(_quoted(follower)) if word.startswith("--") else 0)
        if word.startswith("--") and len(lines[-1]) + length > _WIDTH:
            lines.append(f"  {text}")
        else:
            lines[-1] += f" {text}"
    return " \\\n".join(lines)


def _quoted(word: str) -> str:
    """Return *word* as a shell word in which only ``$NAME`` is replaced."""
    if not _VARIABLE.search(word) and "'" not in word:
        return shlex.quote(word)
    return '"' + re.sub(r'(["\\`]|\$(?![A-Z]))', r"\\\1", word) + '"'
