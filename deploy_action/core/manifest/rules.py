"""What a user may decide about a bump, beside the version itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class UrlMode(Enum):
    """What happens to addresses."""

    REFRESH = "refresh"
    ADD = "add"
    OFF = "off"


class Match(Enum):
    """Which values of the parameter are replaced."""

    VERSIONS = "versions"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a bump treats addresses and limits.

    Args:
        mode: refresh what has the parameter, add it to pages without one, or leave all as it is.
        parameter: the query parameter's exact name.
        origins: further origins that count as the add-in's own, such as a CDN's.
        match: which values are replaced: versions, or any.
        images: whether `add` takes images, too.
        runtime: whether `add` takes the JavaScript runtime's file, too.
        carry: whether a part beyond its highest number raises the one before it.
        allow_lower: whether the version may be set to a lower one.
    """

    mode: UrlMode = UrlMode.REFRESH
    parameter: str = "v"
    origins: tuple[str, ...] = ()
    match: Match = Match.VERSIONS
    images: bool = False
    runtime: bool = False
    carry: bool = False
    allow_lower: bool = False
