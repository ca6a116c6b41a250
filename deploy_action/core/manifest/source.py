"""Decodes a manifest's bytes and encodes them again without loss."""

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
# The byte order mark decides between the two orders; a declaration may name either spelling.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", {"utf-8"}),
    (codecs.BOM_UTF16_LE, "utf-16-le", {"utf-16", "utf-16le"}),
    (codecs.BOM_UTF16_BE, "utf-16-be", {"utf-16", "utf-16be"}),
)
_SAVE_AS_UTF8 = "Save the file as UTF-8."


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content.

    Args:
        bom: its byte order mark, if it has one.
        encoding: Python's name of its encoding.
        text: the decoded text.
    """

    bom: bytes
    encoding: str
    text: str

    def encoded(self, text: str) -> bytes:
        """Return the bytes of *text* in this file's encoding."""
        return self.bom + text.encode(self.encoding)


def decode(content: bytes, *, file: str, what: str = "Manifest") -> Source:
    """Decode a manifest's bytes.

    Args:
        content: the bytes.
        file: its name, for messages.
        what: the kind of file, for messages.

    Raises:
        InputError: the file is too large, its encoding is unsupported, or its bytes do not match
            its encoding.
    """
    subject = f"{what} '{file}'"
    if len(content) > LARGEST:
        raise _unusable(
            file, f"{subject} has {len(content)} bytes; the limit is {LARGEST}.", hint=""
        )
    bom, encoding = _encoding(content, file, subject)
    try:
        text = content[len(bom) :].decode(encoding)
    except UnicodeDecodeError as error:
        start = len(bom) + error.start
        line = content[:start].count("\n".encode(encoding)) + 1
        raise _unusable(file, f"{subject} is not valid {encoding}.", line=line) from None
    source = Source(bom, encoding, text)
    if "\0" in text or text.startswith("\ufeff") or source.encoded(text) != content:
        raise _unusable(file, f"{subject} cannot be read as {encoding} without loss.")
    return source


def _encoding(content: bytes, file: str, subject: str) -> tuple[bytes, str]:
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise _unusable(file, f"{subject} is in UTF-32, which is not supported.")
    for bom, encoding, names in _MARKS:
        if content.startswith(bom):
            start = content[len(bom) : len(bom) + 400].replace(b"\0", b"")
            match = _DECLARED.match(start)
            if match and match[1].decode().lower() not in names:
                raise _unusable(
                    file,
                    f"{subject} declares encoding '{match[1].decode()}', but its byte order mark "
                    f"says {encoding}.",
                    hint="Correct the declaration in its first line.",
                )
            return bom, encoding
    match = _DECLARED.match(content[:400])
    declared = match[1].decode().lower() if match else "utf-8"
    if declared.startswith("utf-16"):
        raise _unusable(file, f"{subject} declares {declared} but has no byte order mark.")
    if declared not in _ENCODINGS:
        raise _unusable(file, f"{subject} is in encoding '{declared}', which is not supported.")
    return b"", _ENCODINGS[declared]


def _unusable(
    file: str, message: str, *, line: int | None = None, hint: str = _SAVE_AS_UTF8
) -> InputError:
    return InputError(message, hint=hint, place=SourceLocation(file=file, line=line))
