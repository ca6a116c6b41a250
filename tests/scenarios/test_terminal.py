"""A person at a terminal gets marks, bars and colours, without times and workflow commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from tests.stage import HURRY, Stage
from tests.support.paths import ENTRY


def at_a_terminal(stage: Stage, **inputs: str) -> str:
    """Deploy with a terminal as standard output; return the text on it."""
    stage.runs += 1
    environment = stage.scene.runner_environment(stage.runs, **{**HURRY, **inputs})
    primary, secondary = os.openpty()
    chunks: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(primary, 1 << 16):
                chunks.append(chunk)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    subprocess.run(
        [sys.executable, str(ENTRY), "action"],
        env={**environment, "TERM": "xterm-256color"},
        cwd=stage.scene.workspace,
        stdin=subprocess.DEVNULL,
        stdout=secondary,
        stderr=secondary,
        check=True,
        timeout=300,
    )
    os.close(secondary)
    reader.join()
    os.close(primary)
    return b"".join(chunks).decode("utf-8")


def test_a_deployment_at_a_terminal_shows_marks_bars_and_a_changing_line(stage: Stage) -> None:
    stage.push_healthy()

    shown = at_a_terminal(stage, step_interval="3s")

    lines = [line.rpartition("\r\x1b[2K")[2] for line in shown.replace("\r\n", "\n").split("\n")]
    assert "\x1b[1mHealth-check the candidate on its own URL\x1b[0m" in lines
    assert any(line.startswith("  \x1b[32m✓\x1b[0m health: pass (") for line in lines), shown
    [quarter] = [line for line in lines if "  25 % to the candidate: " in line]
    assert quarter.startswith("  \x1b[32m█████\x1b[0m\x1b[34m░░░░░░░░░░░░░░░\x1b[0m  ")
    assert any(re.match(r"\x1b\[32m\x1b\[1m✓\x1b\[0m.*deployed after \d", line) for line in lines)
    assert "\r\x1b[2K\x1b[2m" in shown, "the changing line"
    assert "::" not in shown
    assert not re.search(r"\d\d:\d\d:\d\dZ", "\n".join(lines))
    [file] = Path(stage.scene.directory).rglob("deployment.log")
    assert re.search(r"Z info    gates     gate health: pass \(", file.read_text("utf-8"))
