"""Version numbers of an Office add-in's manifest: how they compare, how one is raised.

Source: [MS-OWEMXML], simpleType Version: one to four groups of one to five decimal digits. No text
says how two are compared; here it is part by part, as numbers, a missing part counting as zero.
Four parts are written always: three have failed in a client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import total_ordering

from deploy_action.errors import InputError

PARTS = 4
HIGHEST_PART = 99_999
_SHAPE = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){0,3}")


class Part(Enum):
    """A part of a version; the value is its place from the left."""

    MAJOR = 0
    MINOR = 1
    PATCH = 2
    BUILD = 3


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """One version.

    Args:
        parts: its four numbers, each from 0 to 99999.
        text: how it is written; leading zeros and missing parts are kept.
    """

    parts: tuple[int, ...]
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version.

        Raises:
            InputError: it is not one to four groups of one to five digits.

        >>> Version.parse("1.0") == Version.parse("1.0.0.0")
        True
        """
        if not _SHAPE.fullmatch(text):
            raise InputError(
                f"'{text}' is no version: one to four numbers of at most five digits were "
                "expected, such as 1.3.0.2.",
            )
        numbers = [int(part) for part in text.split(".")]
        return cls(tuple(numbers + [0] * (PARTS - len(numbers))), text)

    @classmethod
    def of(cls, parts: Iterable[int]) -> Version:
        """Return the version of these four numbers.

        Raises:
            InputError: one of them is higher than a manifest can say.
        """
        numbers = tuple(parts)
        for number in numbers:
            if number > HIGHEST_PART:
                raise InputError(
                    f"A version cannot go beyond {HIGHEST_PART} in one part, and "
                    f"{'.'.join(map(str, numbers))} would.",
                    hint="Raise a part further to the left, with bump-part.",
                )
        return cls(numbers, ".".join(map(str, numbers)))

    def raised(self, part: Part, *, carry: bool = False) -> Version:
        """Return the next version in which *part* is one higher and all after it are zero.

        Args:
            part: what is raised.
            carry: whether a part at its highest number raises the one before it instead.

        Raises:
            InputError: the part cannot be raised any more.

        >>> str(Version.parse("1.3.0.2").raised(Part.BUILD))
        '1.3.0.3'
        """
        if carry and self.parts[part.value] == HIGHEST_PART and part.value:
            return self.raised(Part(part.value - 1), carry=True)
        kept = self.parts[: part.value]
        zeros = (0,) * (PARTS - part.value - 1)
        return Version.of((*kept, self.parts[part.value] + 1, *zeros))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self.parts < other.parts

    def __str__(self) -> str:
        return self.text


def highest(versions: Iterable[Version]) -> Version | None:
    """Return the highest of *versions*, or None if there are none."""
    return max(versions, default=None)


def next_above(current: Version, floor: Version | None, part: Part) -> Version:
    """Return *current* raised by *part*, or, if that is not above *floor*, the floor raised so.

    Raises:
        InputError: the part cannot be raised any more.

    >>> str(next_above(Version.parse("1.3.0.2"), Version.parse("1.3.0.7"), Part.BUILD))
    '1.3.0.8'
    """
    candidate = current.raised(part)
    if floor is None or candidate > floor:
        return candidate
    return floor.raised(part)
