"""From the process environment and the settings file to `Settings`; nothing else reads either.

An input's text comes in the variable ``INPUT_<NAME>`` (dashes as underscores); composite actions do
not set these by themselves, so action.yml maps each one. An empty one counts as not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy_action.core.settings.parse import RawValue, parse, require
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.errors import InputError

PREFIX = "INPUT_"
_BASICS = {"environment", "settings-file"}


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
    given |= {
        name: RawValue(text=text, source="option") for name, text in overrides.items() if text
    }
    basics = {name: item for name, item in given.items() if name in _BASICS}
    first = parse(basics)
    named = "settings-file" in given
    from_file = _from_file(workspace, first.settings_file, first.environment, named=named)
    settings = parse({**from_file, **given})
    require(settings)
    return settings


def _from_environment(environment: Mapping[str, str]) -> dict[str, RawValue]:
    found: dict[str, RawValue] = {}
    for setting in setting_specs():
        text = environment.get(PREFIX + setting.name.replace("-", "_").upper(), "")
        if text.strip():
            found[setting.name] = RawValue(text=text)
    redis = environment.get("AZURE_REDIS_CONNECTION_STRING", "")
    if redis.strip():
        found.setdefault("cache-url", RawValue(text=redis, source="AZURE_REDIS_CONNECTION_STRING,"))
    return found


def _from_file(workspace: Path, file: str, environment: str, *, named: bool) -> dict[str, RawValue]:
    path = workspace / file
    if not path.is_file():
        if named:
            raise InputError(
                f"Input settings-file: '{file}' does not exist in the checkout.",
                hint="Check the path, and that actions/checkout ran before.",
            )
        return {}
    from deploy_action.inputs.file import read  # noqa: PLC0415  most rollbacks have no file

    return read(path, file, environment)
