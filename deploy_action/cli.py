"""The command line.

Every input of the action is read from ``INPUT_<NAME>`` in the environment; every setting is also an
option, which takes precedence. Exit codes: docs/results.md.
"""

# ruff: noqa: PLC0415  a command imports what it uses

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from deploy_action import __version__
from deploy_action.cli_bump import bump
from deploy_action.cli_init import init
from deploy_action.core.record import Record
from deploy_action.core.settings.schema import setting_specs
from deploy_action.errors import DeployError
from deploy_action.run_command import make_log, make_reporter, run_command

_EPILOG = "Exit codes: 0 done, 1 unexpected error, 2 invalid input, 3 refused, 4 aborted and \
restored, 5 not everything restored, 6 another run owns the app, 130 and 143 cancelled."


class _MainGroup(click.Group):
    """Loads the sandbox only for its command, and shows no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "sandbox"]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except DeployError as error:
            make_log(sys.stderr).text(str(error))
            ctx.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001  reported as a bug
            from deploy_action.adapters.github_runner import Runner

            record = Record(command=ctx.invoked_subcommand or "", clock=time.monotonic)
            runner = Runner(environment=os.environ, log=make_log(sys.stderr))
            record.listeners.append(make_reporter(runner, record))
            record.crashed(error)
            record.fail(error)
            ctx.exit(1)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "sandbox":
            try:
                from deploy_action.sandbox.command import sandbox
            except ModuleNotFoundError as error:
                raise click.ClickException(
                    f"The sandbox needs '{error.name}': install "
                    "deploy_action/sandbox/requirements.txt."
                ) from None
            return sandbox
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_MainGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Blue-green deploys for Azure Container Apps."""


main.add_command(bump)
main.add_command(init)


def _options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an option for each setting of *names*, as declared once in `core.settings`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed([item for item in setting_specs() if item.name in names]):
            shown = f" [default: {setting.default}]" if setting.default else ""
            function = click.option(
                f"--{setting.name}", metavar="TEXT", default="", help=setting.about + shown
            )(function)
        return function

    return decorate


_WHERE = (
    "environment",
    "working-directory",
    "settings-file",
    "subscription-id",
    "tenant-id",
    "client-id",
    "resource-group",
    "app",
)
_GATES = ("health-path", "health-passes", "health-interval", "health-timeout", "gate-timeout")
_CACHE = ("cache-patterns", "cache-required")


@main.command()
@_options(
    *[
        item.name
        for item in setting_specs()
        if item.name not in {"command", "revision", "reason", "take-over"}
    ]
)
def deploy(**options: str) -> None:
    """Deploy the checked-out commit. On failure, roll everything back.

    Example: deploy-action deploy --app api --resource-group rg --registry contoso --dry-run true
    """
    run_command("deploy", options)


@main.command()
@_options(
    *(*_WHERE, *_GATES, *_CACHE),
    *("revision", "reason", "identity-path", "convert-mode", "dry-run"),
    *("manifest", "manifest-on-rollback", "commit", "git-token"),
)
def rollback(**options: str) -> None:
    """Shift all traffic back to the previous revision, or to a named one.

    Example: deploy-action rollback --app api --resource-group rg --reason "errors at login"
    """
    run_command("rollback", options)


@main.command()
@_options(*_WHERE, *_CACHE, "take-over", "dry-run")
def repair(**options: str) -> None:
    """Recover from a run that was cancelled, killed or lost.

    Example: deploy-action repair --app api --resource-group rg --dry-run true
    """
    run_command("repair", options)


@main.command()
@_options(*_WHERE)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON instead of a table: the key status of the JSON report.",
)
def status(*, as_json: bool, **options: str) -> None:
    """Show which revision serves, and all revisions of the app.

    Example: deploy-action status --app api --resource-group rg --json
    """
    run_command("status", options, as_json=as_json)


@main.command()
@_options(
    *[
        item.name
        for item in setting_specs()
        if item.name not in {"command", "revision", "reason", "take-over"}
    ]
)
def validate(**options: str) -> None:
    """Check settings, manifest, Dockerfile and checkout; with --full true also Azure.

    Example: deploy-action validate --environment prod --full true
    """
    run_command("validate", options)


@main.command(hidden=True)
def action() -> None:
    """Run the command that the input 'command' names. Internal: called by action.yml."""
    run_command(os.environ.get("INPUT_COMMAND", "").strip() or "deploy", {})


@main.command(hidden=True)
def finish() -> None:
    """Recover from an interrupted step of this run. Internal: called by action.yml."""
    run_command("repair", {}, own_only=True)
