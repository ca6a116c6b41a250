"""Commands that work on an app: their options, which are the settings of `core.settings`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from deploy_action.core.settings.schema import setting_specs
from deploy_action.run_command import run_command


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


@click.command()
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


@click.command()
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


@click.command()
@_options(*_WHERE, *_CACHE, "take-over", "dry-run")
def repair(**options: str) -> None:
    """Recover from a run that was cancelled, killed or lost.

    Example: deploy-action repair --app api --resource-group rg --dry-run true
    """
    run_command("repair", options)


@click.command()
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


@click.command()
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


@click.command(hidden=True)
def action() -> None:
    """Run the command that the input 'command' names. Internal: called by action.yml."""
    run_command(os.environ.get("INPUT_COMMAND", "").strip() or "deploy", {})


@click.command(hidden=True)
def finish() -> None:
    """Recover from an interrupted step of this run. Internal: called by action.yml."""
    run_command("repair", {}, own_only=True)


COMMANDS = {
    item.name or "": item for item in (deploy, rollback, repair, status, validate, action, finish)
}
