"""The command line reports every input error with a message and a documented exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deploy_action
from tests.support.paths import ROOT

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
# Without "up" and "demo", which start a sandbox that runs until it is stopped.
WORDS = st.sampled_from(
    [
        "deploy",
        "rollback",
        "repair",
        "status",
        "bump",
        "finish",
        "action",
        "sandbox",
        "--app",
        "--resource-group",
        "--dry-run",
        "--version",
        "--json",
        "--part",
        "--set",
        "--help",
        "--env-file",
        "/nonexistent/x",
        "--url-parameter",
        '"',
        "--origin",
        "--check",
        "api",
    ]
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "deploy_action", *arguments],
        env={**ENVIRONMENT, **variables},
        cwd="/",
        capture_output=True,
        check=False,
        timeout=300,
    )


def test_the_version_is_printed_and_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert run("--version").stdout.decode().strip() == project["version"]
    assert deploy_action.__version__ == project["version"]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS | TEXTS, max_size=5))
def test_no_input_prints_a_traceback(arguments: list[str]) -> None:
    done = run(*arguments)

    assert b"Traceback" not in done.stdout + done.stderr
    assert done.returncode in {0, 1, 2, 3}


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_without_unicode_prints_no_traceback(encoding: str, tmp_path: Path) -> None:
    done = run("status", "--app", "é→", "--resource-group", "rg", PYTHONIOENCODING=encoding)

    assert b"Traceback" not in done.stdout + done.stderr
    assert done.returncode == 2
