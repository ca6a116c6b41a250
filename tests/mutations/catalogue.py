"""Reads the mutations: one file for each area of the product."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parent
ROOT = HOME.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One defect.

    Args:
        area: the name of the file that lists it.
        name: what does not work with it.
        file: the file that it changes, relative to the repository.
        old: the text that it replaces; it occurs once in that file.
        new: the text that it puts there.
        tests: node ids of tests; at least one of them must fail.
    """

    area: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the file's text with the defect.

        Raises:
            ValueError: the text to replace does not occur exactly once.
        """
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: {self.file} has {text.count(self.old)} times: {self.old}"
            )
        return text.replace(self.old, self.new)


def catalogue() -> list[Mutation]:
    """Return all mutations, sorted by area."""
    items = []
    for file in sorted(HOME.glob("*.toml")):
        for entry in tomllib.loads(file.read_text("utf-8"))["mutation"]:
            tests = tuple(entry.pop("tests"))
            items.append(Mutation(area=file.stem, tests=tests, **entry))
    return items
