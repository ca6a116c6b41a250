"""A YAML document as values with their location, for error messages with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy_action.errors import SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One text; *null* where the document says ``null``, ``~`` or nothing."""

    text: str
    location: SourceLocation
    null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys and values in the order of the document; a key occurs once."""

    pairs: tuple[tuple[Scalar, Node], ...]
    location: SourceLocation

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        """Yield each key's text with its value."""
        return ((key.text, value) for key, value in self.pairs)

    def get(self, name: str) -> Node | None:
        """Return the value of the key *name*, or None."""
        return next((value for key, value in self if key == name), None)

    def key(self, name: str) -> Scalar:
        """Return the key *name* itself, for its location.

        Raises:
            KeyError: there is no such key.
        """
        for key, _ in self.pairs:
            if key.text == name:
                return key
        raise KeyError(name)


Node = Scalar | Sequence | Mapping


def merge(base: Node | None, over: Node) -> Node:
    """Return *over* on top of *base*: mappings are merged key by key, all else replaces."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    merged: dict[str, tuple[Scalar, Node]] = {key.text: (key, value) for key, value in base.pairs}
    for key, value in over.pairs:
        earlier = merged.get(key.text)
        merged[key.text] = (key, merge(earlier[1] if earlier else None, value))
    return Mapping(pairs=tuple(merged.values()), location=over.location)


def plain(node: Node) -> object:
    """Return the document's values without their places; scalars stay texts, null is None."""
    match node:
        case Scalar():
            return None if node.null else node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node}
