"""Finds the version and the URLs of a unified manifest in JSON.

Python's own JSON parser decides what is valid; the walk beside it adds the place of each text.

Source: RFC 8259; "Microsoft 365 app manifest schema reference" for the names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from deploy_action.core.manifest.model import Address, Form, Scan, Span, UrlKind
from deploy_action.errors import InputError, SourceLocation

Path = tuple[str | int, ...]
_DEEPEST, _MOST_VALUES = 64, 20_000
_STRINGS = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
_OTHER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")
# Places of URLs that may carry the version; None is any index or name.
_ADDRESSES: tuple[tuple[tuple[str | None, ...], UrlKind], ...] = (
    (("extensions", None, "runtimes", None, "code", "page"), UrlKind.PAGE),
    (("extensions", None, "runtimes", None, "code", "script"), UrlKind.SCRIPT),
    (("extensions", None, "contentRuntimes", None, "code", "page"), UrlKind.PAGE),
    (("extensions", None, "contentRuntimes", None, "code", "script"), UrlKind.SCRIPT),
    (("extensions", None, "alternates", None, "alternateIcons", None, "url"), UrlKind.IMAGE),
    (("customFunctions", "metadataUrl"), UrlKind.DATA),
    (("keyboardShortcuts", None, "keyMappingFiles", None), UrlKind.DATA),
    (("icons", None, "url"), UrlKind.IMAGE),
)
# Other manifests that are often called manifest.json, by a text that only they contain.
_OTHER_MANIFESTS = (
    (
        re.compile(r"json-schemas/spfx|\"componentType\"|\"manifestVersion\"\s*:\s*\d"),
        "a SharePoint",
    ),
    (re.compile(r"\"manifest_version\""), "a browser extension's"),
    (re.compile(r"\"start_url\"|\"theme_color\""), "a web app's"),
)
_OFFICE = re.compile(r"\"manifestVersion\"\s*:\s*\"")
_OWN_PATH = "Specify the path of the add-in's own manifest."


def is_json(text: str) -> bool:
    """Whether a file is to be read as JSON."""
    return text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} or _comment_first(text)


def _comment_first(text: str) -> bool:
    return text.lstrip()[:2] in {"//", "/*"}


def scan(text: str, *, file: str) -> Scan:
    """Find the version and the URLs.

    Raises:
        InputError: it is not JSON, not a unified manifest, or not one that can be edited.
    """
    spans = texts(text, file=file)
    members = {span.node: span for span in spans}
    scanned = Scan(Form.JSON)
    version = members.get(("version",))
    if ("manifestVersion",) not in members:
        raise _other_manifest(text, file) or InputError(
            f"Manifest '{file}' is not an Office manifest: it has no string 'manifestVersion'.",
            hint=_OWN_PATH,
            place=SourceLocation(file=file, line=1),
        )
    if version is None:
        raise InputError(
            f"Manifest '{file}' has no string 'version' at its top level.",
            hint='Add one, such as "version": "1.0.0".',
            place=SourceLocation(file=file, line=1),
        )
    scanned.version = version
    for span in spans:
        kind = _kind(span.node)
        if kind:
            scanned.addresses.append(
                Address(
                    **{name: getattr(span, name) for name in Span.__slots__},
                    kind=kind,
                    base=kind is UrlKind.PAGE,
                )
            )
        elif span is not version and ("://" in span.value or span.value.startswith("api:")):
            scanned.others.append(span)
    return scanned


def texts(text: str, *, file: str, what: str = "Manifest") -> list[Span]:
    """Return every text of a JSON document that is a value, with its place.

    Raises:
        InputError: it is not JSON, or an object has a key twice.
    """
    _check_json(text, file, what)
    return list(_Walk(text, file, what).spans())


def tree(text: str) -> Any:
    """Return the parsed document, for comparing."""
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(text: str) -> tuple[str, str]:
    """Keep a number as written: it may be longer than Python converts."""
    return ("number", text)


def _check_json(text: str, file: str, what: str) -> None:
    try:
        json.loads(text, parse_constant=_constant, parse_int=_number, parse_float=_number)
    except json.JSONDecodeError as error:
        place = SourceLocation(file=file, line=error.lineno, column=error.colno)
        raise _other_manifest(text, file) or InputError(
            f"{what} '{file}' is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}.",
            hint="JSON has no comments and no trailing commas.",
            place=place,
        ) from None
    except RecursionError:
        raise InputError(
            f"{what} '{file}' is nested too deeply.", place=SourceLocation(file=file)
        ) from None
    except ValueError as error:
        raise InputError(
            f"{what} '{file}' is not valid JSON: {error}.", place=SourceLocation(file=file)
        ) from None


def _other_manifest(text: str, file: str) -> InputError | None:
    """Return an error that names the product whose manifest this is, if it is a known one."""
    if _OFFICE.search(text):
        return None
    for pattern, owner in _OTHER_MANIFESTS:
        if match := pattern.search(text):
            line = text.count("\n", 0, match.start()) + 1
            return InputError(
                f"Manifest '{file}' is {owner} manifest, not an Office add-in's.",
                hint=_OWN_PATH,
                place=SourceLocation(file=file, line=line),
            )
    return None


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _kind(node: object) -> UrlKind | None:
    path = node if isinstance(node, tuple) else ()
    for pattern, kind in _ADDRESSES:
        tail = path if pattern[0] == "extensions" else path[-len(pattern) :]
        if len(tail) == len(pattern) and all(
            name is None or name == part for name, part in zip(pattern, tail, strict=True)
        ):
            return kind
    return None


class _Walk:
    """Reads valid JSON once and yields each text value with its place."""

    def __init__(self, text: str, file: str, what: str) -> None:
        self._text = text
        self._file = file
        self._what = what
        self._count = self._end = 0
        self._bytes = self._at = 0  # how many bytes the characters before _at have
        self._line, self._line_start = 1, 0

    def spans(self) -> Iterator[Span]:
        """Yield a span for each text that is a value, in their order."""
        yield from self._value(self._skip(0), ())

    def _skip(self, at: int) -> int:
        blank = _BLANK.match(self._text, at)
        return blank.end() if blank else at

    def _value(self, at: int, path: Path) -> Iterator[Span]:
        self._count += 1
        if len(path) > _DEEPEST or self._count > _MOST_VALUES:
            raise InputError(
                f"{self._what} '{self._file}' is nested too deeply or has too many values.",
                place=SourceLocation(file=self._file),
            )
        mark = self._text[at]
        if mark == '"':
            value, end = _STRINGS.raw_decode(self._text, at)
            yield self._span(path, at + 1, end - 1, value)
        elif mark == "{":
            end = yield from self._members(at, path)
        elif mark == "[":
            end = yield from self._items(at, path)
        else:
            other = _OTHER.match(self._text, at)
            if other is None:
                raise AssertionError("json.loads accepted a document that is not JSON")
            end = other.end()
        self._end = end

    def _members(self, at: int, path: Path) -> Generator[Span, None, int]:
        at = self._skip(at + 1)
        names: dict[str, int] = {}
        while self._text[at] != "}":
            begin = at
            name, at = _STRINGS.raw_decode(self._text, at)
            if name in names:
                raise self._duplicate(name, names[name], begin)
            names[name] = begin
            at = self._skip(self._skip(at) + 1)  # the colon
            yield from self._value(at, (*path, name))
            at = self._skip(self._end)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _items(self, at: int, path: Path) -> Generator[Span, None, int]:
        at, number = self._skip(at + 1), 0
        while self._text[at] != "]":
            yield from self._value(at, (*path, number))
            number += 1
            at = self._skip(self._end)
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _duplicate(self, name: str, first: int, second: int) -> InputError:
        lines = [self._text.count("\n", 0, at) + 1 for at in (first, second)]
        column = second - (self._text.rfind("\n", 0, second) + 1) + 1
        return InputError(
            f"{self._what} '{self._file}' has the key '{name}' twice in one object, on lines "
            f"{lines[0]} and {lines[1]}.",
            hint="Remove one of them.",
            place=SourceLocation(file=self._file, line=lines[1], column=column),
        )

    def _span(self, path: Path, start: int, end: int, value: str) -> Span:
        passed = self._text[self._at : start]
        self._bytes += len(passed.encode())
        if lines := passed.count("\n"):
            self._line += lines
            self._line_start = self._at + passed.rindex("\n") + 1
        self._at = start
        return Span(
            node=path,
            start=self._bytes,
            raw=self._text[start:end],
            line=self._line,
            column=start - self._line_start + 1,
            value=value,
        )
