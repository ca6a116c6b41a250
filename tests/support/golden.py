"""Compares the product's output with golden files, which were reviewed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "golden"


@dataclass(frozen=True, slots=True)
class Golden:
    """The reviewed texts in ``tests/golden``.

    Args:
        update: whether to rewrite the files instead of comparing.
        folder: where they are.
    """

    update: bool
    folder: Path = FOLDER

    def check(self, name: str, text: str, replace: Iterable[tuple[str, str]] = ()) -> None:
        """Check that *text* is the content of file *name*.

        Args:
            name: the file's name.
            text: what the product wrote.
            replace: pairs of a regular expression and its replacement, for parts that differ in
                each run, such as durations.
        """
        for pattern, replacement in replace:
            text = re.sub(pattern, replacement, text)
        text = text.rstrip("\n") + "\n"
        file = self.folder / name
        if self.update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            return
        assert file.exists(), f"{name} does not exist; run pytest with --update-golden, and read it"
        expected = file.read_text("utf-8")
        difference = difflib.unified_diff(
            expected.splitlines(), text.splitlines(), "reviewed", "now", lineterm=""
        )
        assert text == expected, "\n".join(
            [f"{name} differs from the reviewed text (--update-golden rewrites it):", *difference]
        )
