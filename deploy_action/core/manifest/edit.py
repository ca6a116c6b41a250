"""Reads a manifest and plans the edits of a bump.

Bytes are edited, never re-serialised: every XML and JSON writer that was tried
changed something else, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from deploy_action.core.manifest import addin_xml, unified_json
from deploy_action.core.manifest.address import request_path
from deploy_action.core.manifest.model import Form, Scan, Span
from deploy_action.core.manifest.rules import OptionNames, Rules
from deploy_action.core.manifest.source import Source, decode
from deploy_action.core.manifest.urls import Note, UrlPlan, own_pages
from deploy_action.core.manifest.verify import verify
from deploy_action.core.manifest.version import HIGHEST_PART, PARTS, Part, Version
from deploy_action.errors import InputError, SourceLocation

_JSON_PARTS = 3
_NOT_OF_16_BITS = 65_535
_TEMPLATE_MARKS = ("{{", "${", "<%", "__", "#{", "[", "{", "$(", "%")
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_USUAL = Rules()


@dataclass(frozen=True, slots=True)
class Edit:
    """One replaced value: its line, what it was, what it is."""

    line: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a manifest.

    Args:
        form: which kind it is.
        version: its version.
        pages: the URLs of its own pages, each once, in their order.
    """

    form: Form
    version: Version
    pages: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """Path and query of its own pages, each once, in their order; valid on any host."""
        return list(dict.fromkeys(request_path(page) for page in self.pages))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """A planned change.

    Args:
        old: the current version.
        new: the next version.
        before: the current bytes.
        after: the next bytes.
        edits: the replaced values, the version first.
        warnings: what was not changed although it might be expected, and what is unusual.
        runtime: URLs of JavaScript runtimes that change, old and new.
        unused_origins: origins in the rules that no URL of the manifest has.
    """

    old: Version
    new: Version
    before: bytes
    after: bytes
    edits: tuple[Edit, ...]
    warnings: tuple[Note, ...]
    runtime: tuple[tuple[str, str], ...] = ()
    unused_origins: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything is replaced at all."""
        return self.before != self.after


def read(content: bytes, *, file: str) -> Manifest:
    """Read a manifest of either kind.

    Args:
        content: its bytes.
        file: its name, for messages.

    Raises:
        InputError: it is not a manifest, or its version is invalid.
    """
    _, scanned = _scan(content, file)
    version = _current_version(scanned, file, _USUAL.options)
    return Manifest(scanned.form, version, own_pages(scanned))


def plan(
    content: bytes,
    *,
    file: str,
    target: Version | None = None,
    part: Part | None = None,
    rules: Rules = _USUAL,
) -> Bump:
    """Plan the bytes in which the version is *target*, or bumped by *part*.

    The version's text and the version parameters of the add-in's own URLs are replaced, and no
    other byte. With the current version as *target*, only outdated URLs change.

    Args:
        content: the manifest's bytes.
        file: its name, for messages.
        target: the new version.
        part: what to bump without a target; None bumps the last one of the manifest's kind.
        rules: how URLs and limits are treated.

    Raises:
        InputError: the manifest is unusable, or *target* is lower than the current version.
    """
    if not _PARAMETER.fullmatch(rules.parameter):
        raise InputError(
            f"{rules.options.parameter}: '{rules.parameter}' cannot be the name of a query "
            "parameter; use letters, digits, '-', '.', '_' or '~'."
        )
    source, scanned = _scan(content, file)
    old = _current_version(scanned, file, rules.options)
    new = target if target is not None else _bumped(old, part, scanned, file, rules)
    if scanned.form is Form.JSON:
        new = _of_three(new, scanned, file)
    if new < old and not rules.allow_lower:
        raise InputError(
            f"Manifest '{file}' has version {old}, and {new} is lower. Versions must not decrease.",
            hint=f"Choose a higher version; {rules.options.allow_lower} sets a lower one.",
            place=_place(scanned, file),
        )
    if new == old:
        new = old
    elif scanned.form is Form.XML:
        new = _spelled_as_before(old, new)
    urls = UrlPlan(scanned, old, new, file, rules)
    replaced: list[tuple[Span, str]] = [*urls.replaced]
    if new != old:
        replaced.insert(0, (_version_span(scanned), str(new)))
    text = _replace(source.text, replaced)
    verify(
        source.text,
        text,
        planned=[span for span, _ in replaced],
        version=_version_span(scanned),
        new=new,
        form=scanned.form,
    )
    return Bump(
        old=old,
        new=new,
        before=content,
        after=source.encoded(text) if replaced else content,
        edits=tuple(Edit(span.line, span.raw, text) for span, text in replaced),
        warnings=(*_version_notes(scanned, old, new), *urls.notes),
        runtime=urls.scripts(),
        unused_origins=urls.unused_origins if replaced else (),
    )


def _scan(content: bytes, file: str) -> tuple[Source, Scan]:
    source = decode(content, file=file)
    if unified_json.is_json(source.text):
        return source, unified_json.scan(source.text, file=file)
    if not source.text.lstrip().startswith("<") and "<" not in source.text[:400]:
        problem = "is neither XML nor JSON" if source.text.strip() else "is empty"
        raise InputError(
            f"Manifest '{file}' {problem}.",
            hint="Specify the path of the add-in's own manifest.",
            place=SourceLocation(file=file, line=1),
        )
    return source, addin_xml.scan(source.text, file=file)


def _version_span(scanned: Scan) -> Span:
    if scanned.version is None:
        raise AssertionError("both scanners refuse a manifest without a version")
    return scanned.version


def _place(scanned: Scan, file: str) -> SourceLocation:
    span = _version_span(scanned)
    return SourceLocation(file=file, line=span.line, column=span.column)


def _current_version(scanned: Scan, file: str, options: OptionNames) -> Version:
    span = _version_span(scanned)
    if any(mark in span.raw for mark in _TEMPLATE_MARKS):
        raise InputError(
            f"Manifest '{file}' is a template: its version is the placeholder '{span.raw}'.",
            hint=f"Bump the version where the template takes it from, or {options.no_bump}.",
            place=_place(scanned, file),
        )
    try:
        version = Version.parse(span.raw)
    except InputError as error:
        raise InputError(
            f"Manifest '{file}': {error.message}", place=_place(scanned, file)
        ) from None
    plain = ".".join(str(number) for number in version.parts[:_JSON_PARTS])
    if scanned.form is Form.JSON and span.raw != plain:
        raise InputError(
            f"Manifest '{file}' has version '{span.raw}', but a unified manifest needs exactly "
            "three numbers without leading zeros, such as 1.3.2.",
            hint=f"Change it to {plain}.",
            place=_place(scanned, file),
        )
    return version


def _bumped(old: Version, part: Part | None, scanned: Scan, file: str, rules: Rules) -> Version:
    chosen = part or scanned.form.last_part
    if chosen.value > scanned.form.last_part.value:
        raise InputError(
            f"Manifest '{file}' is a unified manifest, whose version has no part 'build'.",
            hint=f"Set {rules.options.part} to patch, minor or major.",
            place=_place(scanned, file),
        )
    try:
        return old.bumped(chosen, carry=rules.carry)
    except InputError:
        earlier = ", ".join(higher.name.lower() for higher in Part if higher.value < chosen.value)
        carry = f", or carry over with {rules.options.carry}" if earlier else ""
        raise InputError(
            f"Manifest '{file}' has version {old}, whose part '{chosen.name.lower()}' is at its "
            f"maximum, {HIGHEST_PART}.",
            hint=f"Set {rules.options.part} to {earlier}{carry}."
            if earlier
            else "No higher version exists.",
            place=_place(scanned, file),
        ) from None


def _of_three(version: Version, scanned: Scan, file: str) -> Version:
    if any(version.parts[_JSON_PARTS:]):
        raise InputError(
            f"Manifest '{file}' is a unified manifest, whose version has three numbers, but "
            f"{version} has four.",
            hint="Omit the fourth number.",
            place=_place(scanned, file),
        )
    parts = version.parts[:_JSON_PARTS]
    return Version(version.parts, ".".join(map(str, parts)))


def _spelled_as_before(old: Version, new: Version) -> Version:
    """Return *new*, with unchanged parts spelled as in *old*."""
    spelling = old.text.split(".") + ["0"] * PARTS
    parts = [
        text if int(text) == number else str(number)
        for text, number in zip(spelling, new.parts, strict=False)
    ]
    return Version(new.parts, ".".join(parts))


def _version_notes(scanned: Scan, old: Version, new: Version) -> list[Note]:
    span, notes = _version_span(scanned), []
    if scanned.form is Form.XML and span.raw != span.value:
        notes.append(Note(span.line, "the version has whitespace around it, which was kept"))
    if any(len(part) > 1 and part.startswith("0") for part in old.text.split(".")):
        text = f"{old} has leading zeros; the bumped part is written without them"
        notes.append(Note(span.line, text))
    if any(number > _NOT_OF_16_BITS for number in new.parts):
        notes.append(Note(span.line, f"{new} has a part above {_NOT_OF_16_BITS}"))
    return notes


def _replace(text: str, replaced: Iterable[tuple[Span, str]]) -> str:
    data, pieces, done = text.encode(), list[bytes](), 0
    for span, new in sorted(replaced, key=lambda item: item[0].start):
        old = span.raw.encode()
        if data[span.start : span.start + len(old)] != old:
            raise AssertionError(f"an offset is wrong at line {span.line}")
        pieces += [data[done : span.start], new.encode()]
        done = span.start + len(old)
    return b"".join([*pieces, data[done:]]).decode()
