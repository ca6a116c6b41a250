"""The outages of the demonstration: one file each in the folder outages.

Each has ``about`` (one line), ``end`` (``deployed`` or ``aborted``) and ``faults`` as in `faults`.
``users: may fail`` marks outages that reach users before the action can notice. ``settings`` are
further inputs of the action. ``clock`` is how many seconds the sandbox's clock advances in each
second while the candidate has traffic.
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
    """One outage, and the expected result of a deployment during it."""

    about: str
    aborts: bool
    harms_users: bool
    faults: Sequence[Mapping[str, Any]]
    settings: Mapping[str, str]
    clock: float


def names() -> list[str]:
    """Return the names of all, in order."""
    return sorted(file.stem for file in _FOLDER.glob("*.yml"))


def outage(name: str) -> Outage:
    """Read one.

    Raises:
        OSError: there is no outage of that name.
    """
    definition = yaml.safe_load((_FOLDER / f"{name}.yml").read_text("utf-8"))
    return Outage(
        about=definition["about"],
        aborts=definition["end"] == "aborted",
        harms_users=definition.get("users") == "may fail",
        faults=definition["faults"],
        settings=definition.get("settings") or {},
        clock=float(definition.get("clock") or 1),
    )
