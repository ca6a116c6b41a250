"""Version numbers of an Office add-in's manifest: comparing and bumping them.

Source: [MS-OWEMXML], simpleType Version: one to four groups of one to five decimal digits. It does
not say how two are compared; here they are compared part by part, as numbers, and a missing part
is zero. A bump always writes four parts, because three have failed in a client.
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
                f"'{text}' is not a version. A version has one to four numbers of at most five "
                "digits, such as 1.3.0.2.",
            )
        numbers = [int(part) for part in text.split(".")]
        return cls(tuple(numbers + [0] * (PARTS - len(numbers))), text)

    @classmethod
    def of(cls, parts: Iterable[int]) -> Version:
        """Return the version of these four numbers.

        Raises:
            InputError: one of them is higher than a manifest allows.
        """
        numbers = tuple(parts)
        for number in numbers:
            if number > HIGHEST_PART:
                raise InputError(
                    f"Version {'.'.join(map(str, numbers))} is not possible: a part is at most "
                    f"{HIGHEST_PART}.",
                    hint="Bump an earlier part.",
                )
        return cls(numbers, ".".join(map(str, numbers)))

    def bumped(self, part: Part, *, carry: bool = False) -> Version:
        """Return the next version: *part* is one higher and all parts after it are zero.

        Args:
            part: what is bumped.
            carry: whether a part at its maximum bumps the part before it instead.

        Raises:
            InputError: the part is at its maximum.

        >>> str(Version.parse("1.3.0.2").bumped(Part.BUILD))
        '1.3.0.3'
        """
        if carry and self.parts[part.value] == HIGHEST_PART and part.value:
            return self.bumped(Part(part.value - 1), carry=True)
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
    """Return *current* bumped by *part*; if that is not above *floor*, bump the floor instead.

    Raises:
        InputError: the part is at its maximum.

    >>> str(next_above(Version.parse("1.3.0.2"), Version.parse("1.3.0.7"), Part.BUILD))
    '1.3.0.8'
    """
    candidate = current.bumped(part)
    if floor is None or candidate > floor:
        return candidate
    return floor.bumped(part)
