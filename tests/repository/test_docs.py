"""Files that the documentation names exist, and its links work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "tests").glob("*.md"),
]
FOLDERS = r"(?:deploy_action|tests|tools|docs|benchmarks|addin|\.github)/"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(re.findall(rf"`({FOLDERS}[\w./-]*)`", text))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_anchor_exists(page: Path) -> None:
    for path, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text("utf-8")):
        target = page.parent / path if path else page
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]

        assert anchor in slugs, f"{path}#{anchor}"


def test_every_message_that_troubleshooting_names_exists() -> None:
    table = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    source = "".join(
        file.read_text("utf-8")
        for file in (ROOT / "deploy_action").rglob("*.py")
        if "sandbox" not in file.parts
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # a message may span several literals

    assert messages
    assert [message for message in messages if message not in joined] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    decisions = sorted(file.name for file in folder.glob("0*.md"))

    assert re.findall(r"\((0[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8")) == decisions
    for name in decisions:
        lines = (folder / name).read_text("utf-8").splitlines()
        assert lines[0].startswith(f"# {name[:4]}: "), name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[2]), name


def test_contributing_lists_where_things_are() -> None:
    """The questions that newcomers ask first."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for question in (
        "Where are step weights decided?",
        "Where is a health check retried?",
        "Where is the first line of the summary made?",
        "Where is an input declared?",
        "Where is a notification channel added?",
    ):
        (row,) = [line for line in text.splitlines() if question in line]
        assert re.search(rf"`{FOLDERS}[\w./-]+`", row), question
