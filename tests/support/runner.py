"""A stand-in for GitHub's runner: cancels a step as it does, and runs the action's second step.

The protocol (GitHub's runner, ProcessInvoker): SIGINT to the step's process alone, after 7.5 s
SIGTERM, after 2.5 s more SIGKILL; then the action's ``always()`` step.
"""

from __future__ import annotations

import re
import signal
import subprocess

from tests.stage import Run, Stage
from tests.support.paths import ROOT
from tests.support.preloaded import Process

SIGTERM_S, SIGKILL_S = 7.5, 2.5


def cancel(process: Process) -> None:
    """Cancel a step: send the runner's signals in order until the process has exited."""
    for number, wait_s in ((signal.SIGINT, SIGTERM_S), (signal.SIGTERM, SIGKILL_S)):
        process.send_signal(number)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()


def second_step(stage: Stage, first: Run, **inputs: str) -> Run | None:
    """Run the action's second step as the same run, if action.yml's condition says so."""
    condition = next(
        line for line in (ROOT / "action.yml").read_text("utf-8").splitlines() if "always()" in line
    )
    results = re.findall(r'"([a-z-]+)"', condition)
    if (first.outputs.get("result") or "none") not in results:
        return None
    stage.runs -= 1  # the same run of the workflow
    return stage.finished(stage.started("finish", **inputs))
