"""Plans the URL changes of a bump: one new version parameter per page, or a note with a remedy.

What is covered, in both kinds of manifest:

======  ============================================  ============================================
kind    XML                                           JSON
======  ============================================  ============================================
page    SourceLocation, every ``bt:Url`` that is not  ``runtimes[].code.page`` and
        one of the others                             ``contentRuntimes[].code.page``
script  a ``bt:Url`` of a JavaScript runtime or of a  ``runtimes[].code.script`` and
        custom-functions Script                       ``contentRuntimes[].code.script``
image   IconUrl, HighResolutionIconUrl, ``bt:Image``  ``icons[].url``, ``alternateIcons.*.url``
data    ExtendedOverrides, custom-functions Metadata  ``keyMappingFiles.*``,
                                                      ``customFunctions.metadataUrl``
help    a ``bt:Url`` of help links only               ``learnMoreUrl``
======  ============================================  ============================================

A locale override has the kind of its parent. `refresh` updates pages, scripts, images and data that
have the parameter; `add` also adds it to pages, and to images and scripts on request. Help links
and everything else are never changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deploy_action.core.manifest.address import WrittenUrl, origin
from deploy_action.core.manifest.model import Address, Scan, Span, UrlKind
from deploy_action.core.manifest.rules import Match, Rules, UrlMode
from deploy_action.core.manifest.version import Version
from deploy_action.errors import InputError, SourceLocation

LONGEST_URL = 2048
_LONGEST_SOURCE = 2018  # the limit that the reference page states for SourceLocation
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Note:
    """A note for the user.

    Args:
        line: the line that it is about.
        text: one sentence without its last dot.
        usual: whether every bump of this manifest has it.
    """

    line: int
    text: str
    usual: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One URL with everything that its update depends on."""

    address: Address
    url: WrittenUrl
    kind: UrlKind
    own: bool


class UrlPlan:
    """The URL changes of one bump."""

    def __init__(self, scanned: Scan, old: Version, new: Version, file: str, rules: Rules) -> None:
        self._scanned = scanned
        self._old, self._new = str(old), str(new)
        self._file = file
        self._rules = rules
        self.replaced: list[tuple[Address, str]] = []
        self.notes: list[Note] = []
        own = _OwnOrigins(scanned, rules)
        candidates = [
            _Candidate(item, WrittenUrl(item.raw, scanned.form), scanned.kind(item), own.has(item))
            for item in scanned.addresses
            if len(item.raw) <= 4 * LONGEST_URL
        ]
        self.unused_origins = own.unused(scanned)
        self._positions = self._pages_with_parameter(candidates)
        for candidate in candidates:
            self._decide(candidate)
        for other in scanned.others:
            self._note_old_version(other)
        self._note_two_urls(candidates)

    def scripts(self) -> tuple[tuple[str, str], ...]:
        """Return the script URLs that change, old and new, without escapes."""
        return tuple(
            (address.value, WrittenUrl(text, self._scanned.form).text)
            for address, text in self.replaced
            if self._scanned.kind(address) is UrlKind.SCRIPT
        )

    def _pages_with_parameter(
        self, candidates: Iterable[_Candidate]
    ) -> dict[tuple[object, ...], int | None]:
        """Return the pages that have the parameter somewhere, and its position in the query.

        The position is None if one of their values cannot be replaced.
        """
        name, pages = self._rules.parameter, dict[tuple[object, ...], int | None]()
        for candidate in candidates:
            position = candidate.url.position(name)
            if candidate.own and candidate.kind is UrlKind.PAGE and position is not None:
                page = candidate.url.page(name)
                fits = self._rules.match is Match.ANY or all(
                    value.is_version(self._old) for value in candidate.url.values(name)
                )
                first = pages.get(page, position)
                pages[page] = first if fits and first is not None else None
        return pages

    def _decide(self, candidate: _Candidate) -> None:
        address, rules = candidate.address, self._rules
        before = len(self.notes)
        text = address.raw
        if candidate.kind is not UrlKind.HELP and rules.mode is not UrlMode.OFF:
            if candidate.own:
                text = self._updated(candidate)
            else:
                self._note_foreign(candidate)
        if text != address.raw:
            self._check_length(address, len(text) - len(address.raw))
            self.replaced.append((address, text))
        elif len(self.notes) == before:
            self._note_old_version(address)

    def _updated(self, candidate: _Candidate) -> str:
        """Return the URL with the new version, as it is to be written in the file."""
        name, text = self._rules.parameter, candidate.address.raw
        values = candidate.url.values(name)
        for value in reversed(values):
            if value.is_version(self._old) or self._rules.match is Match.ANY:
                text = f"{text[: value.start]}{value.prefix}{self._new}{text[value.end :]}"
            else:
                self._note(
                    candidate.address,
                    f"'{name}={value.text}' is not a version and was not changed; to replace it, "
                    f"use {self._rules.options.match_any}",
                )
        return text if values else self._extended(candidate)

    def _extended(self, candidate: _Candidate) -> str:
        """Return the new form of a URL without the parameter, which may be added."""
        rules, address = self._rules, candidate.address
        page = candidate.url.page(rules.parameter)
        twin = candidate.kind is UrlKind.PAGE and page in self._positions
        if twin and self._positions[page] is None:
            self._note(
                address,
                f"'{_shown(address.value)}' gets no '{rules.parameter}=', because another "
                "URL of the same page has a value that is not a version",
            )
            return address.raw
        if twin:  # one URL per page, or a browser would cache the page twice
            position = self._positions[page]
            return candidate.url.with_parameter(rules.parameter, self._new, position)
        if rules.mode is UrlMode.ADD and self._may_be_added(candidate.kind):
            return candidate.url.with_parameter(rules.parameter, self._new)
        if rules.mode is UrlMode.ADD and candidate.kind is UrlKind.SCRIPT:
            self._note(
                address,
                f"'{_shown(address.value)}' is a script and gets no '{rules.parameter}='; to "
                f"include scripts, use {rules.options.add_runtime}",
                usual=True,
            )
        return address.raw

    def _may_be_added(self, kind: UrlKind) -> bool:
        return (
            kind is UrlKind.PAGE
            or (kind is UrlKind.IMAGE and self._rules.images)
            or (kind is UrlKind.SCRIPT and self._rules.runtime)
        )

    def _note_foreign(self, candidate: _Candidate) -> None:
        """Report a URL outside the add-in's own origin that would be updated inside it."""
        rules, address = self._rules, candidate.address
        carries = candidate.url.position(rules.parameter) is not None
        adds = rules.mode is UrlMode.ADD and (
            self._may_be_added(candidate.kind) or candidate.kind is UrlKind.SCRIPT
        )
        if not carries and not adds:
            return
        host = origin(address.value)
        where = f"on '{host}'" if host else "without a recognisable origin"
        value = host or address.value[: address.value.find("/") + 1] or address.value
        remedy = rules.options.include_origin.replace("{origin}", _shown(value))
        self._note(
            address,
            f"'{_shown(address.value)}' is {where}, not on the add-in's own origin, and was not "
            f"changed; to include it, {remedy}",
        )

    def _note_old_version(self, span: Span) -> None:
        if self._old != self._new and self._old in span.value:
            self._note(span, f"'{_shown(span.value)}' contains {self._old} and was not changed")

    def _note_two_urls(self, candidates: Iterable[_Candidate]) -> None:
        """Report pages that still have several URLs, such as with parameters in another order."""
        if self._rules.mode is UrlMode.OFF:
            return
        new = {id(address): text for address, text in self.replaced}
        urls: dict[tuple[object, ...], dict[str, Address]] = {}
        for candidate in candidates:
            page = candidate.url.page(self._rules.parameter)
            versioned = page in self._positions or self._rules.mode is UrlMode.ADD
            if candidate.own and candidate.kind is UrlKind.PAGE and versioned:
                text = new.get(id(candidate.address), candidate.address.raw)
                written = WrittenUrl(text, self._scanned.form)
                urls.setdefault(page, {}).setdefault(written.request(), candidate.address)
        for addresses in urls.values():
            for address in list(addresses.values())[1:]:
                self._note(
                    address,
                    f"'{_shown(address.value)}' is the same page as another URL of the manifest, "
                    "but written differently, so a browser caches it twice",
                    usual=True,
                )

    def _check_length(self, address: Address, growth: int) -> None:
        length = len(address.value) + growth
        if length > LONGEST_URL:
            raise InputError(
                f"Manifest '{self._file}': a URL would be longer than {LONGEST_URL} characters.",
                hint="Shorten it.",
                place=SourceLocation(file=self._file, line=address.line, column=address.column),
            )
        if address.source and length > _LONGEST_SOURCE:
            self._note(address, f"SourceLocation is longer than {_LONGEST_SOURCE} characters")
        if address.source and self._scanned.mail:
            self._note(
                address,
                "SourceLocation changes, which is the audience of Exchange's legacy identity "
                "tokens; a server that compares the whole URL must accept the new one",
                usual=True,
            )

    def _note(self, span: Span, text: str, *, usual: bool = False) -> None:
        self.notes.append(Note(span.line, text, usual=usual))


class _OwnOrigins:
    """The add-in's own origins: those of its base URLs, and those that the user added."""

    def __init__(self, scanned: Scan, rules: Rules) -> None:
        self._base = {origin(item.value) for item in scanned.addresses if item.base} - {""}
        self._added = rules.origins

    def has(self, address: Address) -> bool:
        """Whether a URL is the add-in's own."""
        return (
            address.base
            or origin(address.value) in self._base
            or any(_within(address.value, text) for text in self._added)
        )

    def unused(self, scanned: Scan) -> tuple[str, ...]:
        """Return the user's origins that no URL of the manifest has."""
        return tuple(
            text
            for text in self._added
            if not any(_within(address.value, text) for address in scanned.addresses)
        )


def own_pages(scanned: Scan) -> tuple[str, ...]:
    """Return the URLs of the add-in's own pages, each once, in their order."""
    own = _OwnOrigins(scanned, Rules())
    pages = [
        address.value
        for address in scanned.addresses
        if scanned.kind(address) is UrlKind.PAGE and own.has(address)
    ]
    return tuple(dict.fromkeys(pages))


def _within(url: str, text: str) -> bool:
    """Whether a URL has the origin *text*, or begins with *text* if that is not an origin."""
    own_origin = origin(text)
    return origin(url) == own_origin if own_origin else bool(text) and url.startswith(text)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
