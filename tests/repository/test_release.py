"""The release script changes all places of a version together, or nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy_action import __version__
from tests.support.paths import ROOT

NEXT = "7.0.0"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that a release changes, with one change to release."""
    for name in ("README.md", "pyproject.toml", "deploy_action/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changes\n\n## Unreleased\n\n- A fix.\n\n## 0.0.1 (2026-01-01)\n\n- The start.\n", "utf-8"
    )
    return tmp_path


def release(checkout: Path, version: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "tools/release.py"), version, "--root", str(checkout)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def content(checkout: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in checkout.rglob("*") if file.is_file()}


def pins(checkout: Path) -> set[str]:
    """Return the versions of the action that the documentation uses."""
    pages = [checkout / "README.md", *(checkout / "docs").rglob("*.md")]
    pages += (checkout / "docs").rglob("*.yml")
    text = "".join(page.read_text("utf-8") for page in pages)
    return set(re.findall(r"the-well/deploy-action@(\S+)", text))


def test_a_release_changes_every_place_of_the_version(checkout: Path) -> None:
    done = release(checkout, NEXT)

    assert (done.returncode, done.stdout) == (0, "- A fix.\n"), done.stderr
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == NEXT
    assert f'"{NEXT}"' in (checkout / "deploy_action/__init__.py").read_text("utf-8")
    assert pins(checkout) == {f"v{NEXT}"}
    changelog = (checkout / "CHANGELOG.md").read_text("utf-8")
    pattern = r"# Changes\n\n## Unreleased\n\n## 7\.0\.0 \(\d{4}-\d\d-\d\d\)\n\n- A fix\.\n\n## 0"
    assert re.match(pattern, changelog)


@pytest.mark.parametrize("version", [__version__, "0.0.9", "v7.0.0", "7.0", "7.0.0-rc1", "07.0.0"])
def test_a_version_that_is_not_newer_and_exact_changes_nothing(
    checkout: Path, version: str
) -> None:
    before = content(checkout)

    done = release(checkout, version)

    assert done.returncode == 1
    assert version in done.stderr
    assert content(checkout) == before


def test_a_release_needs_an_entry_in_the_changelog(checkout: Path) -> None:
    assert release(checkout, NEXT).returncode == 0
    before = content(checkout)

    done = release(checkout, "8.0.0")

    assert "no entry under" in done.stderr
    assert content(checkout) == before


def test_the_documentation_uses_the_current_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert project["version"] == __version__
    assert pins(ROOT) == {f"v{__version__}"}
