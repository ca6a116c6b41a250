"""Resolves secrets in the settings, which may contain references but never values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from deploy_action.core.settings import tree
from deploy_action.core.settings.parse import RawValue
from deploy_action.core.settings.schema import setting_specs
from deploy_action.core.settings.tree import Node, Scalar, Sequence
from deploy_action.errors import Fault, InputError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_POINTER = re.compile(r"id=[^,\s]+,(env|src|source)=[^,\s]+")
_VAULT = re.compile(r"keyvault:[A-Za-z0-9-]+/[A-Za-z0-9/-]+")
_VALUE = "value"


def resolve_secrets(
    written: Mapping[str, RawValue], environment: Mapping[str, str]
) -> dict[str, RawValue]:
    """Return *written* with each ``${NAME}`` of a secret setting replaced by the variable's value.

    Args:
        written: the settings of the file and of the input ``settings``.
        environment: the step's environment.

    Raises:
        InputError: a secret is written in the settings, or a variable is empty.
    """
    values, faults = dict(written), list[Fault]()
    for spec in setting_specs():
        raw = written.get(spec.name)
        if raw is not None and raw.node is not None and spec.secret_keys:
            resolver = _Resolver(spec.name, environment, faults)
            values[spec.name] = replace(raw, node=resolver.items(raw.node, spec.secret_keys))
        if not spec.secret or raw is None:
            continue
        if isinstance(raw.node, tree.Mapping) and spec.block is not None:
            resolver = _Resolver(spec.name, environment, faults)
            values[spec.name] = replace(raw, node=resolver.block(raw.node))
        elif raw.text.strip() or not isinstance(raw.node, Scalar):
            values[spec.name] = _text(spec.name, raw, environment, faults)
    if faults:
        raise InputError.of(faults)
    return values


def _text(
    name: str, raw: RawValue, environment: Mapping[str, str], faults: list[Fault]
) -> RawValue:
    text = raw.text.strip()
    if isinstance(raw.node, Scalar) and _VAULT.fullmatch(text):
        return raw
    if name == "build-secrets" and text and all(map(_POINTER.fullmatch, text.split())):
        return raw  # it contains names of variables and files, no secret itself
    if not isinstance(raw.node, Scalar) or not _REFERENCE.fullmatch(text):
        faults.append(_written(name, raw.node, raw))
        return raw
    value = _Resolver(name, environment, faults).variable(text, name, raw.node)
    return RawValue(text=value, source="setting", location=raw.location)


class _Resolver:
    """Replaces the references of one setting."""

    def __init__(self, name: str, environment: Mapping[str, str], faults: list[Fault]) -> None:
        self._name = name
        self._environment = environment
        self._faults = faults

    def variable(self, text: str, path: str, node: Node) -> str:
        """Return the value of the variable that *text* refers to."""
        name = text.strip()[2:-1]
        value = self._environment.get(name, "")
        if not value.strip():
            message = f"{path}: the variable {name} is empty in the step's environment."
            self._faults.append(Fault(message=message, location=node.location))
        return value

    def block(self, node: tree.Mapping) -> tree.Mapping:
        """Return the block with ``{value: …}`` in the place of each reference."""
        pairs = tuple((key, self._item(key, value)) for key, value in node.pairs)
        return tree.Mapping(pairs=pairs, location=node.location)

    def items(self, node: Node, secret_keys: Collection[str]) -> Node:
        """Return a block, or a list of them, with the values of *secret_keys* resolved.

        The reference to an empty variable stays: a notification that cannot be sent is no reason to
        refuse a rollback.
        """
        if isinstance(node, tree.Mapping):
            return self._block_item(node, self._name, secret_keys)
        if not isinstance(node, Sequence):
            return node
        items = tuple(
            self._block_item(item, f"{self._name}.{number}", secret_keys)
            if isinstance(item, tree.Mapping)
            else item
            for number, item in enumerate(node.items, 1)
        )
        return Sequence(items=items, location=node.location)

    def _block_item(
        self, node: tree.Mapping, path: str, secret_keys: Collection[str]
    ) -> tree.Mapping:
        pairs = tuple(
            (key, self._reference(value, f"{path}.{key.text}"))
            if key.text in secret_keys
            else (key, value)
            for key, value in node.pairs
        )
        return tree.Mapping(pairs=pairs, location=node.location)

    def _reference(self, node: Node, path: str) -> Node:
        if not isinstance(node, Scalar) or node.null or _VAULT.fullmatch(node.text.strip()):
            return node
        match = _REFERENCE.fullmatch(node.text.strip())
        if not match:
            self._faults.append(_written(path, node))
            return node
        value = self._environment.get(match[1], "").strip()
        return replace(node, text=value or node.text.strip())

    def _item(self, key: Scalar, node: Node) -> Node:
        path = f"{self._name}.{key.text}"
        if isinstance(node, tree.Mapping):
            inner = node.get(_VALUE)
            return node if inner is None else self._item(key, inner)
        if not isinstance(node, Scalar) or node.null or _VAULT.fullmatch(node.text.strip()):
            return node
        if not _REFERENCE.fullmatch(node.text.strip()):
            self._faults.append(_written(path, node))
            return node
        value = Scalar(text=self.variable(node.text, path, node), location=node.location)
        name = Scalar(text=_VALUE, location=node.location)
        return tree.Mapping(pairs=((name, value),), location=node.location)


def _written(path: str, node: Node | None, raw: RawValue | None = None) -> Fault:
    location = node.location if node else raw.location if raw else None
    return Fault(
        message=f"{path}: a secret must not be written in the settings. Use an input, ${{NAME}} "
        "for a variable of the step's environment, or keyvault:VAULT/NAME.",
        location=location,
    )
