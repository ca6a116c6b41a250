"""The demonstration: a version that works, one that does not, and outages of Azure."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from deploy_action.sandbox.outage import names, outage
from tests.support.paths import ROOT


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "deploy_action", "sandbox", "demo", *words]


def _played(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(*words), cwd=ROOT, check=False, capture_output=True, text=True)


def _start(*words: str, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(*words), cwd=ROOT, stdout=stdout, stderr=subprocess.DEVNULL)


def _read_all(terminal: BinaryIO) -> str:
    """Read until the other end of a terminal is closed, which Linux reports as an error."""
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal.fileno(), 65536):
            shown += piece
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.long
def test_the_main_job_is_checked_from_outside_and_kept_as_a_page(tmp_path: Path) -> None:
    page = tmp_path / "folder" / "demo.html"
    played = _played("--page", str(page))

    assert played.returncode == 0, played.stdout + played.stderr
    assert "✗" not in played.stdout
    sentence = r"\n[\d,]+ requests, 0 failed, while 1\.3\.0\.2 was replaced by 1\.3\.0\.3\.\n"
    assert re.search(sentence, played.stdout)
    assert "live page  http://127.0.0.1:" in played.stdout
    assert "Bump the add-in to 1.3.0.3" in page.read_text("utf-8")
    assert page.read_text("utf-8").count('"kind": "phase"') >= 10
    assert "::" not in played.stdout
    assert not re.search(r"Step 1/\d+", played.stdout)
    assert re.search(r"build log: \d+ lines", played.stdout)
    assert "\n| " not in played.stdout
    assert "\x1b[" not in played.stdout


def test_a_terminal_gets_colour_and_a_verbose_demo_all_lines() -> None:
    read, write = pty.openpty()
    with os.fdopen(read, "rb") as terminal:
        process = _start("--verbose", stdout=write)
        os.close(write)
        shown = _read_all(terminal)
    assert process.wait() == 0

    assert "\x1b[32m✓\x1b[0m" in shown
    assert re.search(r"Step 1/\d+", shown)
    assert "\n| " in shown


def test_an_unhealthy_version_is_rolled_back() -> None:
    played = _played("--break")

    assert played.returncode == 0, played.stdout + played.stderr
    assert "✓ the job's step exited with code 4" in played.stdout
    assert "while 1.3.0.3 was rejected and 1.3.0.2 kept serving." in played.stdout


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_an_outage_has_its_declared_result(name: str) -> None:
    played = _played("--outage", name)
    ends = 4 if outage(name).aborts else 0

    assert played.returncode == 0, played.stdout + played.stderr
    assert f"── Outage: {outage(name).about}" in played.stdout
    assert f"✓ the job's step exited with code {ends}" in played.stdout


def test_outages_can_be_listed() -> None:
    played = _played("--outage", "list").stdout

    assert len(names()) >= 5
    assert [line.split()[0] for line in played.splitlines()] == names()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--outage", "flood"], "'flood' is not one of failing-requests, lost-answers"),
        (["--outage", "throttled", "--break"], "cannot be combined"),
    ],
)
def test_wrong_options_are_refused(words: list[str], sentence: str) -> None:
    played = _played(*words)

    assert played.returncode == 2
    assert sentence in played.stderr
