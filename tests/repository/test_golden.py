"""The comparison with reviewed texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.golden import Golden


def test_a_text_equal_to_the_file_passes(tmp_path: Path) -> None:
    Golden(update=True, folder=tmp_path).check("a/summary.md", "Deployed in 3 s\n")

    Golden(update=False, folder=tmp_path).check("a/summary.md", "Deployed in 3 s")


def test_a_difference_fails_and_shows_it(tmp_path: Path) -> None:
    Golden(update=True, folder=tmp_path).check("summary.md", "Deployed")

    with pytest.raises(AssertionError, match=r"(?s)summary\.md differs.*-Deployed.*\+Aborted"):
        Golden(update=False, folder=tmp_path).check("summary.md", "Aborted")


def test_parts_that_differ_in_each_run_are_replaced(tmp_path: Path) -> None:
    Golden(update=True, folder=tmp_path).check("a", "took 3 s", [(r"\d+ s", "N s")])

    Golden(update=False, folder=tmp_path).check("a", "took 44 s", [(r"\d+ s", "N s")])


def test_a_missing_file_says_how_to_create_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="--update-golden"):
        Golden(update=False, folder=tmp_path).check("new.txt", "text")
