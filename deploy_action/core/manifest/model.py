"""The result of scanning a manifest of either kind: the version and the URLs with their places."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from deploy_action.core.manifest.version import Part

_HELP_LINKS = {"LearnMoreUrl", "MoreInfoUrl"}
JAVASCRIPT_RUNTIME = "Override"  # of a Runtime, with type javascript


class Form(Enum):
    """The two kinds of manifest."""

    XML = "add-in only manifest in XML"
    JSON = "unified manifest in JSON"

    @property
    def last_part(self) -> Part:
        """The last part of its version."""
        return Part.PATCH if self is Form.JSON else Part.BUILD


class UrlKind(Enum):
    """The purpose of a URL in a manifest."""

    PAGE = "page"
    SCRIPT = "script"  # run without a page: an event-based or custom-functions script
    IMAGE = "image"
    DATA = "data"
    HELP = "help"  # opened in a browser by a help link, not part of the add-in


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A value in the file.

    Args:
        node: which node of the document it belongs to: an element's number, or a path in JSON.
        attribute: the attribute's name; empty for an element's text, and in JSON.
        start: offset of its first byte in UTF-8.
        raw: the value as written in the file, escapes included.
        line: line number, from 1.
        column: column in characters, from 1.
        value: the value without escapes.
    """

    node: object
    attribute: str = ""
    start: int
    raw: str
    line: int
    column: int = 1
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Span):
    """A URL that may carry the version.

    Args:
        kind: its purpose, as far as its own place says; see `Scan.kind`.
        base: whether its origin is the add-in's own.
        source: whether it is the base SourceLocation of an XML manifest, of any locale.
        id: the resource id in an XML manifest, for a locale override its parent's; empty elsewhere.
    """

    kind: UrlKind
    base: bool = False
    source: bool = False
    id: str = ""


@dataclass(slots=True)
class Scan:
    """Everything that was found.

    Args:
        form: which kind of manifest it is.
        version: the version's text.
        addresses: URLs that may carry the version.
        others: URLs that never do.
        users: by resource id, the names of the elements that refer to it.
        mail: whether it is a mail add-in.
    """

    form: Form
    version: Span | None = None
    addresses: list[Address] = field(default_factory=list)
    others: list[Span] = field(default_factory=list)
    users: dict[str, set[str]] = field(default_factory=dict)
    mail: bool = False

    def kind(self, address: Address) -> UrlKind:
        """Return what a URL is for, which in XML depends on the elements that refer to it."""
        users = self.users.get(address.id, set()) if address.id else set()
        if address.kind is not UrlKind.PAGE or not users:
            return address.kind
        code = users - _HELP_LINKS
        if not code:
            return UrlKind.HELP
        if code == {"Metadata"}:
            return UrlKind.DATA
        if JAVASCRIPT_RUNTIME in code or code <= {"Script", "Metadata"}:
            return UrlKind.SCRIPT
        return UrlKind.PAGE
