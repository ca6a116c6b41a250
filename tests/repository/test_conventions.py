"""Conventions that linters enforce: each linter detects a violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT

PROGRAMS = Path(sys.executable).parent
HOOKS = {
    hook["id"]: hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    for hook in repository["hooks"]
}


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("deploy_action/rollout/gates.py", "import subprocess\n"),
        ("deploy_action/adapters/http_probe.py", "import socket\n"),
        ("deploy_action/commands/deploy.py", "import time\n\ntime.sleep(1)\n"),
        ("deploy_action/services/__init__.py", "from os import environ\n\nprint(environ)\n"),
        ("deploy_action/sandbox/arm/service.py", "import os\n\nos.getenv('HOME')\n"),
    ],
)
def test_calls_reserved_to_one_module_are_banned_elsewhere(file: str, code: str) -> None:
    done = subprocess.run(
        [PROGRAMS / "ruff", "check", "--select", "TID251", "--stdin-filename", file, "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "TID251" in done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A new repository with the hooks of this one."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    return tmp_path


def hook(repository: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run one hook on all files of *repository*."""
    subprocess.run(["git", "add", "--all", "--force"], cwd=repository, check=True)
    return subprocess.run(
        [PROGRAMS / "prek", "run", "--all-files", name],
        cwd=repository,
        env={"PATH": "/usr/bin:/bin", "HOME": str(repository), "PREK_HOME": f"{repository}/.git/p"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_symbolic_link_to_an_environment_is_refused(repository: Path) -> None:
    assert hook(repository, "no-symlinks").returncode == 0

    (repository / ".venv").symlink_to(repository)

    refused = hook(repository, "no-symlinks")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert ".venv" in refused.stdout


@pytest.mark.parametrize("name", [".venv/pyvenv.cfg", ".build/x", "a/__pycache__/b.pyc", ".env"])
def test_files_of_one_machine_are_refused(repository: Path, name: str) -> None:
    assert hook(repository, "no-local-files").returncode == 0
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).touch()

    refused = hook(repository, "no-local-files")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert name in refused.stdout


def test_every_program_of_the_hooks_is_in_the_test_environment() -> None:
    """A hook needs nothing that `make setup` does not install."""
    for hook in HOOKS.values():
        if hook["language"] == "system":
            runner, program = hook["entry"].split()[:2]
            assert runner == "tools/in-env.sh"
            assert (PROGRAMS / program).exists() or program == "sh", program
