"""From the process environment and the settings file to `Settings`; nothing else reads either.

The value of an input is in ``INPUT_<NAME>`` (dashes become underscores). Composite actions do
not set these by themselves, so action.yml maps each one. Empty inputs are ignored. Precedence:
command-line option, input, inline ``settings``, environment of the settings file, its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.parse import RawValue, parse, require
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.errors import Fault, InputError
from deploy_action.inputs.paths import normalise_paths, relative_path, working_directory
from deploy_action.inputs.secret_values import resolve_secrets

PREFIX = "INPUT_"
DEFAULT_FILE = ".github/deploy-action.yml"
_NO_CHECKOUT = {Command.ROLLBACK.value, Command.REPAIR.value, Command.STATUS.value}
_BASICS = {"environment", "working-directory", "settings-file", "settings"}


def load(environment: Mapping[str, str], checkout: Path, overrides: Mapping[str, str]) -> Settings:
    """Return the settings of this run.

    Args:
        environment: the process environment.
        checkout: the checkout's root, without links.
        overrides: values by setting name that win over all others, such as the command itself.

    Raises:
        InputError: all faults at once, before anything was changed.
    """
    inputs = _inputs(environment)
    inputs |= {
        name: RawValue(text=text, source="Option") for name, text in overrides.items() if text
    }
    basics = parse({name: raw for name, raw in inputs.items() if name in _BASICS})
    workspace = working_directory(
        checkout,
        basics.working_directory,
        needs_checkout=overrides.get("command") not in _NO_CHECKOUT,
    )
    from_file = _from_file(
        workspace, basics.settings_file, basics.environment, named="settings-file" in inputs
    )
    inline_settings = _inline(basics.settings) if basics.settings else {}
    written = {**from_file, **inline_settings}
    settings = _parsed(written, environment, inputs)
    require(settings)
    return normalise_paths(settings, workspace, checkout)


def _parsed(
    written: Mapping[str, RawValue], environment: Mapping[str, str], inputs: Mapping[str, RawValue]
) -> Settings:
    """Return the settings of file and inputs; raises `InputError` with all faults."""
    faults: list[Fault] = []
    if misplaced := written.get("working-directory"):
        text = "it must be an input, because the settings file is looked up in it."
        faults.append(Fault(message=f"working-directory: {text}", location=misplaced.key))
    try:
        settings = parse({**resolve_secrets(written, environment), **inputs})
    except InputError as error:
        if not faults:
            raise
        others = error.faults or (Fault(message=error.message, location=error.place),)
        raise InputError.of([*faults, *others], hint=error.hint) from None
    if faults:
        raise InputError.of(faults)
    return settings


def _inline(text: str) -> dict[str, RawValue]:
    from deploy_action.inputs.file import inline  # noqa: PLC0415  loads the YAML parser

    return inline(text)


def _inputs(environment: Mapping[str, str]) -> dict[str, RawValue]:
    inputs: dict[str, RawValue] = {}
    faults = []
    for spec in setting_specs():
        variable = PREFIX + spec.name.replace("-", "_").upper()
        text = environment.get(variable, "")
        if not text.strip():
            continue
        if not spec.is_input:
            message = f"{variable}: {spec.name} is not an input; put it in the input settings."
            faults.append(Fault(message=message))
        inputs[spec.name] = RawValue(text=text)
    if faults:
        raise InputError.of(faults)
    redis = environment.get("AZURE_REDIS_CONNECTION_STRING", "")
    if redis.strip():
        inputs.setdefault(
            "cache-url", RawValue(text=redis, source="Variable AZURE_REDIS_CONNECTION_STRING,")
        )
    return inputs


def _from_file(workspace: Path, file: str, environment: str, *, named: bool) -> dict[str, RawValue]:
    if file == "none":
        return {}
    file = relative_path("settings-file", file, workspace)
    path = workspace / file
    if not path.is_file():
        if named and file != DEFAULT_FILE:
            raise InputError(
                f"Input settings-file: '{file}' does not exist in the checkout.",
                hint="Check the path, and that actions/checkout ran before.",
            )
        return {}
    from deploy_action.inputs.file import read  # noqa: PLC0415  most rollbacks have no file

    return read(path, file, environment, named=named)
