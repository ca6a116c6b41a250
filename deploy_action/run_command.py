"""Run one command from its settings to its report; the only module that exits the process."""

# ruff: noqa: PLC0415  a command imports what it uses

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from deploy_action import __version__
from deploy_action.core.record import Record
from deploy_action.core.settings.schema import Settings, secret_values, setting_specs
from deploy_action.core.status import AppStatus
from deploy_action.errors import CancelledError, InputError
from deploy_action.runtime.heartbeat import Heartbeat
from deploy_action.runtime.log_file import LogFile
from deploy_action.runtime.masking import Mask, secret_parts
from deploy_action.runtime.request_trace import TRACE
from deploy_action.runtime.runner_log import RunnerLog, close_streams, silence_libraries
from deploy_action.runtime.signals import SignalGuard
from deploy_action.runtime.terminal import Terminal

if TYPE_CHECKING:
    from deploy_action.adapters.github_runner import Runner
    from deploy_action.reporter import Reporter
    from deploy_action.services import Services

# Secrets that are not inputs: GitHub's own, and the variable that cache-url may come from.
_SECRET_VARIABLES = (
    "AZURE_REDIS_CONNECTION_STRING",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
)


def run_command(
    command: str, options: Mapping[str, str], *, as_json: bool = False, own_only: bool = False
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
    log = make_log(*streams, mask=mask, clock=None if terminal else _utc, terminal=terminal)
    debug = _debug(log)
    signals.install()
    folder = options.get("working_directory") or os.environ.get("INPUT_WORKING_DIRECTORY", "")
    runner = Runner(environment=os.environ, log=log, folder=folder)
    reporter = make_reporter(runner, record, prefix="finish-" if own_only else "")
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
        overrides = {name.replace("_", "-"): text for name, text in options.items()}
        settings = _settings(runner, record, {**overrides, "command": command})
        _mask(secret_values(settings), mask, runner)
        reporter.announce_artifact(settings.log_retention_days)
        shown = _dispatch(settings, runner, mask, record, signals, own_only=own_only)
        if shown is not None and as_json:
            make_log(sys.stdout, mask=mask).json(json_report.as_json(shown))
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
    end_process(code)


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
        from deploy_action.services.plan_comment import comment_on_invalid_settings

        comment_on_invalid_settings(runner, record, error)
        raise


def make_reporter(runner: Runner, record: Record, *, prefix: str = "") -> Reporter:
    """Return what writes the record to the log, the summary, the outputs and the report folder."""
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


def make_log(
    *streams: TextIO | None,
    mask: Mask | None = None,
    clock: Callable[[], str] | None = None,
    terminal: Terminal | None = None,
) -> RunnerLog:
    """Return a log that writes to the first working stream of *streams*."""
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


def end_process(code: int) -> NoReturn:
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
