"""The settings file: one section for each environment, every fault with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy_action.core.settings.parse import RawValue
from deploy_action.errors import InputError, SourceLocation

_LONGEST_FILE = 1 << 20


def read(path: Path, file: str, environment: str) -> dict[str, RawValue]:
    """Return what the section of *environment* gives, by setting name.

    Args:
        path: the file.
        file: its name in messages and annotations, relative to the checkout.
        environment: the section's name under ``environments:``.

    Raises:
        InputError: too large, no YAML, no such section, or a value that is no text or list.
    """
    if path.stat().st_size > _LONGEST_FILE:
        raise InputError(f"Settings file '{file}' is larger than 1 MiB.")
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = (
            SourceLocation(file=file, line=mark.line + 1, column=mark.column + 1) if mark else None
        )
        problem = getattr(error, "problem", None) or "not UTF-8"
        raise InputError(
            f"Settings file '{file}' is not valid YAML: {problem}.", place=place
        ) from None
    return _of_environment(root, file, environment)


def _of_environment(root: Any, file: str, environment: str) -> dict[str, RawValue]:
    environments = next((value for name, value in _pairs(root) if name == "environments"), None)
    sections = dict(_pairs(environments))
    if environment not in sections:
        known = ", ".join(sections) or "none"
        raise InputError(
            f"Input environment: settings file '{file}' has no environment '{environment}' "
            f"(it has {known}).",
            hint="Add it under 'environments:', or name one that is there.",
            place=SourceLocation(file=file, line=1),
        )
    found: dict[str, RawValue] = {}
    for name, node in _pairs(sections[environment]):
        place = SourceLocation(file=file, line=node.start_mark.line + 1)
        found[name] = RawValue(text=_text(node, name, place), source=f"{file},", place=place)
    return found


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value


def _text(node: Any, name: str, place: SourceLocation) -> str:
    """Return a scalar as it is written, and a list of scalars as lines."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(
        isinstance(item, yaml.ScalarNode) for item in node.value
    ):
        return "\n".join(str(item.value) for item in node.value)
    raise InputError(f"{place.file}, {name}: a single value or a list is expected.", place=place)
