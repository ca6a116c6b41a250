"""The command line: the group of all commands.

Every input of the action is read from ``INPUT_<NAME>`` in the environment; every setting is also an
option, which takes precedence. Exit codes: docs/results.md.
"""

# ruff: noqa: PLC0415  a command imports what it uses

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from deploy_action import __version__
from deploy_action.errors import DeployError

_EPILOG = "Exit codes: 0 done, 1 unexpected error, 2 invalid input, 3 refused, 4 aborted and \
restored, 5 not everything restored, 6 another run owns the app, 130 and 143 cancelled."


class _MainGroup(click.Group):
    """Imports only the command in use, and shows no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from deploy_action.cli_app import COMMANDS

        return [*super().list_commands(ctx), *sorted([*COMMANDS, "bump", "init"]), "sandbox"]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except DeployError as error:
            from deploy_action.run_command import make_log

            make_log(sys.stderr).text(str(error))
            ctx.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001  reported as a bug
            from deploy_action.adapters.github_runner import Runner
            from deploy_action.core.record import Record
            from deploy_action.run_command import make_log, make_reporter

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
        if cmd_name == "bump":
            from deploy_action.cli_bump import bump

            return bump
        if cmd_name == "init":
            from deploy_action.cli_init import init

            return init
        from deploy_action.cli_app import COMMANDS

        return COMMANDS.get(cmd_name) or super().get_command(ctx, cmd_name)


@click.group(
    cls=_MainGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Blue-green deploys for Azure Container Apps."""
