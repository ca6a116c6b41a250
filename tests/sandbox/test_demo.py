"""The demonstration, as a newcomer plays it: well, with a sick version, and on Azure's bad days."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy_action.sandbox.outage import names, outage
from deploy_action.sandbox.scene import ROOT


def _played(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy_action", "sandbox", "demo", *words]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_the_main_job_is_seen_from_outside_and_kept_as_a_page(tmp_path: Path) -> None:
    page = tmp_path / "folder" / "demo.html"
    told = _played("--page", str(page))

    assert told.returncode == 0, told.stdout + told.stderr
    assert "NOT SEEN" not in told.stdout
    assert "── Everything was seen" in told.stdout
    assert "watch it live in a browser: http://127.0.0.1:" in told.stdout
    assert "Bump the add-in to 1.3.0.3" in page.read_text("utf-8")


def test_a_sick_version_comes_back_by_itself() -> None:
    told = _played("--break")

    assert told.returncode == 0, told.stdout + told.stderr
    assert "seen      the step ended with exit code 4" in told.stdout


@pytest.mark.parametrize("name", names())
def test_a_bad_day_of_azure_ends_as_it_says(name: str) -> None:
    told = _played("--outage", name)
    ends = 4 if outage(name).aborts else 0

    assert told.returncode == 0, told.stdout + told.stderr
    assert f"── From now on {outage(name).about}" in told.stdout
    assert f"seen      the step ended with exit code {ends}" in told.stdout


def test_the_days_can_be_listed() -> None:
    told = _played("--outage", "list").stdout

    assert len(names()) >= 5
    assert [line.split()[0] for line in told.splitlines()] == names()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--outage", "flood"], "'flood' is none of lost-answers, no-capacity"),
        (["--outage", "throttled", "--break"], "tell one at a time"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], sentence: str) -> None:
    told = _played(*words)

    assert told.returncode == 2
    assert sentence in told.stderr
