"""Signals, sent to real processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy_action.runtime.signals import SIGNALS

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import signal
import sys
from deploy_action.errors import CancelledError
from deploy_action.runtime.concurrency import BackgroundTask
from deploy_action.runtime.signals import SignalGuard
from deploy_action.runtime.polling import pause

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests run under nohup
signals = SignalGuard()
signals.install()
try:
    print("waiting", flush=True)
    {wait}
except CancelledError as cancelled:
    with signals.shielded():
        print("cancelled", flush=True)
        sys.stdin.readline()
        print("put back", flush=True)
    sys.exit(cancelled.exit_code)
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("wait", ["pause(60)", "BackgroundTask(lambda: pause(60)).result()"])
def test_the_first_signal_interrupts_waits_and_later_ones_do_not_interrupt_the_undo(
    number: signal.Signals, wait: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(wait=wait)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cancelled\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate("\n", timeout=60)

    assert rest == "put back\n"
    assert process.returncode == 128 + number


LATE = """
import sys
from deploy_action.errors import TimeLimitExceededError
from deploy_action.runtime.signals import SignalGuard
from deploy_action.runtime.polling import pause

signals = SignalGuard()
signals.install()
signals.limit(0.05)
try:
    pause(60)
except TimeLimitExceededError as late:
    with signals.shielded():
        pause(0.05)
    print(late.reason, late.exit_code)
signals = SignalGuard()
signals.limit(0.05)
signals.limit(0)
pause(0.1)
print("no limit any more")
"""


def test_the_time_limit_interrupts_a_run_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines() == [
        "The run took longer than its time-limit. 4",
        "no limit any more",
    ]


AT_THE_END = """
import sys, time
from deploy_action.runtime.signals import SignalGuard

class Slow:
    def __del__(self):
        print("finalizing", flush=True)
        sys.stdin.readline()

keep = sys.modules["kept"] = Slow()
signals = SignalGuard()
signals.install()
signals.ignore()
sys.exit(130)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_j1_a_signal_while_python_shuts_down_does_not_change_the_exit_code(
    number: signal.Signals,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", AT_THE_END], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "finalizing\n"
    process.send_signal(number)
    process.communicate("\n", timeout=60)

    assert process.returncode == 130


IN_A_FINALIZER = """
import os, signal
from deploy_action.errors import CancelledError
from deploy_action.runtime.polling import pause
from deploy_action.runtime.signals import SignalGuard

class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

signals = SignalGuard()
signals.install()
try:
    Interrupted()
    pause(60)
except CancelledError as cancelled:
    print("cancelled by", cancelled.signal_number)
"""


def test_t4_a_signal_whose_exception_is_dropped_by_a_finalizer_is_raised_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FINALIZER], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"cancelled by {int(signal.SIGTERM)}\n"
    assert not done.stderr


def test_x1_an_interrupt_while_the_package_is_imported_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "deploy_action" / "setup").mkdir(parents=True)
    entry = ROOT / "deploy_action" / "setup" / "entry.py"
    (tmp_path / "deploy_action" / "setup" / "entry.py").write_text(entry.read_text("utf-8"))
    (tmp_path / "deploy_action" / "__init__.py").touch()
    slow = "import time\nprint('importing', flush=True)\ntime.sleep(600)\n"
    (tmp_path / "deploy_action" / "cli.py").write_text(slow)
    process = subprocess.Popen(
        [sys.executable, "-I", tmp_path / "deploy_action" / "setup" / "entry.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)

    assert (process.returncode, rest) == (130, "")
