"""A manifest's bytes as text and back: which encodings are taken, and nothing is lost."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from deploy_action.errors import InputError, SourceLocation

LARGEST = 1024 * 1024
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "windows-1252": "windows-1252",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read.

    Args:
        bom: its byte order mark, if it has one.
        encoding: Python's name of its encoding.
        text: what it says.
    """

    bom: bytes
    encoding: str
    text: str

    def encoded(self, text: str) -> bytes:
        """Return the bytes of *text* in this file's form."""
        return self.bom + text.encode(self.encoding)


def decode(content: bytes, *, file: str) -> Source:
    """Read a manifest's bytes.

    Raises:
        InputError: they are too many, in an encoding that is not taken, or not in their own.
    """
    if len(content) > LARGEST:
        raise _unfit(file, f"has {len(content)} bytes; at most {LARGEST} were expected")
    bom, encoding = _encoding(content, file)
    try:
        text = content[len(bom) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _unfit(file, f"is not in its encoding, {encoding}", line=line) from None
    source = Source(bom, encoding, text)
    if "\0" in text or text.startswith("\ufeff") or source.encoded(text) != content:
        raise _unfit(file, f"cannot be read as {encoding} without loss")
    return source


def _encoding(content: bytes, file: str) -> tuple[bytes, str]:
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise _unfit(file, "is in UTF-32; UTF-8 was expected")
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(bom):
            start = content[len(bom) : len(bom) + 400].replace(b"\0", b"")
            named = _DECLARED.match(start)
            said = named[1].decode().lower() if named else encoding
            if not encoding.startswith(said):
                raise _unfit(file, f"begins as {encoding} and says that it is {said}")
            return bom, encoding
    named = _DECLARED.match(content[:400])
    said = named[1].decode().lower() if named else "utf-8"
    if said not in _ENCODINGS:
        raise _unfit(file, f"is in encoding '{said}'; UTF-8 was expected")
    return b"", _ENCODINGS[said]


def _unfit(file: str, what: str, *, line: int | None = None) -> InputError:
    return InputError(f"Manifest '{file}' {what}.", place=SourceLocation(file=file, line=line))
