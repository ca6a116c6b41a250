"""Reading a manifest, and planning the edits that raise its version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from deploy_action.core.manifest.address import origin, values
from deploy_action.core.manifest.scan import Address, Scan, Span, scan
from deploy_action.core.manifest.source import Source, decode
from deploy_action.core.version import PARTS, Part, Version
from deploy_action.errors import InputError, Place

LONGEST_ADDRESS = 2048
_NOT_OF_16_BITS = 65_535
_TEMPLATE_MARKS = ("{{", "${", "<%", "__")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know: where and what."""

    line: int
    text: str


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
        version: its version.
        pages: the addresses of its own pages, each once, in their order.
    """

    version: Version
    pages: tuple[str, ...]


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
    """

    old: Version
    new: Version
    before: bytes
    after: bytes
    edits: tuple[Edit, ...]
    warnings: tuple[Note, ...]

    @property
    def changed(self) -> bool:
        """Whether anything is replaced at all."""
        return self.before != self.after


def read(content: bytes, *, file: str) -> Manifest:
    """Read a manifest.

    Args:
        content: its bytes.
        file: its name, for messages.

    Raises:
        InputError: it is none, or its version is none.
    """
    _, found = _scanned(content, file)
    own = _own_origins(found)
    pages = [
        address.value
        for address in found.addresses
        if address.kind == "page" and origin(address.value) in own and not found.helps_only(address)
    ]
    return Manifest(_version(found, file), tuple(dict.fromkeys(pages)))


def plan(
    content: bytes, *, file: str, target: Version | None = None, part: Part = Part.BUILD
) -> Bump:
    """Plan the bytes in which the version is *target*, or raised by *part*.

    The version's text and the ``v`` parameters that its own pages, images and data already have are
    replaced; not one other byte changes.

    Args:
        content: the manifest's bytes.
        file: its name, for messages.
        target: the new version; equal to the old one changes nothing.
        part: what to raise when no target is given.

    Raises:
        InputError: the manifest is unfit, or *target* is lower than what stands there.
    """
    source, found = _scanned(content, file)
    old = _version(found, file)
    wanted = target if target is not None else old.raised(part)
    if wanted < old:
        raise InputError(
            f"Manifest '{file}' has version {old}, and {wanted} is lower; versions only go up.",
            place=Place(file=file, line=_place(found)),
        )
    if wanted == old:
        return Bump(old=old, new=old, before=content, after=content, edits=(), warnings=())
    new = _written(old, wanted)
    replaced, notes = _addresses(found, old, new, file)
    replaced.insert(0, (_span(found), str(new)))
    after = source.encoded(_replaced(source.text, replaced))
    _verify(content, after, [span for span, _ in replaced], new, file)
    return Bump(
        old=old,
        new=new,
        before=content,
        after=after,
        edits=tuple(Edit(span.line, span.raw, text) for span, text in replaced),
        warnings=(*_about_version(found, old, new), *notes),
    )


def _scanned(content: bytes, file: str) -> tuple[Source, Scan]:
    if content.lstrip()[:1] == b"{":
        raise InputError(
            f"Manifest '{file}' is a unified manifest in JSON; an add-in only manifest in XML was "
            "expected.",
            hint="Raising JSON manifests is not supported yet; set bump to never.",
            place=Place(file=file),
        )
    source = decode(content, file=file)
    return source, scan(source.text, file=file)


def _span(found: Scan) -> Span:
    if found.version is None:  # the scan has refused that
        raise AssertionError("a manifest without a version")
    return found.version


def _place(found: Scan) -> int:
    return _span(found).line


def _version(found: Scan, file: str) -> Version:
    span = _span(found)
    place = Place(file=file, line=span.line)
    if any(mark in span.raw for mark in _TEMPLATE_MARKS):
        raise InputError(
            f"Manifest '{file}' has the placeholder '{span.raw}' for its version.",
            hint="Raise the version in the template's source instead, or set bump to never.",
            place=place,
        )
    try:
        return Version.parse(span.raw)
    except InputError as error:
        raise InputError(f"Manifest '{file}': {error.message}", place=place) from None


def _written(old: Version, new: Version) -> Version:
    """Return *new* with the old spelling of the parts that stay."""
    spelt = old.text.split(".") + ["0"] * PARTS
    parts = [
        text if int(text) == number else str(number)
        for text, number in zip(spelt, new.parts, strict=False)
    ]
    return Version(new.parts, ".".join(parts))


def _own_origins(found: Scan) -> set[str]:
    return {origin(item.value) for item in found.addresses if item.base} - {""}


def _addresses(
    found: Scan, old: Version, new: Version, file: str
) -> tuple[list[tuple[Span, str]], list[Note]]:
    own = _own_origins(found)
    replaced: list[tuple[Span, str]] = []
    notes: list[Note] = []
    for address in found.addresses:
        mine = origin(address.value) in own and not found.helps_only(address)
        text = _renewed(address, old, new, notes) if mine else address.raw
        if len(address.value) + len(text) - len(address.raw) > LONGEST_ADDRESS:
            raise InputError(
                f"Manifest '{file}': an address would be longer than {LONGEST_ADDRESS} characters.",
                place=Place(file=file, line=address.line),
            )
        if text != address.raw:
            replaced.append((address, text))
        else:
            notes += _left(address, old)
    for other in found.others:
        notes += _left(other, old)
    return replaced, notes


def _renewed(address: Address, old: Version, new: Version, notes: list[Note]) -> str:
    """Return the address with the new version in it, as it is written in the file."""
    text = address.raw
    for value in reversed(values(address.raw)):
        if value.takes(str(old)):
            end = value.offset + len(value.text)
            text = f"{text[: value.offset]}{new}{text[end:]}"
        else:
            notes.append(Note(address.line, f"v={value.text} is no version and was left"))
    return text


def _left(span: Span, old: Version) -> list[Note]:
    if str(old) not in span.value:
        return []
    return [Note(span.line, f"'{span.value}' carries {old} and was left as it is")]


def _about_version(found: Scan, old: Version, new: Version) -> list[Note]:
    span, notes = _span(found), []
    if span.raw != span.value:
        notes.append(Note(span.line, "blanks around the version were left"))
    if any(len(part) > 1 and part.startswith("0") for part in old.text.split(".")):
        notes.append(Note(span.line, f"{old} has leading zeros; what is raised is written plainly"))
    if any(number > _NOT_OF_16_BITS for number in new.parts):
        notes.append(Note(span.line, f"{new} has a part above {_NOT_OF_16_BITS}"))
    return notes


def _replaced(text: str, replaced: Iterable[tuple[Span, str]]) -> str:
    data = text.encode()
    for span, new in sorted(replaced, key=lambda item: -item[0].start):
        old = span.raw.encode()
        if data[span.start : span.start + len(old)] != old:
            raise AssertionError(f"an offset is wrong at line {span.line}")
        data = data[: span.start] + new.encode() + data[span.start + len(old) :]
    return data.decode()


def _verify(before: bytes, after: bytes, spans: Sequence[Span], new: Version, file: str) -> None:
    """Read the result with another parser: it may differ at exactly the planned places."""
    if before.count(b"\n") != after.count(b"\n"):
        raise InputError(f"Manifest '{file}' would get another number of lines.")
    try:
        old_tree, new_tree = fromstring(before), fromstring(after)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(f"Manifest '{file}' cannot be read again: {error}.") from None
    differing = set()
    pairs = list(zip(old_tree.iter(), new_tree.iter(), strict=True))
    for number, (one, other) in enumerate(pairs):
        if (one.tag, one.tail, list(one.attrib)) != (other.tag, other.tail, list(other.attrib)):
            differing.add((number, "?"))
        if one.text != other.text:
            differing.add((number, ""))
        changed = {name for name in one.attrib if one.attrib[name] != other.attrib[name]}
        differing |= {(number, name) for name in changed}
    planned = {(span.element, span.attribute) for span in spans}
    written = str(pairs[spans[0].element][1].text).strip()
    if differing != planned or written != str(new):
        raise InputError(
            f"Manifest '{file}' would change in places that were not planned; nothing was written.",
            hint="Please report this with the manifest.",
        )
