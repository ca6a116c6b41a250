"""What a scan of a manifest finds, of either kind: version and addresses with their places."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from deploy_action.core.manifest.version import Part

_HELP = {"LearnMoreUrl", "MoreInfoUrl"}


class Form(Enum):
    """The two kinds of manifest."""

    XML = "add-in only manifest in XML"
    JSON = "unified manifest in JSON"

    @property
    def last_part(self) -> Part:
        """The last part of its version."""
        return Part.PATCH if self is Form.JSON else Part.BUILD


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A value: where it begins, how it is written, and what it means.

    Args:
        node: which node of the document it belongs to: an element's number, or a path in JSON.
        attribute: the attribute's name; empty for an element's text, and in JSON.
        start: offset of its first byte in UTF-8.
        raw: how it is written there.
        line: where, from 1.
        column: likewise, in characters.
        value: what that means.
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
    """An address that may carry the version.

    Args:
        kind: ``page``, ``runtime`` (a JavaScript file that classic Outlook runs), ``image`` or
            ``data``.
        base: whether its origin is the add-in's own.
        source: whether it is the base SourceLocation of an XML manifest.
        id: its id among the resources of an XML manifest; empty elsewhere.
    """

    kind: str
    base: bool = False
    source: bool = False
    id: str = ""


@dataclass(slots=True)
class Scan:
    """All that was found.

    Args:
        form: which kind of manifest it is.
        version: the version's text with its surroundings.
        addresses: those that may carry the version.
        others: addresses that never do.
        users: by resource id, the names of the elements that refer to it.
        mail: whether it is a mail add-in.
    """

    form: Form
    version: Span | None = None
    addresses: list[Address] = field(default_factory=list)
    others: list[Span] = field(default_factory=list)
    users: dict[str, set[str]] = field(default_factory=dict)
    mail: bool = False

    def helps_only(self, address: Address) -> bool:
        """Whether an address is only the target of a help link."""
        users = self.users.get(address.id, set())
        return bool(address.id and users) and users <= _HELP

    def runtime(self, address: Address) -> bool:
        """Whether classic Outlook compares an address with the site's list of allowed ones."""
        return address.kind == "runtime" or "Override" in self.users.get(address.id, set())
