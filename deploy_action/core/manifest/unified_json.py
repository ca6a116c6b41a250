"""Where in a unified manifest its version and its addresses stand.

Python's own reader of JSON decides what is JSON at all; the walk beside it, which tells where each
text begins, must come to the same.

Source: RFC 8259; "Microsoft 365 app manifest schema reference" for the names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from deploy_action.core.manifest.model import Address, Form, Scan, Span
from deploy_action.errors import InputError, SourceLocation

Path = tuple[str | int, ...]
_DEEPEST, _MOST_VALUES = 64, 20_000
_STRINGS = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
_OTHER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")
# Where addresses stand that may carry the version; None is any index or name.
_ADDRESSES: tuple[tuple[tuple[str | None, ...], str], ...] = (
    (("extensions", None, "runtimes", None, "code", "page"), "page"),
    (("extensions", None, "runtimes", None, "code", "script"), "runtime"),
    (("extensions", None, "contentRuntimes", None, "code", "page"), "page"),
    (("extensions", None, "contentRuntimes", None, "code", "script"), "runtime"),
    (("extensions", None, "alternates", None, "alternateIcons", None, "url"), "image"),
    (("customFunctions", "metadataUrl"), "data"),
    (("keyboardShortcuts", None, "keyMappingFiles", None), "data"),
    (("icons", None, "url"), "image"),
)


def is_json(text: str) -> bool:
    """Whether a file is to be read as JSON."""
    return text.lstrip("\ufeff \t\r\n")[:1] == "{"


def scan(text: str, *, file: str) -> Scan:
    """Find the version and the addresses.

    Raises:
        InputError: it is no JSON, no unified manifest, or one that may not be edited.
    """
    spans = texts(text, file=file)
    members = {span.node: span for span in spans}
    found = Scan(Form.JSON)
    version = members.get(("version",))
    if version is None or ("manifestVersion",) not in members:
        raise InputError(
            f"Manifest '{file}' is no Office manifest: the texts 'manifestVersion' and 'version' "
            "were expected.",
            hint="Give the path of the add-in's own manifest.",
            place=SourceLocation(file=file, line=1),
        )
    found.version = version
    for span in spans:
        kind = _kind(span.node)
        if kind:
            found.addresses.append(
                Address(
                    **{name: getattr(span, name) for name in Span.__slots__},
                    kind=kind,
                    base=kind == "page",
                )
            )
        elif span is not version and ("://" in span.value or span.value.startswith("api:")):
            found.others.append(span)
    return found


def texts(text: str, *, file: str) -> list[Span]:
    """Return every text of a JSON document that is a value, with its place.

    Raises:
        InputError: it is no JSON.
    """
    _must_be_json(text, file)
    return list(_Walk(text, file).spans())


def tree(text: str) -> Any:
    """Return what *text* says, for comparing."""
    return json.loads(text)


def _must_be_json(text: str, file: str) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(
                f"Manifest '{file}' has '{twice}' twice in one object.",
                place=SourceLocation(file=file),
            )
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=unique, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            f"Manifest '{file}' is not valid JSON: {error.msg.lower()}; neither comments nor "
            "trailing commas are.",
            place=SourceLocation(file=file, line=error.lineno, column=error.colno),
        ) from None
    except RecursionError:
        raise InputError(
            f"Manifest '{file}' is nested too deeply.", place=SourceLocation(file=file)
        ) from None
    except ValueError as error:
        raise InputError(
            f"Manifest '{file}' is not valid JSON: {error}.", place=SourceLocation(file=file)
        ) from None


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _kind(node: object) -> str:
    path = node if isinstance(node, tuple) else ()
    for wanted, kind in _ADDRESSES:
        tail = path if wanted[0] == "extensions" else path[-len(wanted) :]
        if len(tail) == len(wanted) and all(
            name is None or name == part for name, part in zip(wanted, tail, strict=True)
        ):
            return kind
    return ""


class _Walk:
    """Reads the text once and tells each text value with its place."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._count = self._end = 0
        self._bytes = self._at = 0  # how many bytes the characters before _at have
        self._line, self._line_start = 1, 0

    def spans(self) -> Iterator[Span]:
        """Yield a span for each text that is a value, in their order."""
        yield from self._value(self._skip(0), ())

    def _skip(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found else at

    def _value(self, at: int, path: Path) -> Iterator[Span]:
        self._count += 1
        if len(path) > _DEEPEST or self._count > _MOST_VALUES:
            raise InputError(
                f"Manifest '{self._file}' is nested too deeply or has too many values.",
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
                raise AssertionError("the reader of JSON has let through what is none")
            end = other.end()
        self._end = end

    def _members(self, at: int, path: Path) -> Generator[Span, None, int]:
        at = self._skip(at + 1)
        while self._text[at] != "}":
            name, at = _STRINGS.raw_decode(self._text, at)
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
