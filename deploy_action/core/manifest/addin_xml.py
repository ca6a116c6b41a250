"""Finds the version and the URLs of an add-in only manifest in XML.

expat reports where each tag begins; the span of an attribute's value is found inside that tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from deploy_action.core.manifest.model import Address, Form, Scan, Span, UrlKind
from deploy_action.errors import InputError, SourceLocation

_SEPARATOR = "|"
_NAMESPACE = "http://schemas.microsoft.com/office/appforoffice/1.1"
_NAMESPACES = {"http://schemas.microsoft.com/office/appforoffice/1.0", _NAMESPACE}
_BASIC = "http://schemas.microsoft.com/office/officeappbasictypes/1.0"
_SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
_TYPE = "http://www.w3.org/2001/XMLSchema-instance|type"
_DEEPEST, _MOST_ELEMENTS = 64, 20_000
_ATTRIBUTE = re.compile(rb"""\s([^\s=/>"']+)\s*=\s*("[^"]*"|'[^']*')""")
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
_BASE = {
    "SourceLocation": UrlKind.PAGE,
    "IconUrl": UrlKind.IMAGE,
    "HighResolutionIconUrl": UrlKind.IMAGE,
}
_RESOURCES = {"Url": UrlKind.PAGE, "Image": UrlKind.IMAGE}
_OWN_PATH = "Specify the path of the add-in's own manifest."


def scan(text: str, *, file: str) -> Scan:
    """Find the version and the URLs.

    Raises:
        InputError: it is not a manifest of an Office add-in, or not one that can be edited.
    """
    return _Scanner(text, file).run()


@dataclass(frozen=True, slots=True)
class _Element:
    space: str
    local: str
    id: str


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        self._source = text
        self._data = text.encode()
        self._file = file
        self._scan = Scan(Form.XML)
        self._stack: list[_Element] = []
        self._count = 0
        self._version: tuple[int, int, int] | None = None  # element, offset of the text, line
        self._text: list[str] = []
        self._at, self._column_at = 0, 1  # a byte offset and its column
        self._parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append

    def run(self) -> Scan:
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise self._not_well_formed(error) from None
        if self._scan.version is None:
            raise self._unusable("has no Version element below its root", 1)
        return self._scan

    def _not_well_formed(self, error: expat.ExpatError) -> InputError:
        template = self._source.find("<%")
        if template >= 0:
            line = self._source.count("\n", 0, template) + 1
            return InputError(
                f"Manifest '{self._file}' is a template: line {line} has '<%'. Only a generated "
                "manifest has a version to bump.",
                hint="Specify the path of the generated manifest, or bump the version where the "
                "template takes it from.",
                place=SourceLocation(file=self._file, line=line),
            )
        reason = expat.ErrorString(error.code)
        place = SourceLocation(file=self._file, line=error.lineno, column=error.offset + 1)
        return InputError(
            f"Manifest '{self._file}' is not well-formed XML: {reason}.",
            hint="Correct that line; an XML editor shows the error.",
            place=place,
        )

    def _unusable(self, problem: str, line: int | None = None, hint: str = "") -> InputError:
        column = None if line else self._parser.CurrentColumnNumber + 1
        place = SourceLocation(
            file=self._file, line=line or self._parser.CurrentLineNumber, column=column
        )
        return InputError(f"Manifest '{self._file}' {problem}.", hint=hint, place=place)

    def _doctype(self, *_: Any) -> None:
        raise self._unusable("has a DOCTYPE, which is not allowed", hint="Remove the DOCTYPE.")

    def _check_root(self, space: str, local: str) -> None:
        if local == "OfficeApp" and space not in _NAMESPACES:
            has = f"the namespace '{space}'" if space else "no namespace"
            raise self._unusable(
                f"has the root element OfficeApp with {has}, so Office does not accept it",
                hint=f'Add xmlns="{_NAMESPACE}" to the root element.',
            )
        if local != "OfficeApp":
            raise self._unusable(
                f"is not an Office add-in manifest: its root element is '{local}', not 'OfficeApp'",
                hint=_OWN_PATH,
            )

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition(_SEPARATOR)
        if not self._stack:
            self._check_root(space, local)
            self._scan.mail = attributes.get(_TYPE, "").endswith("MailApp")
        if (space, local) == (_SIGNATURE, "Signature"):
            raise self._unusable(
                "is signed, and a change would break the signature",
                hint="Bump the unsigned manifest and sign it again.",
            )
        parent = self._stack[-1] if self._stack else _Element("", "", "")
        # A locale override plays the same role as the element that it overrides.
        identity = parent.id if local == "Override" else attributes.get("id", "")
        self._stack.append(_Element(space, local, identity))
        if len(self._stack) > _DEEPEST or self._count >= _MOST_ELEMENTS:
            raise self._unusable("is nested too deeply or has too many elements")
        if len(self._stack) == 2 and local == "Version" and space == self._stack[0].space:
            self._begin_version()
        if resource := attributes.get("resid"):
            self._scan.users.setdefault(resource, set()).add(_role(local, parent, attributes))
        self._collect(attributes, parent)
        self._text.clear()
        self._count += 1

    def _end(self, _: str) -> None:
        element = self._stack.pop()
        text = "".join(self._text)
        if self._version and len(self._stack) == 1 and element.local == "Version":
            if element.space == self._stack[0].space:
                self._end_version()
        elif element.local in {"AppDomain", "Id"} or "://" in text or text.startswith("api:"):
            self._other(text)
        self._text.clear()

    def _begin_version(self) -> None:
        if self._version or self._scan.version:
            raise self._unusable("has two Version elements below its root", hint="Remove one.")
        begin = self._parser.CurrentByteIndex
        tag = _TAG.match(self._data, begin)
        if tag is None or tag[0].endswith(b"/>"):
            raise self._unusable("has an empty Version", hint="Write a version, such as 1.0.0.0.")
        self._version = (self._count, tag.end(), self._parser.CurrentLineNumber)

    def _end_version(self) -> None:
        if self._version is None or self._scan.version:
            return
        element, start, line = self._version
        raw = self._data[start : self._parser.CurrentByteIndex].decode()
        if "<" in raw or "&" in raw:
            raise self._unusable(
                "has markup inside its Version", line, hint="Write digits and dots only."
            )
        lead = len(raw) - len(raw.lstrip())
        first = start + len(raw[:lead].encode())
        self._scan.version = Span(
            node=element,
            start=first,
            raw=raw.strip(),
            line=line + raw[:lead].count("\n"),
            column=self._column(first),
            value=raw,
        )

    def _collect(self, attributes: Mapping[str, str], parent: _Element) -> None:
        """Record the element's URLs."""
        kinds = self._kinds(parent)
        spans = self._attributes(kinds)
        element = self._stack[-1]
        for name, value in attributes.items():
            if name in kinds and name in spans:
                start, raw, line, column = spans[name]
                base = self._is_source_location(element) or (
                    element.local == "Override" and self._is_source_location(parent)
                )
                self._scan.addresses.append(
                    Address(
                        node=self._count,
                        attribute=name,
                        start=start,
                        raw=raw,
                        line=line,
                        column=column,
                        value=value,
                        kind=kinds[name],
                        base=base,
                        source=base,
                        id=element.id,
                    )
                )
            elif "://" in value or value.startswith("api:"):
                self._other(value, name)

    def _is_source_location(self, element: _Element) -> bool:
        return element.space == self._stack[0].space and element.local == "SourceLocation"

    def _kinds(self, parent: _Element) -> dict[str, UrlKind]:
        """Return the attributes of the current element that hold a URL, and what each is for."""
        element, root = self._stack[-1], self._stack[0].space
        if element.space == root and element.local in _BASE:
            return {"DefaultValue": _BASE[element.local]}
        if element.space == _BASIC and element.local in _RESOURCES:
            return {"DefaultValue": _RESOURCES[element.local]}
        if element.local == "ExtendedOverrides":
            return {"Url": UrlKind.DATA, "ResourcesUrl": UrlKind.DATA}
        if element.local == "Override" and element.space == parent.space:
            if element.space == root and parent.local in _BASE:
                return {"Value": _BASE[parent.local]}
            if element.space == _BASIC and parent.local in _RESOURCES:
                return {"Value": _RESOURCES[parent.local]}
        return {}

    def _attributes(self, kinds: Mapping[str, UrlKind]) -> dict[str, tuple[int, str, int, int]]:
        """Return offset, raw text, line and column of the tag's attributes in *kinds*, by name."""
        begin = self._parser.CurrentByteIndex
        tag = _TAG.match(self._data, begin) if kinds else None
        attributes = {}
        for match in _ATTRIBUTE.finditer(tag[0]) if tag else ():
            name = match[1].decode()
            if tag and name in kinds:
                start = match.start(2) + 1
                line = self._parser.CurrentLineNumber + tag[0].count(b"\n", 0, start)
                at = begin + start
                attributes[name] = (at, match[2][1:-1].decode(), line, self._column(at))
        return attributes

    def _column(self, at: int) -> int:
        """Return the column of a byte offset; offsets only grow, so each byte is read once."""
        passed = self._data[self._at : at]
        line_start = passed.rfind(b"\n") + 1
        behind = len(passed[line_start:].decode())
        self._column_at = behind + 1 if line_start else self._column_at + behind
        self._at = at
        return self._column_at

    def _other(self, value: str, attribute: str = "") -> None:
        self._scan.others.append(
            Span(
                node=self._count,
                attribute=attribute,
                start=0,
                raw=value,
                line=self._parser.CurrentLineNumber,
                value=value,
            )
        )


def _role(local: str, parent: _Element, attributes: Mapping[str, str]) -> str:
    """Return how an element uses a resource; see `Scan.kind`."""
    if local == "Override":
        kind = attributes.get("type", "javascript")
        return local if kind == "javascript" else f"{local} {kind}"
    if local == "SourceLocation" and parent.local in {"Script", "Metadata"}:
        return parent.local
    return local
