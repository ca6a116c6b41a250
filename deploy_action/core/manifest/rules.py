"""The choices a user can make about a bump, apart from the version itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class UrlMode(Enum):
    """Treatment of URLs."""

    REFRESH = "refresh"
    ADD = "add"
    OFF = "off"


class Match(Enum):
    """Which values of the version parameter are replaced."""

    VERSIONS = "versions"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionNames:
    """Names of the options in messages; they differ between commands."""

    include_origin: str  # with {origin} for the value
    parameter: str
    part: str
    carry: str
    match_any: str
    add_runtime: str
    allow_lower: str
    no_bump: str


ACTION_OPTIONS = OptionNames(
    include_origin="add '{origin}' to the input url-origins",
    parameter="Input url-parameter",
    part="the input bump-part",
    carry="'deploy-action bump --carry'",
    match_any="'deploy-action bump --url-match any'",
    add_runtime="'deploy-action bump --url-mode add --add-runtime'",
    allow_lower="'deploy-action bump --set VERSION --allow-lower'",
    no_bump="set the input bump to never",
)
COMMAND_OPTIONS = OptionNames(
    include_origin="use --origin {origin}",
    parameter="Option --url-parameter",
    part="--part",
    carry="--carry",
    match_any="--url-match any",
    add_runtime="--add-runtime",
    allow_lower="--allow-lower",
    no_bump="specify the path of the generated manifest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Options of a bump for URLs and limits.

    Args:
        mode: refresh the parameter where a page has it, also add it to pages without it, or leave
            all URLs.
        parameter: the exact name of the query parameter.
        origins: further origins, or leading placeholders, that count as the add-in's own, such as
            a CDN's.
        match: which values are replaced: versions, or any.
        images: whether `add` includes images.
        runtime: whether `add` includes scripts (event runtimes and custom functions).
        carry: whether a part at its maximum raises the part before it.
        allow_lower: whether the version may be set to a lower one.
        options: how messages name these choices.
    """

    mode: UrlMode = UrlMode.REFRESH
    parameter: str = "v"
    origins: tuple[str, ...] = ()
    match: Match = Match.VERSIONS
    images: bool = False
    runtime: bool = False
    carry: bool = False
    allow_lower: bool = False
    options: OptionNames = ACTION_OPTIONS
