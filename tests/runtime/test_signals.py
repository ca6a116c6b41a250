"""Signals, sent to real processes."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from deploy_action.errors import CancelledError
from deploy_action.runtime.concurrency import BackgroundTask
from deploy_action.runtime.signals import SignalGuard
from deploy_action.runtime.polling import pause

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait", ["pause(60)", "BackgroundTask(lambda: pause(60)).result()"])
def test_the_first_signal_ends_any_wait_and_later_ones_do_not_disturb_putting_back(
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


def test_a_run_that_takes_too_long_is_broken_off_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines() == [
        "The run took longer than its time-limit. 4",
        "no limit any more",
    ]
