"""Declaration of a setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deploy_action.core.settings.tree import Node

_KEY = "spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSpec:
    """One declared setting.

    Args:
        name: as the user writes it, such as ``health-path``.
        field: the attribute of `Settings`; a duration's ends in ``_s`` (seconds).
        group: heading under which the documentation lists it.
        default: the text that is used if the setting is not set; empty for none.
        about: one sentence for the documentation.
        secret: whether its value must never be shown or written in the settings file.
        is_input: whether action.yml has an input of this name.
        parse: turns a text into the value; raises `ValueError` with what was expected.
        block: turns a YAML block into the value; None for a setting that is one text.
        schema: JSON Schema of the setting in the file.
        secret_keys: keys of the block's items whose values are secrets.
    """

    name: str
    field: str
    group: str
    default: str
    about: str
    secret: bool
    is_input: bool
    parse: Callable[[str], Any]
    block: Callable[[Node], Any] | None
    schema: dict[str, Any]
    secret_keys: tuple[str, ...]


def setting(
    parse: Callable[[str], Any],
    default: str,
    about: str,
    *,
    secret: bool = False,
    is_input: bool = False,
    block: Callable[[Node], Any] | None = None,
    schema: dict[str, Any] | None = None,
    secret_keys: tuple[str, ...] = (),
) -> Any:
    """Declare a setting as a dataclass field; see `SettingSpec` for the arguments."""
    declared = {
        "parse": parse,
        "default": default,
        "about": about,
        "secret": secret,
        "is_input": is_input,
        "block": block,
        "schema": schema or {},
        "secret_keys": secret_keys,
    }
    return field(metadata={_KEY: declared})


def spec_of(name: str, group: str, metadata: Any) -> SettingSpec:
    """Return the spec of the field *name* that `setting` declared."""
    return SettingSpec(
        field=name,
        name=name.removesuffix("_s").replace("_", "-"),
        group=group,
        **metadata[_KEY],
    )
