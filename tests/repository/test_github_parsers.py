"""GitHub's own parser accepts action.yml, the workflows and every example in the documentation.

It also checks the inputs that an example passes to the action.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT

pytestmark = [pytest.mark.xdist_group("parsers"), pytest.mark.slow]  # installs npm packages
SOURCE = ROOT / "tools" / "github-parsers"
WORKFLOWS = [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("docs/workflows/*.yml")]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```ya?ml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
STEPS = """\
on: push
permissions: {}
jobs:
  build:
    runs-on: ubuntu-latest
    outputs:
      image: contoso.azurecr.io/api
    steps:
      - run: echo built
  example:
    needs: build
    runs-on: ubuntu-latest
    steps:
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parsers, installed from their lock."""
    folder = tmp_path_factory.mktemp("parsers")
    for file in SOURCE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def check(programs: Path, *files: Path) -> str:
    """Return what the parser finds in *files*."""
    words = ["node", programs / "check.mjs", ROOT / "action.yml", *files]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    assert done.returncode == bool(done.stdout)
    return done.stdout


def examples() -> Iterator[tuple[str, str]]:
    """Yield name and text of every workflow, and of every step, in the documentation."""
    for page in PAGES:
        blocks = re.findall(
            r"^( *)```ya?ml\n(.*?)^ *```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        for number, (indent, block) in enumerate(blocks):
            text = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
            content = yaml.safe_load(text)
            name = f"{page.stem}-{number}"
            if isinstance(content, dict) and "jobs" in content:
                yield name, text
            elif isinstance(content, list) and any("uses" in step for step in content):
                yield name, STEPS + re.sub(r"^", "      ", text, flags=re.MULTILINE)


def test_the_parser_finds_nothing(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    texts = dict(examples())
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")

    assert len(texts) > 3
    assert check(programs, ROOT / "action.yml", *WORKFLOWS, *sorted(folder.iterdir())) == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("revision: ${{", "revisions: ${{", "revisions"),
        ("timeout-minutes", "timeout-minuts", "timeout-minuts"),
        ("inputs.reason", "inputs.raeson", "raeson"),
    ],
)
def test_mistakes_are_found(
    programs: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    file = tmp_path / ".github" / "workflows" / "spoilt.yml"
    file.parent.mkdir(parents=True)
    text = (ROOT / "docs" / "workflows" / "rollback.yml").read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")

    assert message in check(programs, file)


def test_a_mistake_in_the_action_is_found(programs: Path, tmp_path: Path) -> None:
    file = tmp_path / "action.yml"
    text = (ROOT / "action.yml").read_text("utf-8")
    file.write_text(text.replace("shell: bash", "shel: bash"), "utf-8")

    assert "shel" in check(programs, file)
