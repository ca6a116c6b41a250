"""The ready outages of the demonstration: a file each in the folder outages.

Each has ``about`` (one line), ``end`` (``deployed`` or ``aborted``), ``faults`` as in `faults`, and
``users: may fail`` where some of the users' requests are hit before the action can notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_FOLDER: Final = Path(__file__).with_name("outages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One outage and how a deployment ends in it."""

    about: str
    aborts: bool
    harms_users: bool
    faults: Sequence[Mapping[str, Any]]


def names() -> list[str]:
    """Return the names of all, in order."""
    return sorted(file.stem for file in _FOLDER.glob("*.yml"))


def outage(name: str) -> Outage:
    """Read one.

    Raises:
        OSError: there is none of that name.
    """
    found = yaml.safe_load((_FOLDER / f"{name}.yml").read_text("utf-8"))
    return Outage(
        about=found["about"],
        aborts=found["end"] == "aborted",
        harms_users=found.get("users") == "may fail",
        faults=found["faults"],
    )
