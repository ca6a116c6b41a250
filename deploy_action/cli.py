"""The command line; the only module that exits the process.

Every input of the action is read from ``INPUT_<NAME>`` in the environment; every setting is also an
option, which takes precedence. Exit codes: docs/results.md.
"""

# ruff: noqa: PLC0415  a command imports what it uses

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from deploy_action import __version__
from deploy_action.cli_init import init
from deploy_action.core.record import Record
from deploy_action.core.settings.schema import Settings, secret_values, setting_specs
from deploy_action.core.status import AppStatus
from deploy_action.errors import CancelledError, DeployError, InputError
from deploy_action.runtime.heartbeat import Heartbeat
from deploy_action.runtime.log_file import LogFile
from deploy_action.runtime.masking import Mask, secret_parts
from deploy_action.runtime.request_trace import TRACE
from deploy_action.runtime.runner_log import RunnerLog, close_streams, silence_libraries
from deploy_action.runtime.signals import SignalGuard
from deploy_action.runtime.terminal import Terminal

if TYPE_CHECKING:
    from deploy_action.services import Services

if TYPE_CHECKING:
    from deploy_action.adapters.github_runner import Runner
    from deploy_action.reporter import Reporter

# Secrets that are no input: GitHub's own, and the variable that cache-url may come from.
_SECRET_VARIABLES = (
    "AZURE_REDIS_CONNECTION_STRING",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
)
_EPILOG = "Exit codes: 0 done, 1 unexpected error, 2 invalid input, 3 refused, 4 aborted and \
restored, 5 not everything restored, 6 another run owns the app, 130 and 143 cancelled."


class _Lazy(click.Group):
    """Loads the sandbox only for its command, and shows no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "sandbox"]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except DeployError as error:
            _log(sys.stderr).text(str(error))
            ctx.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001  reported as a bug
            from deploy_action.adapters.github_runner import Runner

            record = Record(command=ctx.invoked_subcommand or "", clock=time.monotonic)
            runner = Runner(environment=os.environ, log=_log(sys.stderr))
            record.listeners.append(_reporter(runner, record))
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


@click.group(cls=_Lazy, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Blue-green deploys for Azure Container Apps."""


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
def deploy(**given: str) -> None:
    """Deploy the checked-out commit. On failure, roll everything back.

    Example: deploy-action deploy --app api --resource-group rg --registry contoso --dry-run true
    """
    _run("deploy", given)


@main.command()
@_options(
    *(*_WHERE, *_GATES, *_CACHE),
    *("revision", "reason", "identity-path", "convert-mode", "dry-run"),
    *("manifest", "manifest-on-rollback", "commit", "git-token"),
)
def rollback(**given: str) -> None:
    """Shift all traffic back to the previous revision, or to a named one.

    Example: deploy-action rollback --app api --resource-group rg --reason "errors at login"
    """
    _run("rollback", given)


@main.command()
@_options(*_WHERE, *_CACHE, "take-over", "dry-run")
def repair(**given: str) -> None:
    """Recover from a run that was cancelled, killed or lost.

    Example: deploy-action repair --app api --resource-group rg --dry-run true
    """
    _run("repair", given)


@main.command()
@_options(*_WHERE)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON instead of a table: the key status of the JSON report.",
)
def status(*, as_json: bool, **given: str) -> None:
    """Show what serves, and the app's revisions.

    Example: deploy-action status --app api --resource-group rg --json
    """
    _run("status", given, as_json=as_json)


@main.command()
@_options(
    *[
        item.name
        for item in setting_specs()
        if item.name not in {"command", "revision", "reason", "take-over"}
    ]
)
def validate(**given: str) -> None:
    """Check settings, manifest, Dockerfile and checkout; with --full true also Azure.

    Example: deploy-action validate --environment prod --full true
    """
    _run("validate", given)


@main.command()
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
    "leave all URLs.",
)
@click.option(
    "--url-parameter",
    default="v",
    show_default=True,
    help="The query parameter that carries the version.",
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
    """Bump the version of add-in manifests, XML or JSON, and of the URLs that carry it.

    Changes nothing else. With several manifests, all are planned before any is written.

    Example: deploy-action bump addin/manifest.xml --part minor --check
    """
    from deploy_action.adapters.github_runner import Runner
    from deploy_action.commands.bump import BumpRequest, describe
    from deploy_action.commands.bump import bump as run_bump

    record = Record(command="bump", clock=time.monotonic)
    runner = Runner(environment=os.environ, log=_log(sys.stderr, sys.stdout))
    reporter = _reporter(runner, record)
    try:
        results = run_bump(BumpRequest.from_options(**options))
    except DeployError as error:
        place = f"{error.place}: " if error.place else ""
        runner.log.text(f"{place}{error}")
        runner.annotate("error", "Manifest", str(error), error.place)
        record.fail(error)
        reporter.report_only()
        _exit(error.exit_code)
    record.bumped = tuple(item.as_json() for item in results)
    record.succeed("planned" if options["check"] else "ok")
    reporter.report_only()
    log = _log(sys.stdout, sys.stderr)
    if as_json:
        log.json(list(record.bumped))
    else:
        log.text(describe(results))


@main.command()
def action() -> None:
    """Run the command in the input ``command``; action.yml calls this."""
    _run(os.environ.get("INPUT_COMMAND", "").strip() or "deploy", {})


@main.command()
def finish() -> None:
    """Recover from an interrupted step of this run. Internal: called by action.yml."""
    _run("repair", {}, own_only=True)


def _run(
    command: str, given: Mapping[str, str], *, as_json: bool = False, own_only: bool = False
) -> None:
    """Load the settings, run one command, report the result and exit."""
    from deploy_action.adapters.github_runner import Runner
    from deploy_action.report import json_report
    from deploy_action.report.table import table

    signals = SignalGuard()
    mask = Mask()
    record = Record(command=command, clock=time.monotonic, redact=mask.redact)
    streams = (sys.stderr, sys.stdout) if as_json else (sys.stdout, sys.stderr)
    terminal = Terminal.of(streams[0], os.environ)
    log = _log(*streams, mask=mask, clock=None if terminal else _utc, terminal=terminal)
    debug = _debug(log)
    signals.install()
    folder = given.get("working_directory") or os.environ.get("INPUT_WORKING_DIRECTORY", "")
    runner = Runner(environment=os.environ, log=log, folder=folder)
    reporter = _reporter(runner, record, prefix="finish-" if own_only else "")
    log.on_failure = lambda cause: reporter.failed("log", cause)
    log_file = LogFile(
        lambda: reporter.folder.log, lambda cause: reporter.failed("log file", cause)
    )
    log.copy = log_file.write
    record.listeners.append(reporter)
    heartbeat = _heartbeat(log, reporter)
    heartbeat.start()
    _mask(_secrets(os.environ), mask, runner)
    code = 0
    try:
        overrides = {name.replace("_", "-"): text for name, text in given.items()}
        settings = _settings(runner, record, {**overrides, "command": command})
        _mask(secret_values(settings), mask, runner)
        reporter.announce_artifact(settings.log_retention_days)
        shown = _dispatch(settings, runner, mask, record, signals, own_only=own_only)
        if shown is not None and as_json:
            _log(sys.stdout, mask=mask).json(json_report.as_json(shown))
        elif shown is not None:
            log.text(table(shown), plain=True)
    except (Exception, CancelledError) as error:  # noqa: BLE001  the only exit
        with signals.shielded():
            heartbeat.stop()
            log.end_live()
            if _debugging():
                debug("".join(traceback.format_exception(error)))
            record.crashed(error)
            record.fail(error)
            ending = record.ending
        code = ending.exit_code if ending else 1
    signals.ignore()
    heartbeat.stop()
    log.end_live()
    log_file.close()
    _exit(code)


def _debug(log: RunnerLog) -> Callable[[str], None]:
    """Log requests and messages of libraries when debugging; return what logs a message."""
    write = partial(log.text, level="debug", component="library")
    silence_libraries(write if _debugging() else None)
    if _debugging():
        TRACE.listener = partial(log.text, level="debug", component="request")
    return write


def _heartbeat(log: RunnerLog, reporter: Reporter) -> Heartbeat:
    """Return what reports progress: the changing line of a terminal, or lines of the log."""
    if log.terminal:
        return Heartbeat.each_second(log.live, reporter.progress)
    write = partial(log.text, component="progress")
    return Heartbeat(write, silence_s=log.silence_s, describe=reporter.progress)


def _mask(secrets: Iterable[str], mask: Mask, runner: Runner) -> None:
    """Mask *secrets* in everything that the run writes, and in the runner's log."""
    for secret in secrets:
        if mask.add(secret):
            runner.mask(secret)


def _settings(runner: Runner, record: Record, overrides: Mapping[str, str]) -> Settings:
    """Return the settings; `validate` shows their faults as rows of its table."""
    from deploy_action.inputs.environment import load

    try:
        return load(os.environ, runner.checkout, overrides)
    except InputError as error:
        if overrides["command"] == "validate":
            from deploy_action.core.validation import unsuccessful

            record.validated(tuple(unsuccessful("settings", error)))
        raise


def _reporter(runner: Runner, record: Record, *, prefix: str = "") -> Reporter:
    from deploy_action.adapters.report_folder import ReportFolder
    from deploy_action.report.json_report import Context
    from deploy_action.reporter import Reporter
    from deploy_action.runtime.polling import in_utc, now_utc

    return Reporter(
        runner=runner,
        record=record,
        folder=ReportFolder(environment=os.environ, token=runner.token, prefix=prefix),
        context=Context(
            tool_version=__version__, run_id=runner.run.id, started_at=in_utc(now_utc())
        ),
    )


def _log(
    *streams: TextIO | None,
    mask: Mask | None = None,
    clock: Callable[[], str] | None = None,
    terminal: Terminal | None = None,
) -> RunnerLog:
    return RunnerLog(
        *streams,
        commands=os.environ.get("GITHUB_ACTIONS") == "true",
        redact=mask.redact if mask else str,
        clock=clock,
        terminal=terminal,
    )


def _utc() -> str:
    return time.strftime("%H:%M:%SZ", time.gmtime())


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield every secret that the environment holds, before anything can print it."""
    names = [
        "INPUT_" + setting.name.replace("-", "_").upper()
        for setting in setting_specs()
        if setting.secret
    ]
    for name in (*names, *_SECRET_VARIABLES):
        if value := environment.get(name, ""):
            yield value
            yield from secret_parts(value)
    for line in environment.get("INPUT_SECRETS", "").splitlines():
        yield line.partition("=")[2]


def _exit(code: int) -> NoReturn:
    """End the process; a stream that is broken does not change the exit code."""
    close_streams()
    sys.exit(code)


def _dispatch(
    settings: Settings,
    runner: Any,
    mask: Mask,
    record: Record,
    signals: SignalGuard,
    *,
    own_only: bool,
) -> AppStatus | None:
    """Run the command; only `status` returns output to print."""
    from deploy_action.core.settings.choices import Command
    from deploy_action.services import Services

    services = Services(
        settings=settings,
        environment=os.environ,
        runner=runner,
        mask=mask,
        record=record,
        signals=signals,
    )
    signals.limit(settings.time_limit_s)
    record.set_facts(**services.context())
    if settings.command is Command.VALIDATE:  # offline, it reads no vault
        from deploy_action.commands.validate import validate as run_validate

        run_validate(settings, services, record)
        return None
    record.listeners.append(services.announcements)
    from deploy_action.services.plan_comment import plan_comment

    services = services.with_vault_secrets()
    with plan_comment(services):
        return _command(services, record, own_only=own_only)


def _command(services: Services, record: Record, *, own_only: bool) -> AppStatus | None:
    """Run the command with its vault secrets; only `status` returns output to print."""
    from deploy_action.core.settings.choices import Command

    settings = services.settings
    match settings.command:
        case Command.DEPLOY if settings.create and not services.app.creation.exists():
            from deploy_action.commands.create import create

            create(settings, services, record)
        case Command.DEPLOY:
            from deploy_action.commands.deploy import deploy as run_deploy

            run_deploy(settings, services, record)
        case Command.ROLLBACK:
            from deploy_action.commands.rollback import rollback as run_rollback

            run_rollback(settings, services, record)
        case Command.REPAIR:
            from deploy_action.commands.repair import finish as run_finish
            from deploy_action.commands.repair import repair as run_repair

            (run_finish if own_only else run_repair)(settings, services, record)
        case Command.STATUS:
            from deploy_action.commands.status import status as run_status

            return run_status(settings, services, record)
    return None


def _debugging() -> bool:
    return os.environ.get("RUNNER_DEBUG") == "1" or os.environ.get("DEPLOYMENT_DEBUG") in {
        "1",
        "true",
    }
