"""Counts matching keys of one primary; reads only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from deploy_action.core.cache.patterns import Glob, common_prefix, escaped, which_of

_SCAN = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The keys that match each pattern; not *complete* if the time was over before the end."""

    counts: tuple[int, ...]
    complete: bool


def count(primary: Any, globs: list[Glob], *, end: float) -> Counted:
    """Scan one primary to its end, or until *end* by the monotonic clock.

    Args:
        primary: a client of that one node.
        globs: a key counts for the first one that matches it.
        end: when to stop at the latest.
    """
    counts = [0] * len(globs)
    which = which_of(globs)
    prefix = escaped(common_prefix(globs)) + b"*"
    cursor = 0
    while True:
        cursor, keys = primary.scan(cursor, match=prefix, count=_SCAN)
        for key in keys:
            number = which(key)
            if number is not None:
                counts[number] += 1
        if not cursor or time.monotonic() > end:
            return Counted(counts=tuple(counts), complete=not cursor)
