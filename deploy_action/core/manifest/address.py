"""URLs as manifests write them: origin, placeholders, and one query parameter.

A manifest may be a template whose URLs hold placeholders, which may contain any character. A
placeholder is opaque: its characters are never a separator, a query or a fragment.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass

from deploy_action.core.manifest.model import Form

_PLACEHOLDER = (
    r"\$?\{\{.{0,200}?\}\}\}?"  # {{X}}, {{{X}}}, ${{X}}
    r"|\$\{[^{}]{0,200}\}"
    r"|#\{[^{}]{0,200}\}#?"
    r"|\{[^{}]{0,200}\}"
    r"|\$\([^()]{0,200}\)"
    r"|\[[^\[\]]{0,200}\]"
    r"|<%.{0,200}?%>"
    r"|%[A-Za-z_]\w{0,200}%"
    r"|__\w{1,200}?__"
    r"|@@\w{1,200}@@"
    r"|~\w+"
)
_PLACEHOLDERS = re.compile(_PLACEHOLDER)
_ORIGIN = re.compile(
    rf"(?:(?:{_PLACEHOLDER}|[A-Za-z][A-Za-z0-9+.-]*)://(?:{_PLACEHOLDER}|[^/?#])*"
    rf"|(?:{_PLACEHOLDER})(?::\d+)?)"
)
_DEFAULT_PORT = re.compile(r"^(?:(https://.*):443|(http://.*):80)$")
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){0,3}")
_UNITS = {
    Form.XML: re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z]+);|.", re.DOTALL),
    Form.JSON: re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL),
}
_AMPERSAND = {Form.XML: "&amp;", Form.JSON: "&"}


def origin(url: str) -> str:
    """Return scheme, host and port in lower case, or the leading placeholder; empty without one.

    >>> origin("HTTPS://Contoso.com:443/a.html")
    'https://contoso.com'
    >>> origin("#{BASE}#/a.html")
    '#{BASE}#'
    """
    match = _ORIGIN.match(url)
    if not match:
        return ""
    text = match[0].lower() if "://" in match[0] else match[0]
    default = _DEFAULT_PORT.match(text)
    return (default[1] or default[2]) if default else text


def request_path(url: str) -> str:
    """Return path and query of a URL, without its fragment.

    >>> request_path("https://contoso.com?commands=1#top")
    '/?commands=1'
    """
    match = _ORIGIN.match(url)
    rest = url[match.end() if match else 0 :]
    rest = rest[: _fragment(_opaque(rest))]
    return rest if rest.startswith("/") else f"/{rest}"


def _opaque(text: str) -> str:
    """Return *text* with every placeholder replaced by as many ordinary characters."""
    return _PLACEHOLDERS.sub(lambda match: "x" * len(match[0]), text)


def _fragment(text: str) -> int:
    """Return where the fragment begins, or the end."""
    at = text.find("#")
    return len(text) if at < 0 else at


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the parameter: its place in the URL as written, and its text.

    *prefix* goes before a new value: an equals sign if the URL has only the parameter's name.
    """

    start: int
    end: int
    text: str
    prefix: str = ""

    def is_version(self, old: str) -> bool:
        """Whether it is the old version or one to four groups of digits."""
        return self.text == old or bool(_NUMBERS.fullmatch(self.text))


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    start: int
    equals: int  # -1 without an equals sign
    end: int


class WrittenUrl:
    """A URL as it is written in a file of one form, escapes included."""

    def __init__(self, raw: str, form: Form) -> None:
        self._raw = raw
        self._form = form
        units = [match[0] for match in _UNITS[form].finditer(raw)]
        self.text = "".join(_decoded(unit, form) for unit in units)
        self._offsets = [0]
        for unit in units:
            self._offsets.append(self._offsets[-1] + len(unit))
        opaque = _opaque(self.text)
        self._end = _fragment(opaque)
        self._begin = opaque.find("?", 0, self._end)
        self._parameters = list(self._split(opaque))

    def _split(self, opaque: str) -> list[_Parameter]:
        parameters: list[_Parameter] = []
        start = self._begin + 1
        while self._begin >= 0 and start < self._end:
            stop = opaque.find("&", start, self._end)
            stop = self._end if stop < 0 else stop
            equals = opaque.find("=", start, stop)
            name = self.text[start : stop if equals < 0 else equals]
            parameters.append(_Parameter(name, start, equals, stop))
            start = stop + 1
        return parameters

    def values(self, name: str) -> list[Value]:
        """Return the values of the parameter *name*."""
        values = []
        for parameter in self._parameters:
            if parameter.name == name:
                bare = parameter.equals < 0
                start = parameter.end if bare else parameter.equals + 1
                text = self.text[start : parameter.end]
                offsets = self._offsets[start], self._offsets[parameter.end]
                values.append(Value(*offsets, text, "=" if bare else ""))
        return values

    def position(self, name: str) -> int | None:
        """Return the index of the parameter *name* in the query, None without it."""
        names = [parameter.name for parameter in self._parameters]
        return names.index(name) if name in names else None

    def page(self, name: str) -> tuple[object, ...]:
        """Return what identifies the page: everything but the parameter *name* and the fragment."""
        head = self.text[: self._end if self._begin < 0 else self._begin]
        host = origin(head)
        match = _ORIGIN.match(head)
        path = head[match.end() if match else 0 :] or "/"
        rest = [self.text[p.start : p.end] for p in self._parameters if p.name != name]
        return (host, path, *sorted(text for text in rest if text))

    def request(self) -> str:
        """Return the URL that a browser requests: everything before the fragment."""
        return f"{origin(self.text)}{request_path(self.text)}"

    def with_parameter(self, name: str, value: str, position: int | None = None) -> str:
        """Return the URL with the parameter added to its query, by default as the last one."""
        pair, ampersand = f"{name}={value}", _AMPERSAND[self._form]
        if self._begin < 0:
            at, text = self._offsets[self._end], f"?{pair}"
        elif position is not None and position < len(self._parameters):
            at, text = self._offsets[self._parameters[position].start], f"{pair}{ampersand}"
        else:
            empty = self._begin + 1 == self._end
            at, text = self._offsets[self._end], pair if empty else f"{ampersand}{pair}"
        return f"{self._raw[:at]}{text}{self._raw[at:]}"


def _decoded(unit: str, form: Form) -> str:
    """Return the character that a unit of text represents; always one character."""
    if len(unit) == 1:
        return unit
    if form is Form.JSON:
        return str(json.loads(f'"{unit}"'))
    text = html.unescape(unit)
    return text if len(text) == 1 else "\ufffd"
