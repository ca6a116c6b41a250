"""Reading a manifest, and planning the edits that raise its version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from deploy_action.core.manifest import addin_xml, unified_json
from deploy_action.core.manifest.address import origin, values, with_parameter
from deploy_action.core.manifest.model import Address, Form, Scan, Span
from deploy_action.core.manifest.rules import Match, Rules, UrlMode
from deploy_action.core.manifest.source import Source, decode
from deploy_action.core.manifest.version import PARTS, Part, Version
from deploy_action.errors import InputError, SourceLocation

LONGEST_ADDRESS = 2048
_LONGEST_SOURCE = 2018  # what the reference page says of SourceLocation, beside the schema's 2048
_JSON_PARTS = 3
_NOT_OF_16_BITS = 65_535
_TEMPLATE_MARKS = ("{{", "${", "<%", "__")
_USUAL = Rules()


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know: where and what; *usual* where it is so every time."""

    line: int
    text: str
    usual: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """One replaced value: its line, what it was, what it is."""

    line: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says.

    Args:
        form: which kind it is.
        version: its version.
        pages: the addresses of its own pages, each once, in their order.
    """

    form: Form
    version: Version
    pages: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """Path and query of its own pages, each once, in their order: to be asked on any host."""
        split = [urlsplit(page) for page in self.pages]
        paths = [(one.path or "/") + (f"?{one.query}" if one.query else "") for one in split]
        return list(dict.fromkeys(paths))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """A planned change.

    Args:
        old: the version that stands there.
        new: the one that shall.
        before: all bytes as they are.
        after: all bytes as they shall be.
        edits: what is replaced, the version first.
        warnings: what was left, and what is unusual.
        runtime: addresses of the JavaScript runtime that change, old and new.
    """

    old: Version
    new: Version
    before: bytes
    after: bytes
    edits: tuple[Edit, ...]
    warnings: tuple[Note, ...]
    runtime: tuple[tuple[str, str], ...] = ()

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
        InputError: it is none, or its version is none.
    """
    _, found = _scanned(content, file)
    own = _own_origins(found, _USUAL)
    pages = [
        address.value
        for address in found.addresses
        if address.kind == "page" and origin(address.value) in own and not found.helps_only(address)
    ]
    return Manifest(found.form, _version(found, file), tuple(dict.fromkeys(pages)))


def plan(
    content: bytes,
    *,
    file: str,
    target: Version | None = None,
    part: Part | None = None,
    rules: Rules = _USUAL,
) -> Bump:
    """Plan the bytes in which the version is *target*, or raised by *part*.

    The version's text and the parameters that its own pages, images and data carry are replaced;
    not one other byte changes.

    Args:
        content: the manifest's bytes.
        file: its name, for messages.
        target: the new version; equal to the old one changes nothing.
        part: what to raise when no target is given; None raises the last one of its kind.
        rules: how addresses and limits are treated.

    Raises:
        InputError: the manifest is unfit, or *target* is lower than what stands there.
    """
    source, found = _scanned(content, file)
    old = _version(found, file)
    wanted = target if target is not None else _raised(old, part, found, file, rules)
    if found.form is Form.JSON:
        wanted = _of_three(wanted, found, file)
    if wanted < old and not rules.allow_lower:
        raise InputError(
            f"Manifest '{file}' has version {old}, and {wanted} is lower; versions only go up.",
            place=_place(found, file),
        )
    if wanted == old:
        return Bump(old=old, new=old, before=content, after=content, edits=(), warnings=())
    new = wanted if found.form is Form.JSON else _written(old, wanted)
    replaced, notes = _addresses(found, old, new, file, rules)
    replaced.insert(0, (_span(found), str(new)))
    after = source.encoded(_replaced(source.text, replaced))
    _verify(source, content, after, [span for span, _ in replaced], new, found.form, file)
    return Bump(
        old=old,
        new=new,
        before=content,
        after=after,
        edits=tuple(Edit(span.line, span.raw, text) for span, text in replaced),
        warnings=(*_about_version(found, old, new), *notes),
        runtime=tuple(
            (span.value, _meant(text, found.form))
            for span, text in replaced
            if isinstance(span, Address) and found.runtime(span)
        ),
    )


def _meant(raw: str, form: Form) -> str:
    """Return what a written address means."""
    if form is Form.XML:
        return str(fromstring(f'<a b="{raw}"/>').get("b")) if '"' not in raw else raw
    return str(unified_json.tree(f'"{raw}"'))


def _scanned(content: bytes, file: str) -> tuple[Source, Scan]:
    source = decode(content, file=file)
    reader = unified_json if unified_json.is_json(source.text) else addin_xml
    return source, reader.scan(source.text, file=file)


def _span(found: Scan) -> Span:
    if found.version is None:  # the scan has refused that
        raise AssertionError("a manifest without a version")
    return found.version


def _place(found: Scan, file: str) -> SourceLocation:
    span = _span(found)
    return SourceLocation(file=file, line=span.line, column=span.column)


def _version(found: Scan, file: str) -> Version:
    span = _span(found)
    if any(mark in span.raw for mark in _TEMPLATE_MARKS):
        raise InputError(
            f"Manifest '{file}' has the placeholder '{span.raw}' for its version.",
            hint="Raise the version in the template's source instead, or set bump to never.",
            place=_place(found, file),
        )
    try:
        version = Version.parse(span.raw)
    except InputError as error:
        raise InputError(f"Manifest '{file}': {error.message}", place=_place(found, file)) from None
    plain = ".".join(str(number) for number in version.parts[:_JSON_PARTS])
    if found.form is Form.JSON and span.raw != plain:
        raise InputError(
            f"Manifest '{file}' has version '{span.raw}'; in a unified manifest exactly three "
            "numbers without leading zeros were expected, such as 1.3.2.",
            place=_place(found, file),
        )
    return version


def _raised(old: Version, part: Part | None, found: Scan, file: str, rules: Rules) -> Version:
    wanted = part or found.form.last_part
    if wanted.value > found.form.last_part.value:
        raise InputError(
            f"Manifest '{file}' is a unified manifest, whose version has no part 'build'.",
            hint="Raise patch, minor or major.",
            place=_place(found, file),
        )
    return old.raised(wanted, carry=rules.carry)


def _of_three(wanted: Version, found: Scan, file: str) -> Version:
    if any(wanted.parts[_JSON_PARTS:]):
        raise InputError(
            f"Manifest '{file}' is a unified manifest, whose version has three numbers; {wanted} "
            "has four.",
            place=_place(found, file),
        )
    parts = wanted.parts[:_JSON_PARTS]
    return Version(wanted.parts, ".".join(map(str, parts)))


def _written(old: Version, new: Version) -> Version:
    """Return *new* with the old spelling of the parts that stay."""
    spelt = old.text.split(".") + ["0"] * PARTS
    parts = [
        text if int(text) == number else str(number)
        for text, number in zip(spelt, new.parts, strict=False)
    ]
    return Version(new.parts, ".".join(parts))


def _own_origins(found: Scan, rules: Rules) -> set[str]:
    given = {origin(text) or text.lower() for text in rules.origins}
    return ({origin(item.value) for item in found.addresses if item.base} | given) - {""}


def _addresses(
    found: Scan, old: Version, new: Version, file: str, rules: Rules
) -> tuple[list[tuple[Span, str]], list[Note]]:
    own = _own_origins(found, rules)
    replaced: list[tuple[Span, str]] = []
    notes: list[Note] = []
    for address in found.addresses:
        mine = origin(address.value) in own and not found.helps_only(address)
        text = _renewed(address, found, old, new, rules, notes) if mine else address.raw
        if text == address.raw:
            notes += _left(address, old)
            continue
        notes += _about_address(found, address, len(text) - len(address.raw), file)
        replaced.append((address, text))
    for other in found.others:
        notes += _left(other, old)
    return replaced, notes


def _renewed(  # noqa: PLR0917  one decision over everything that is known
    address: Address, found: Scan, old: Version, new: Version, rules: Rules, notes: list[Note]
) -> str:
    """Return the address with the new version in it, as it is written in the file."""
    if rules.mode is UrlMode.OFF:
        return address.raw
    text, name = address.raw, rules.parameter
    there = values(address.raw, name, found.form)
    for value in reversed(there):
        if value.takes(str(old)) or rules.match is Match.ANY:
            end = value.offset + len(value.text)
            text = f"{text[: value.offset]}{new}{text[end:]}"
        else:
            notes.append(Note(address.line, f"{name}={value.text} is no version and was left"))
    if rules.mode is UrlMode.ADD and not there and _may_get_it(address, found, rules):
        return with_parameter(text, name, str(new), found.form)
    return text


def _may_get_it(address: Address, found: Scan, rules: Rules) -> bool:
    """Whether `add` gives an address the parameter that it has not."""
    if found.runtime(address):
        return rules.runtime
    return address.kind == "page" or (address.kind == "image" and rules.images)


def _about_address(found: Scan, address: Address, growth: int, file: str) -> list[Note]:
    notes, length = [], len(address.value) + growth
    if length > LONGEST_ADDRESS:
        raise InputError(
            f"Manifest '{file}': an address would be longer than {LONGEST_ADDRESS} characters.",
            place=SourceLocation(file=file, line=address.line, column=address.column),
        )
    if address.source and length > _LONGEST_SOURCE:
        text = f"SourceLocation is longer than {_LONGEST_SOURCE} characters"
        notes.append(Note(address.line, text))
    if address.source and found.mail:
        text = (
            "SourceLocation changes, which is the audience of Exchange's legacy identity tokens; a "
            "server that compares all of it must take the new one"
        )
        notes.append(Note(address.line, text, usual=True))
    return notes


def _left(span: Span, old: Version) -> list[Note]:
    if str(old) not in span.value:
        return []
    return [Note(span.line, f"'{span.value}' carries {old} and was left as it is")]


def _about_version(found: Scan, old: Version, new: Version) -> list[Note]:
    span, notes = _span(found), []
    if found.form is Form.XML and span.raw != span.value:
        notes.append(Note(span.line, "blanks around the version were left"))
    if any(len(part) > 1 and part.startswith("0") for part in old.text.split(".")):
        notes.append(Note(span.line, f"{old} has leading zeros; what is raised is written plainly"))
    if any(number > _NOT_OF_16_BITS for number in new.parts):
        notes.append(Note(span.line, f"{new} has a part above {_NOT_OF_16_BITS}"))
    return notes


def _replaced(text: str, replaced: Iterable[tuple[Span, str]]) -> str:
    data, pieces, done = text.encode(), list[bytes](), 0
    for span, new in sorted(replaced, key=lambda item: item[0].start):
        old = span.raw.encode()
        if data[span.start : span.start + len(old)] != old:
            raise AssertionError(f"an offset is wrong at line {span.line}")
        pieces += [data[done : span.start], new.encode()]
        done = span.start + len(old)
    return b"".join([*pieces, data[done:]]).decode()


def _verify(  # noqa: PLR0917  everything that was planned
    source: Source,
    before: bytes,
    after: bytes,
    spans: Sequence[Span],
    new: Version,
    form: Form,
    file: str,
) -> None:
    """Read the result with another parser: it may differ at exactly the planned places."""
    if before.count(b"\n") != after.count(b"\n"):
        raise InputError(f"Manifest '{file}' would get another number of lines.")
    if form is Form.JSON:
        text = after[len(source.bom) :].decode(source.encoding)
        one, other = unified_json.tree(source.text), unified_json.tree(text)
        differing, written = _differences(one, other, ()), str(other["version"])
        planned = {(span.node, "") for span in spans}
    else:
        differing, written = _differing_elements(before, after, spans[0], file)
        planned = {(span.node, span.attribute) for span in spans}
    if differing != planned or written != str(new):
        raise InputError(
            f"Manifest '{file}' would change in places that were not planned; nothing was written.",
            hint="Please report this with the manifest.",
        )


def _differing_elements(
    before: bytes, after: bytes, version: Span, file: str
) -> tuple[set[tuple[object, str]], str]:
    try:
        old_tree, new_tree = fromstring(before), fromstring(after)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(f"Manifest '{file}' cannot be read again: {error}.") from None
    differing: set[tuple[object, str]] = set()
    written = ""
    for number, (one, other) in enumerate(zip(old_tree.iter(), new_tree.iter(), strict=True)):
        if (one.tag, one.tail, list(one.attrib)) != (other.tag, other.tail, list(other.attrib)):
            differing.add((number, "?"))
        if one.text != other.text:
            differing.add((number, ""))
        changed = {name for name in one.attrib if one.attrib[name] != other.attrib[name]}
        differing |= {(number, name) for name in changed}
        if number == version.node:
            written = str(other.text).strip()
    return differing, written


def _differences(one: Any, other: Any, path: tuple[str | int, ...]) -> set[tuple[object, str]]:
    """Return the paths at which two values of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        pairs = [(name, one[name], other[name]) for name in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(number, a, b) for number, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return set() if one == other and type(one) is type(other) else {(path, "")}
    return {found for name, a, b in pairs for found in _differences(a, b, (*path, name))}
