"""`.dockerignore` files as the engine of the build service reads them.

Sources: Docker documentation, "Build context", section ".dockerignore files"; Go's
``path/filepath`` (``Clean`` and ``Match``) and ``regexp`` packages, on which the engine builds.
Patterns with wildcards become regular expressions without checking brackets first.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed

Matches = tuple[bool, ...]
"""Which rules match a folder, one entry for each rule."""
_BOM = b"\xef\xbb\xbf"
# What Go calls white space; Python's str.strip would also remove the separators 0x1c to 0x1f.
_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
_SPACE += "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_BAD_PATTERN = "error checking context: syntax error in pattern"
_LONGEST_LINE = 64 * 1024
_ESCAPED = set(".+()|{}$")
# Escapes of letters that Go's regular expressions know, and what they match.
_LETTERS = {
    "a": r"\a", "f": r"\f", "n": r"\n", "r": r"\r", "t": r"\t", "v": r"\v",
    "d": "[0-9]", "D": "[^0-9]", "w": "[0-9A-Za-z_]", "W": "[^0-9A-Za-z_]",
    "s": r"[\t\n\f\r ]", "S": r"[^\t\n\f\r ]",
    "A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)",
}  # fmt: skip
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip


@dataclass(frozen=True)
class _Rule:
    text: str
    includes: bool
    invalid: BuildFailed

    @property
    def fixed_part(self) -> str:
        """The pattern without a trailing ``/**`` or ``/*``."""
        return self.text.removesuffix("/**").removesuffix("/*")

    @cached_property
    def matches(self) -> Callable[[str], bool]:
        """The function that matches a path; compiled on first use, as in the engine."""
        try:
            return _matcher(self.text)
        except (ValueError, IndexError, re.error):
            raise self.invalid from None


class Ignore:
    """The rules of one ignore file; the last one that matches a path or a parent decides.

    Args:
        content: the file's bytes.

    Raises:
        BuildFailed: the engine refuses a pattern; `match` may raise it, too.
    """

    def __init__(self, content: bytes = b"") -> None:
        self._rules = [_rule(text) for text in _patterns(content)]
        exceptions = [rule for rule in self._rules if rule.includes]
        self._exceptions_have_wildcards = any(
            set(rule.fixed_part) & set("*[]?^\\") for rule in exceptions
        )
        self._exceptions = [f"{rule.fixed_part}/" for rule in exceptions]

    @classmethod
    def of(cls, context: Path, dockerfile: str) -> Ignore:
        """Read ``DOCKERFILE.dockerignore`` next to the Dockerfile, else the context's file."""
        for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
            file = context / name
            if file.is_file():
                return cls(file.read_bytes())
        return cls()

    def files(self, root: Path) -> Iterator[str]:
        """Yield the relative path of everything under *root* that is not left out."""
        yield from self._files(root, "", (), [])

    def _files(self, root: Path, folder: str, parent: Matches, pending: list[str]) -> Iterator[str]:
        for entry in sorted(os.scandir(root / folder), key=lambda item: os.fsencode(item.name)):
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            ignored, matches = self.match(path, parent)
            if ignored:
                if is_folder and self.may_include_below(path):
                    yield from self._files(root, path, matches, [*pending, path])
                continue
            yield from pending  # folders that are left out themselves, but not all in them
            pending = []
            yield path
            if is_folder:
                yield from self._files(root, path, matches, [])

    def match(self, path: str, parent: Matches = ()) -> tuple[bool, Matches]:
        """Return whether *path* is left out, and what its children need to know.

        Args:
            path: relative to the context, with slashes.
            parent: what the call for the parent folder returned; empty at the top.
        """
        ignored = False
        matches = []
        for number, rule in enumerate(self._rules):
            matched = bool(parent) and parent[number]
            if not matched and rule.includes == ignored:
                matched = rule.matches(path)
            matches.append(matched)
            if matched:
                ignored = not rule.includes
        return ignored, tuple(matches)

    def may_include_below(self, folder: str) -> bool:
        """Whether the engine looks for exceptions in a *folder* that is left out itself."""
        return self._exceptions_have_wildcards or any(
            text.startswith(f"{folder}/") for text in self._exceptions
        )


def _patterns(content: bytes) -> Iterator[str]:
    """Yield cleaned patterns; one that begins with ``!`` is an exception."""
    for line in content.removeprefix(_BOM).split(b"\n"):
        if len(line) >= _LONGEST_LINE:
            raise BuildFailed(_BAD_PATTERN)
        text = line.decode("utf-8", "surrogateescape")
        if text.startswith("#"):
            continue
        text = text.strip(_SPACE)
        exception = text.startswith("!")
        text = text.removeprefix("!").strip(_SPACE) if exception else text
        if text:
            text = _clean(text)
            text = text[1:] if len(text) > 1 and text.startswith("/") else text
        if text or exception:
            yield f"!{text}" if exception else text


def _clean(path: str) -> str:
    """Shorten a path as Go's ``filepath.Clean`` does."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _rule(text: str) -> _Rule:
    # The engine cleans once more, with the "!" in front: "!/" is then no pattern at all.
    text = _clean(text)
    includes = text.startswith("!")
    text = text.removeprefix("!")
    if not text:
        raise BuildFailed(_BAD_PATTERN)
    invalid = BuildFailed(_BAD_PATTERN)
    try:
        _check_brackets(text)
    except (ValueError, IndexError):
        raise invalid from None
    return _Rule(text, includes, invalid)


def _check_brackets(text: str) -> None:
    """Raise `ValueError` or `IndexError` where Go's ``filepath.Match`` reports a bad pattern.

    It matches against "." and stops at the first ``*`` that follows another character.
    """
    text, at = text.lstrip("*"), 0
    while at < len(text) and (text[at] != "*" or text[:at] in {"?", "."}):
        if text[at] == "\\":
            at += 1
            if at == len(text):
                raise ValueError
        elif text[at] == "[":
            at += 2 if text[at + 1] == "^" else 1
            count = 0
            while text[at] != "]" or count == 0:
                at = _after_class_character(text, at)
                if text[at] == "-":
                    at = _after_class_character(text, at + 1)
                count += 1
        at += 1


def _after_class_character(text: str, at: int) -> int:
    if text[at] in "-]":
        raise ValueError
    at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        raise ValueError
    return at


def _matcher(text: str) -> Callable[[str], bool]:
    """Choose how a pattern is compared: as it is, by its beginning or end, or as an expression."""
    expression, kind = _go_expression(text)
    match kind:
        case "exact":
            return lambda path: path == text
        case "prefix":
            return lambda path: path.startswith(text[:-2])
        case "suffix":
            end = text[2:]
            return lambda path: path.endswith(end) or (end[:1] == "/" and path == end[1:])
    compiled = re.compile(_python_expression(expression))
    return lambda path: compiled.match(path) is not None


def _go_expression(text: str) -> tuple[str, str]:
    """Return the engine's regular expression for a pattern, and the kind of comparison."""
    out, kind, at = "", "exact", 0
    while at < len(text):
        start, char = at, text[at]
        at += 1
        if text.startswith("**", start):
            at += 2 if text.startswith("/", at + 1) else 1
            if at < len(text):
                out, kind = f"{out}(.*/)?", "expression"
            elif kind == "exact":
                kind = "prefix"
            else:
                out, kind = f"{out}.*", "expression"
            if start == 0:
                kind = "suffix"
        elif char in "*?":
            out, kind = out + ("[^/]*" if char == "*" else "[^/]"), "expression"
        elif char in _ESCAPED:
            out += f"\\{char}"
        elif char == "\\" and at == len(text):
            out += char  # it escapes the final "$"
        elif char == "\\":
            out, kind = f"{out}\\{text[at]}", "expression"
            at += 1
        else:
            out += char
            kind = "expression" if char in "[]" else kind
    return out, kind


def _python_expression(expression: str) -> str:
    """Translate the few constructs of Go's regular expressions that `_go_expression` makes."""
    out, at = "", 0
    while at < len(expression):
        char = expression[at]
        if char == "\\" and at == len(expression) - 1:
            return out + r"\$"
        if char == "\\":
            out += _escape(expression[at + 1])
            at += 2
        elif char == "[":
            part, at = _class(expression, at + 1)
            out += part
        else:
            out += char if char in "(.*)?^" else re.escape(char)
            at += 1
    return out + r"\Z"


def _escape(char: str) -> str:
    if char.isascii() and char.isalnum():
        if char not in _LETTERS:
            raise ValueError
        return _LETTERS[char]
    if not char.isascii():
        raise ValueError
    return re.escape(char)


def _class(text: str, at: int) -> tuple[str, int]:
    """Translate a bracket expression whose content begins at *at*; return where it ends, too."""
    out = "[^" if text[at] == "^" else "["
    at += len(out) - 1
    first = True
    while text[at] != "]" or first:
        first = False
        named = re.compile(r"\[:(\^?)(\w+):\]").match(text, at)
        if named:
            if named[1] or named[2] not in _POSIX:
                raise ValueError
            out, at = out + _POSIX[named[2]], named.end()
            continue
        low, at = _class_character(text, at)
        if len(low) == 1 and text[at] == "-" and text[at + 1] != "]":
            high, at = _class_character(text, at + 1)
            if len(high) != 1 or high < low:
                raise ValueError
            out += f"{re.escape(low)}-{re.escape(high)}"
        else:
            out += re.escape(low) if len(low) == 1 else low
    return f"{out}]", at + 1


def _class_character(text: str, at: int) -> tuple[str, int]:
    """Return one character of a bracket expression, or the content of a class of an escape."""
    if text[at] != "\\":
        return text[at], at + 1
    char = text[at + 1]
    if char in "dws":
        return _LETTERS[char][1:-1], at + 2
    if char.isalnum() or not char.isascii():
        if char not in "afnrtv":
            raise ValueError
        return {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}[char], at + 2
    return char, at + 2
