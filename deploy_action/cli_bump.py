"""The command ``bump``: it needs no settings and no Azure."""

# ruff: noqa: PLC0415  a command imports what it uses

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from typing import Any

import click

from deploy_action.core.record import Record
from deploy_action.errors import DeployError
from deploy_action.run_command import end_process, make_log, make_reporter
from deploy_action.runtime.log_file import LogFile


@click.command()
@click.argument("manifests", nargs=-1, required=True, metavar="MANIFEST...")
@click.option(
    "--part",
    type=click.Choice(["build", "patch", "minor", "major"]),
    help="The part to bump. [default: the last part (build, or patch in a unified manifest)]",
)
@click.option(
    "--set",
    "exactly",
    metavar="VERSION",
    help="The version to write. Cannot be combined with --part.",
)
@click.option("--allow-lower", is_flag=True, help="Allow --set to write a lower version.")
@click.option(
    "--carry", is_flag=True, help="If a part is already at its maximum, bump the next higher part."
)
@click.option(
    "--url-mode",
    type=click.Choice(["refresh", "add", "off"]),
    default="refresh",
    show_default=True,
    help="Update the version parameter of pages that have it, also add it to pages without it, or "
    "do not change URLs.",
)
@click.option(
    "--url-parameter",
    default="v",
    show_default=True,
    help="The query parameter that contains the version.",
)
@click.option(
    "--url-match",
    type=click.Choice(["versions", "any"]),
    default="versions",
    show_default=True,
    help="Which values of the parameter to replace: version numbers only, or any.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="A further origin of the add-in's own pages, such as https://cdn.contoso.com; repeatable.",
)
@click.option("--add-images", is_flag=True, help="With --url-mode add: also add it to images.")
@click.option("--add-runtime", is_flag=True, help="With --url-mode add: also add it to scripts.")
@click.option(
    "--allowed-list",
    type=click.Choice(["error", "warn", "update"]),
    default="error",
    show_default=True,
    help="What to do if microsoft-officeaddins-allowed.json lists a script URL that changes.",
)
@click.option("--check", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a diff.")
def bump(*, as_json: bool, **options: Any) -> None:
    """Bump the version of add-in manifests, XML or JSON, and of the URLs that contain it.

    Changes nothing else. With several manifests, all are planned before any is written.

    Example: deploy-action bump addin/manifest.xml --part minor --check
    """
    from deploy_action.adapters.github_runner import Runner
    from deploy_action.commands.bump import BumpRequest, describe
    from deploy_action.commands.bump import bump as run_bump

    record = Record(command="bump", clock=time.monotonic)
    runner = Runner(environment=os.environ, log=make_log(sys.stderr, sys.stdout))
    reporter = make_reporter(runner, record)
    log_file = LogFile(
        lambda: reporter.folder.log, lambda cause: reporter.failed("log file", cause)
    )
    runner.log.copy = log_file.write
    with closing(log_file):
        try:
            results = run_bump(BumpRequest.from_options(**options))
        except DeployError as error:
            place = f"{error.place}: " if error.place else ""
            runner.log.text(f"{place}{error}")
            runner.annotate("error", "Manifest", str(error), error.place)
            record.fail(error)
            reporter.report_only()
            end_process(error.exit_code)
        record.bumped = tuple(item.as_json() for item in results)
        record.succeed("planned" if options["check"] else "ok")
        runner.log.copy_only(describe(results), component="bump")
        reporter.report_only()
    log = make_log(sys.stdout, sys.stderr)
    if as_json:
        log.json(list(record.bumped))
    else:
        log.text(describe(results))
