"""The command `deploy-action init`: options, questions and what it prints."""

# ruff: noqa: PLC0415  a command imports what it uses

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deploy_action import __version__


class _Question(click.Option):
    """An option that asks for its value on a terminal, and is required elsewhere."""

    def prompt_for_value(self, ctx: click.Context) -> Any:
        if sys.stdin.isatty():
            return super().prompt_for_value(ctx)
        raise click.MissingParameter(ctx=ctx, param=self)


class _OptionalQuestion(click.Option):
    """An option that asks for its value on a terminal, and has its default elsewhere."""

    def prompt_for_value(self, ctx: click.Context) -> Any:
        return super().prompt_for_value(ctx) if sys.stdin.isatty() else self.default


_NEXT = "Next: Run the commands below. Then commit the files above and push to {branch}.\n"


def _question(option: str, about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(option, cls=_Question, prompt=about, help=f"{about}.")


@click.command()
@_question("--app", "Name of the container app")
@_question("--resource-group", "Resource group of the app")
@_question("--registry", "Name of the container registry")
@_question("--repository", "GitHub repository, as OWNER/NAME")
@click.option(
    "--location",
    cls=_OptionalQuestion,
    default="",
    prompt="Azure region for resources to create (empty if all exist)",
    help="Azure region, such as westeurope: the resource group, registry, environment and app are "
    "created if they do not exist. Without it, they must exist.",
)
@click.option(
    "--container-environment",
    default="",
    help="Container Apps environment to create the app in. [default: APP-env]",
)
@click.option(
    "--target-port",
    default="8000",
    show_default=True,
    help="Port that the container listens on, if the app is created.",
)
@click.option(
    "--environment",
    default="prod",
    show_default=True,
    help="Name of the environment, on GitHub and in the settings file.",
)
@click.option(
    "--repository-ids",
    default="",
    metavar="OWNER_ID/REPOSITORY_ID",
    help="IDs of the owner and the repository. Required if it was created, renamed or "
    "transferred since 15 July 2026: GitHub then adds them to its "
    "OIDC tokens.",
)
@click.option(
    "--branch", default="main", show_default=True, help="Branch whose pushes are deployed."
)
@click.option(
    "--builder",
    type=click.Choice(["acr", "docker"]),
    default="acr",
    show_default=True,
    help="Where to build the image: in the registry or on the runner.",
)
@click.option("--context", default=".", show_default=True, help="The folder with the Dockerfile.")
@click.option("--manifest", default="", help="The add-in's manifest, if there is one.")
@click.option("--health-path", default="", help="Path that returns 200 when the app is healthy.")
@click.option(
    "--action",
    default=f"the-well/deploy-action@v{__version__}",
    show_default=True,
    help="Action reference to use in the workflows, as OWNER/NAME@REF.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The checkout to write to. [default: the current folder]",
)
@click.option("--overwrite", is_flag=True, help="Overwrite existing files.")
@click.option("--run", "run_az", is_flag=True, help="Run the az commands instead of printing them.")
def init(*, directory: Path, overwrite: bool, run_az: bool, **options: str) -> None:
    """Write workflows and settings for an app, and print or run the az commands for it.

    Example: deploy-action init --app api --resource-group rg --registry contoso --repository o/r
    """
    from deploy_action.adapters.azure_cli import AzureCli
    from deploy_action.commands.init import set_up_azure, write_files
    from deploy_action.core.onboarding.answers import Answers
    from deploy_action.core.onboarding.azure_setup import script, variables_script

    answers = Answers(**options)
    for line in write_files(answers, directory, overwrite=overwrite):
        click.echo(line, err=True)
    if not run_az:
        click.echo(_NEXT.format(branch=answers.branch), err=True)
        click.echo(script(answers), nl=False)
        return
    az = AzureCli(folder=directory, environment=os.environ)
    values = set_up_azure(answers, az, lambda line: click.echo(line, err=True))
    click.echo(_NEXT.format(branch=answers.branch), err=True)
    click.echo(variables_script(answers, values), nl=False)
