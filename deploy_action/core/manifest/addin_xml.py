"""Where in a manifest its version and its addresses stand.

expat says where each tag begins; the span of an attribute's value is found inside that tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

from deploy_action.core.manifest.model import Address, Form, Scan, Span
from deploy_action.errors import InputError, SourceLocation

_SEPARATOR = "|"
_ROOTS = {
    "http://schemas.microsoft.com/office/appforoffice/1.0",
    "http://schemas.microsoft.com/office/appforoffice/1.1",
}
_BASIC = "http://schemas.microsoft.com/office/officeappbasictypes/1.0"
_SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
_TYPE = "http://www.w3.org/2001/XMLSchema-instance|type"
_DEEPEST, _MOST_ELEMENTS = 64, 20_000
_ATTRIBUTE = re.compile(rb"""\s([^\s=/>"']+)\s*=\s*("[^"]*"|'[^']*')""")
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
_BASE = ("SourceLocation", "IconUrl", "HighResolutionIconUrl")


def scan(text: str, *, file: str) -> Scan:
    """Find the version and the addresses.

    Raises:
        InputError: it is no manifest of an Office add-in, or one that may not be edited.
    """
    return _Scanner(text.encode(), file).run()


class _Scanner:
    def __init__(self, data: bytes, file: str) -> None:
        self._data = data
        self._file = file
        self._found = Scan(Form.XML)
        self._stack: list[tuple[str, str]] = []
        self._count = 0
        self._version: tuple[int, int, int] | None = None  # element, first byte of the text, line
        self._text: list[str] = []
        self._parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append

    def run(self) -> Scan:
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            place = SourceLocation(file=self._file, line=error.lineno, column=error.offset + 1)
            raise InputError(
                f"Manifest '{self._file}' is not well-formed XML: {what}.", place=place
            ) from None
        if self._found.version is None:
            raise self._unfit("has no Version below its root", 1)
        return self._found

    def _unfit(self, what: str, line: int | None = None, hint: str = "") -> InputError:
        column = None if line else self._parser.CurrentColumnNumber + 1
        place = SourceLocation(
            file=self._file, line=line or self._parser.CurrentLineNumber, column=column
        )
        return InputError(f"Manifest '{self._file}' {what}.", hint=hint, place=place)

    def _doctype(self, *_: Any) -> None:
        raise self._unfit("has a DOCTYPE, which no manifest needs and which is refused")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition(_SEPARATOR)
        if not self._stack and (local != "OfficeApp" or space not in _ROOTS):
            raise self._unfit(
                f"is no Office add-in manifest: its root is '{local}'",
                hint="Give the path of the add-in's own manifest.",
            )
        if (space, local) == (_SIGNATURE, "Signature"):
            raise self._unfit("is signed; changing it would break the signature")
        self._stack.append((space, local))
        if len(self._stack) > _DEEPEST or self._count >= _MOST_ELEMENTS:
            raise self._unfit("is nested too deeply or has too many elements")
        if len(self._stack) == 2 and local == "Version" and space == self._stack[0][0]:
            self._begin_version()
        if resource := attributes.get("resid"):
            kind = attributes.get("type", "javascript") if local == "Override" else "javascript"
            user = local if kind == "javascript" else f"{local} {kind}"
            self._found.users.setdefault(resource, set()).add(user)
        if not self._stack[1:]:
            self._found.mail = attributes.get(_TYPE, "").endswith("MailApp")
        self._addresses(space, local, attributes)
        self._text.clear()
        self._count += 1

    def _end(self, _: str) -> None:
        space, local = self._stack.pop()
        if self._version and len(self._stack) == 1 and local == "Version":
            if space == self._stack[0][0]:
                self._end_version()
        elif local in {"AppDomain", "Id"}:
            self._other("".join(self._text))
        self._text.clear()

    def _begin_version(self) -> None:
        if self._version or self._found.version:
            raise self._unfit("has two Versions")
        begin = self._parser.CurrentByteIndex
        tag = _TAG.match(self._data, begin)
        if tag is None or tag[0].endswith(b"/>"):
            raise self._unfit("has an empty Version")
        self._version = (self._count, tag.end(), self._parser.CurrentLineNumber)

    def _end_version(self) -> None:
        if self._version is None or self._found.version:
            return
        element, start, line = self._version
        raw = self._data[start : self._parser.CurrentByteIndex].decode()
        if "<" in raw or "&" in raw:
            raise self._unfit("has markup inside its Version; plain digits were expected", line)
        lead = len(raw) - len(raw.lstrip())
        self._found.version = Span(
            node=element,
            attribute="",
            start=start + len(raw[:lead].encode()),
            raw=raw.strip(),
            line=line + raw[:lead].count("\n"),
            column=self._column(start + len(raw[:lead].encode())),
            value=raw,
        )

    def _addresses(self, space: str, local: str, attributes: Mapping[str, str]) -> None:
        root = self._stack[0][0]
        above = self._stack[-2] if len(self._stack) > 1 else ("", "")
        wanted: dict[str, tuple[str, bool]] = {}  # kind, and whether it is the base
        if space == root and local in _BASE:
            page = local == "SourceLocation"
            wanted["DefaultValue"] = ("page" if page else "image", page)
        elif space == _BASIC and local in {"Url", "Image"}:
            wanted["DefaultValue"] = ("page" if local == "Url" else "image", False)
        elif local == "Override" and (
            (space == root and above[1] in _BASE)
            or (space == _BASIC and above in {(_BASIC, "Url"), (_BASIC, "Image")})
        ):
            page = above[1] in {"SourceLocation", "Url"}
            wanted["Value"] = ("page" if page else "image", False)
        elif local == "ExtendedOverrides":
            wanted = {"Url": ("data", False), "ResourcesUrl": ("data", False)}
        spans = self._attributes()
        for name, value in attributes.items():
            if name in wanted and name in spans:
                kind, base = wanted[name]
                start, raw, line, column = spans[name]
                self._found.addresses.append(
                    Address(
                        node=self._count,
                        attribute=name,
                        start=start,
                        raw=raw,
                        line=line,
                        column=column,
                        value=value,
                        kind=kind,
                        base=base,
                        source=base,
                        id=attributes.get("id", ""),
                    )
                )
            elif "://" in value or value.startswith("api:"):
                self._other(value, name)

    def _attributes(self) -> dict[str, tuple[int, str, int, int]]:
        """Return offset, spelling, line and column of the current tag's values, by name."""
        begin = self._parser.CurrentByteIndex
        tag = _TAG.match(self._data, begin)
        found = {}
        for match in _ATTRIBUTE.finditer(tag[0]) if tag else ():
            start = match.start(2) + 1
            line = self._parser.CurrentLineNumber + tag[0].count(b"\n", 0, start) if tag else 0
            at = begin + start
            found[match[1].decode()] = (at, match[2][1:-1].decode(), line, self._column(at))
        return found

    def _column(self, at: int) -> int:
        return len(self._data[self._data.rfind(b"\n", 0, at) + 1 : at].decode()) + 1

    def _other(self, value: str, attribute: str = "") -> None:
        self._found.others.append(
            Span(
                node=self._count,
                attribute=attribute,
                start=0,
                raw=value,
                line=self._parser.CurrentLineNumber,
                value=value,
            )
        )
