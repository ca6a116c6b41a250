"""From the process environment and the settings file to `Settings`; nothing else reads either.

An input's text comes in the variable ``INPUT_<NAME>`` (dashes as underscores); composite actions do
not set these by themselves, so action.yml maps each one. An empty one counts as not given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy_action.core.settings import Given, Settings, declared, parse, require
from deploy_action.errors import InputError, Place

PREFIX = "INPUT_"
_BASICS = {"environment", "settings-file"}
_LONGEST_FILE = 1 << 20


def load(environment: Mapping[str, str], workspace: Path, overrides: Mapping[str, str]) -> Settings:
    """Return the settings of this run.

    Args:
        environment: the process environment.
        workspace: the checkout; the settings file is looked up in it.
        overrides: values by setting name that win over both, such as the verb itself.

    Raises:
        InputError: all faults at once, before anything was changed.
    """
    given = _from_environment(environment)
    given |= {name: Given(text=text, source="option") for name, text in overrides.items() if text}
    basics = {name: item for name, item in given.items() if name in _BASICS}
    first = parse(basics)
    named = "settings-file" in given
    from_file = _from_file(workspace, first.settings_file, first.environment, named=named)
    settings = parse({**from_file, **given})
    require(settings)
    return settings


def _from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for setting in declared():
        text = environment.get(PREFIX + setting.name.replace("-", "_").upper(), "")
        if text.strip():
            found[setting.name] = Given(text=text)
    redis = environment.get("AZURE_REDIS_CONNECTION_STRING", "")
    if redis.strip():
        found.setdefault("cache-url", Given(text=redis, source="AZURE_REDIS_CONNECTION_STRING,"))
    return found


def _from_file(workspace: Path, file: str, environment: str, *, named: bool) -> dict[str, Given]:
    path = workspace / file
    if not path.is_file():
        if named:
            raise InputError(
                f"Input settings-file: '{file}' does not exist in the checkout.",
                hint="Check the path, and that actions/checkout ran before.",
            )
        return {}
    if path.stat().st_size > _LONGEST_FILE:
        raise InputError(f"Settings file '{file}' is larger than 1 MiB.")
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file=file, line=mark.line + 1, column=mark.column + 1) if mark else None
        problem = getattr(error, "problem", None) or "not UTF-8"
        raise InputError(
            f"Settings file '{file}' is not valid YAML: {problem}.", place=place
        ) from None
    return _of_environment(root, file, environment)


def _of_environment(root: Any, file: str, environment: str) -> dict[str, Given]:
    environments = next((value for name, value in _pairs(root) if name == "environments"), None)
    sections = dict(_pairs(environments))
    if environment not in sections:
        known = ", ".join(sections) or "none"
        raise InputError(
            f"Input environment: settings file '{file}' has no environment '{environment}' "
            f"(it has {known}).",
            hint="Add it under 'environments:', or name one that is there.",
            place=Place(file=file, line=1),
        )
    found: dict[str, Given] = {}
    for name, node in _pairs(sections[environment]):
        place = Place(file=file, line=node.start_mark.line + 1)
        found[name] = Given(text=_text(node, name, place), source=f"{file},", place=place)
    return found


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value


def _text(node: Any, name: str, place: Place) -> str:
    """Return a scalar as it is written, and a list of scalars as lines."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(
        isinstance(item, yaml.ScalarNode) for item in node.value
    ):
        return "\n".join(str(item.value) for item in node.value)
    raise InputError(f"{place.file}, {name}: a single value or a list is expected.", place=place)
