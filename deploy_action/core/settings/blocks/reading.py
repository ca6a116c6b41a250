"""Reads YAML values and collects every fault with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from deploy_action.core.settings.tree import Mapping, Node, Scalar, Sequence, plain
from deploy_action.errors import Fault, InputError, SourceLocation

Value = TypeVar("Value")
_CAPITAL = re.compile(r"([A-Z]+)")
# Azure's names that differ too much from ours for the "did you mean" search.
_AZURE_NAMES = {
    "min-replicas": "min",
    "max-replicas": "max",
    "cooldown-period": "cooldown",
    "failure-threshold": "failures",
    "success-threshold": "successes",
    "http-get": "path",
    "http-headers": "headers",
    "tcp-socket": "tcp",
    "volume-mounts": "mounts",
    "mount-path": "path",
    "key-vault-url": "key-vault",
    "storage-type": "type",
    "secret-ref": "secret",
}
Field = Callable[["Faults", Node, str], Any]


@dataclass(slots=True)
class Faults:
    """The mistakes of one block, reported together."""

    found: list[Fault] = field(default_factory=list)

    def add(self, path: str, message: str, location: SourceLocation) -> None:
        """Report a mistake in the value of *path*, such as ``template.scale.min``."""
        self.found.append(Fault(message=f"{path}: {message}", location=location))

    def raise_any(self) -> None:
        """Raise one error for all mistakes of a block, if there are any.

        Raises:
            InputError: there were mistakes.
        """
        if self.found:
            raise InputError.of(self.found)

    def scalar(self, node: Node, path: str, parse: Callable[[str], Value]) -> Value | None:
        """Return one text as *parse* reads it; None after a fault."""
        if not isinstance(node, Scalar):
            self.add(path, "it must be a single value.", node.location)
            return None
        if node.null:
            self.add(path, "it has no value.", node.location)
            return None
        try:
            return parse(node.text)
        except ValueError as error:
            self.add(path, f"'{node.text}' must be {error}.", node.location)
            return None

    def pairs(self, node: Node, path: str) -> Iterator[tuple[Scalar, Node]]:
        """Yield the keys and values of a block; an empty block has none."""
        if isinstance(node, Mapping):
            yield from node.pairs
        elif not (isinstance(node, Scalar) and node.null):
            self.add(path, "it must be a block of KEY: VALUE lines.", node.location)

    def fields(self, node: Node, path: str, known: dict[str, Field]) -> dict[str, Any]:
        """Return a block of fixed keys, each read by its function, without the faulty keys."""
        values: dict[str, Any] = {}
        for key, value in self.pairs(node, path):
            read = known.get(key.text)
            if read is None:
                self.unknown(key, path, known)
                continue
            before = len(self.found)
            result = read(self, value, f"{path}.{key.text}")
            if len(self.found) == before:
                values[key.text.replace("-", "_")] = result
        return values

    def unknown(self, key: Scalar, path: str, known: Collection[str]) -> None:
        """Report a key that the block does not have, with the nearest one."""
        name = _CAPITAL.sub(r"-\1", key.text).lower().replace("_", "-").strip("-")
        nearest = [_AZURE_NAMES.get(name, "")]
        if nearest[0] not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        meant = f"Did you mean {nearest[0]}?" if nearest else f"Valid keys: {', '.join(known)}."
        self.add(f"{path}.{key.text}", f"unknown key. {meant}", key.location)


def scalar_of(parse: Callable[[str], Any]) -> Field:
    """Return a field that is one text."""
    return lambda faults, node, path: faults.scalar(node, path, parse)


def texts(faults: Faults, node: Node, path: str) -> tuple[str, ...] | None:
    """Read a list of texts; null is None."""
    if isinstance(node, Scalar) and node.null:
        return None
    if isinstance(node, Sequence) and all(isinstance(item, Scalar) for item in node.items):
        return tuple(item.text for item in node.items if isinstance(item, Scalar))
    faults.add(path, "it must be a list of strings, such as [a, b], or null.", node.location)
    return ()


def is_null(node: Node) -> bool:
    """Whether a value is empty or ``null``."""
    return isinstance(node, Scalar) and node.null


def as_plain(node: Node) -> Any:
    """Return a value without locations, all scalars as text."""
    return plain(node)
