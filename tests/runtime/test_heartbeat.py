"""The log is never silent for long, and says what the run waits for."""

from __future__ import annotations

import io
import threading

from deploy_action.runtime.heartbeat import EVERY_S, Heartbeat
from deploy_action.runtime.polling import Deadline, poll_until, waiting, waits_for
from deploy_action.runtime.runner_log import RunnerLog
from tests.support.eventually import eventually


def test_a_silent_log_gets_a_line_at_least_every_15_s() -> None:
    assert EVERY_S < 15


def test_a_line_follows_each_silence_until_the_end() -> None:
    stream = io.StringIO()
    log = RunnerLog(stream, commands=False)
    heartbeat = Heartbeat(
        log.text, silence_s=log.silence_s, describe=lambda: "still here", every_s=0.01
    )
    heartbeat.start()
    eventually(lambda: stream.getvalue().count("still here") > 2, "three lines are written")
    heartbeat.stop()
    lines = stream.getvalue()

    assert set(lines.splitlines()) == {"still here"}


def test_a_log_that_is_written_to_gets_no_further_line() -> None:
    lines: list[str] = []
    requests_made = threading.Event()

    def silence_s() -> float:
        requests_made.set()
        return 0.0

    heartbeat = Heartbeat(lines.append, silence_s=silence_s, describe=lambda: "x", every_s=0.01)
    heartbeat.start()
    requests_made.wait()
    heartbeat.stop()

    assert lines == []


def test_a_poll_describes_what_it_waits_for_and_its_last_state() -> None:
    observed: list[str] = []

    def probe() -> tuple[str | None, str]:
        observed.append(waits_for())
        return ("done" if len(observed) > 1 else None), "the app is InProgress"

    poll_until(probe, what="Azure to finish a change", deadline=Deadline(60), first=0.01)

    assert observed == [
        "waiting for Azure to finish a change",
        "waiting for Azure to finish a change: the app is InProgress",
    ]
    assert waits_for() == ""


def test_the_newest_wait_is_described() -> None:
    with waiting(lambda: "outer"):
        with waiting(lambda: "inner"):
            assert waits_for() == "inner"
        assert waits_for() == "outer"
