"""Reporting errors stay in reporting, and the channels that work report them."""

from __future__ import annotations

import io
import itertools
import json
import os
from pathlib import Path

import pytest

from deploy_action.adapters.github_runner import Runner
from deploy_action.adapters.report_folder import ReportFolder
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.report.json_report import Context
from deploy_action.reporter import Reporter
from deploy_action.runtime.masking import Mask
from deploy_action.runtime.polling import waiting
from deploy_action.runtime.runner_log import RunnerLog
from tests.report.examples import Script, read_everything
from tests.stage import outputs_of

SURROGATE = "caf\udce9"


def deployment(tmp_path: Path, log: io.StringIO, **variables: str) -> Reporter:
    """Report a small deployment; return the reporter."""
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "o")}
    mask, other = Mask(), io.StringIO()
    record = Record(command="deploy", clock=itertools.count(0.0).__next__, redact=mask.redact)
    runner_log = RunnerLog(log, other, commands=True)
    runner = Runner(environment={"GITHUB_ACTIONS": "true", **files, **variables}, log=runner_log)
    reporter = Reporter(
        runner=runner,
        record=record,
        folder=ReportFolder(environment={"RUNNER_TEMP": str(tmp_path), **variables}, token="t"),
        context=Context(tool_version="1.0.0", run_id="local.t", started_at="2026-11-25T10:00:00Z"),
    )
    runner_log.on_failure = lambda cause: reporter.failed("log", cause)
    record.listeners.append(reporter)
    with record.phase(Phase.PLAN):
        record.say(f"signed in as {SURROGATE}")
        record.warn(f"{SURROGATE} is odd")
        record.set_facts(version="1.2.3.4", url="https://api.example.com", reason=SURROGATE)
        record.gate_finished("smoke test", "pass", "hush_hush|x was known before it was a secret")
        mask.add("hush_hush|x")
        record.warn("the password is hush_hush|x")
    record.succeed("deployed")
    return reporter


def test_every_channel_is_written(tmp_path: Path) -> None:
    log = io.StringIO()

    assert deployment(tmp_path, log).problems == {}
    assert "serving revision" in (tmp_path / "summary").read_text("utf-8")
    assert "version<<ghadelimiter_" in (tmp_path / "o").read_text("utf-8")
    assert "1.2.3.4 serves at https://api.example.com" in log.getvalue()


@pytest.mark.parametrize(
    ("variable", "channel"), [("GITHUB_STEP_SUMMARY", "job summary"), ("GITHUB_OUTPUT", "outputs")]
)
@pytest.mark.parametrize(
    ("place", "cause"),
    [
        ("/dev/full", "No space left on device"),
        ("{}", "Is a directory"),
        ("{}/no/such/file", "No such file or directory"),
    ],
)
def test_r2_a_file_that_cannot_be_written_is_reported_in_the_log(
    tmp_path: Path, variable: str, channel: str, place: str, cause: str
) -> None:
    log = io.StringIO()
    deployment(tmp_path, log, **{variable: place.format(tmp_path)})

    text = f"The {channel} cannot be written: {cause}."
    assert log.getvalue().count(f"warning: {text}") == 1
    assert f"::warning title=Reporting::{text}" in log.getvalue()
    assert "1.2.3.4 serves at" in log.getvalue()


def test_r2_a_closed_log_is_reported_in_the_summary(tmp_path: Path) -> None:
    log = io.StringIO()
    log.close()
    deployment(tmp_path, log)

    summary = (tmp_path / "summary").read_text("utf-8")
    assert "- The log cannot be written: I/O operation on closed file." in summary


def test_r2_outputs_are_written_completely_or_not_at_all(tmp_path: Path) -> None:
    """The runner fails a step whose output has no closing delimiter."""
    small = tmp_path / "small"
    small.write_text("earlier=1\n")
    runner = Runner(environment={"GITHUB_OUTPUT": str(small)}, log=RunnerLog(None, commands=True))
    pid = os.fork()
    if pid == 0:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
        try:
            runner.outputs({"version": "1" * 2_000})
        except OSError:
            os._exit(0)
        os._exit(1)

    assert os.waitpid(pid, 0)[1] == 0
    assert small.read_text() == "earlier=1\n"


def test_the_report_is_written_and_its_path_is_an_output(tmp_path: Path) -> None:
    log = io.StringIO()
    deployment(tmp_path, log)

    file = Path(outputs_of(tmp_path / "o")["report"])
    assert json.loads(file.read_text("utf-8"))["result"] == "deployed"
    assert f"Report: {file}" in log.getvalue()
    assert file.stat().st_mode & 0o777 == 0o600 or file.parent.stat().st_mode & 0o777 == 0o700


def test_r2_a_report_that_cannot_be_written_is_reported_in_log_and_summary(tmp_path: Path) -> None:
    log = io.StringIO()
    blocked = tmp_path / "file"
    blocked.write_text("")
    deployment(tmp_path, log, RUNNER_TEMP=str(blocked))

    assert "warning: The JSON report cannot be written: " in log.getvalue()
    assert "The JSON report cannot be written" in (tmp_path / "summary").read_text("utf-8")
    assert outputs_of(tmp_path / "o")["report"] == ""


def test_s1_the_report_shows_no_part_of_a_secret(tmp_path: Path) -> None:
    deployment(tmp_path, io.StringIO())

    text = Path(outputs_of(tmp_path / "o")["report"]).read_text("utf-8")
    assert "the password is ***" in text
    assert "hush" not in text


def test_s1_the_summary_shows_no_part_of_a_secret(tmp_path: Path) -> None:
    deployment(tmp_path, io.StringIO())

    assert "hush" not in (tmp_path / "summary").read_text("utf-8")


def test_a_silent_run_says_what_it_does_and_how_long_it_takes_at_least(tmp_path: Path) -> None:
    run = Script()
    environment = {"RUNNER_TEMP": str(tmp_path)}
    reporter = Reporter(
        runner=Runner(environment=environment, log=RunnerLog(io.StringIO(), commands=False)),
        record=run.record,
        folder=ReportFolder(environment=environment, token="t"),
        context=Context(tool_version="1.0.0", run_id="local.t", started_at="2026-11-25T10:00:00Z"),
    )
    run.record.listeners.append(reporter)
    read_everything(run)
    with run.record.phase(Phase.IMAGE):
        run.now_s += 30
        building = reporter.progress()
        with waiting(lambda: "waiting for build ca1: Running"):
            polling = reporter.progress()

    remaining = "; the run takes at least 25 min more"
    assert building == f"Build the image and resolve its digest: in progress for 30 s{remaining}"
    assert polling == f"waiting for build ca1: Running{remaining}"
