"""The settings file: defaults and one section per environment, every fault with its place."""

from __future__ import annotations

from pathlib import Path

import yaml

from deploy_action.core.settings.parse import RawValue, did_you_mean, raw_value
from deploy_action.core.settings.tree import Mapping, Node, Scalar, Sequence, merge
from deploy_action.errors import Fault, InputError, SourceLocation
from deploy_action.inputs.yaml_tree import read_yaml

_TOP_LEVEL = ("defaults", "environments")
_EXTENDS = "extends"


def read(path: Path, file: str, environment: str, *, named: bool) -> dict[str, RawValue]:
    """Return the settings of *environment*, with those it extends and the defaults below them.

    Args:
        path: the file.
        file: its name in messages and annotations, relative to the checkout.
        environment: the section under ``environments:``.
        named: whether the user named the file; otherwise it was found at the default path.

    Raises:
        InputError: not a settings file, or no such environment.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"Settings file '{file}' is not UTF-8.") from None
    except OSError as error:
        raise InputError(f"Settings file '{file}' cannot be read: {error.strerror}.") from None

    def locate(mark: yaml.Mark) -> SourceLocation:
        return SourceLocation(file=file, line=mark.line + 1, column=mark.column + 1)

    root = read_yaml(text, locate, f"Settings file '{file}'")
    sections = _environments(root, file, named=named)
    merged = _resolved(sections, environment, file, ())
    defaults = root.get("defaults") if isinstance(root, Mapping) else None
    if defaults is not None and not isinstance(defaults, Mapping | Scalar):
        raise InputError("defaults: it must be a block of settings.", place=defaults.location)
    whole = merge(defaults if isinstance(defaults, Mapping) else None, merged)
    assert isinstance(whole, Mapping)  # noqa: S101  merging mappings returns one
    return {key.text: raw_value(key, node) for key, node in whole.pairs if key.text != _EXTENDS}


def inline(text: str) -> dict[str, RawValue]:
    """Return the settings of the input ``settings``.

    Raises:
        InputError: not YAML, or not a block of settings.
    """

    def locate(mark: yaml.Mark) -> SourceLocation:
        return SourceLocation(file="input settings", line=mark.line + 1, column=mark.column + 1)

    root = read_yaml(text, locate, "Input settings")
    if root is None:
        return {}
    if not isinstance(root, Mapping):
        raise InputError("Input settings: it must be YAML with KEY: VALUE lines.")
    return {key.text: raw_value(key, node) for key, node in root.pairs}


def _environments(root: Node | None, file: str, *, named: bool) -> Mapping:
    """Return the block ``environments:`` of a file that is one of ours."""
    keys = [key for key, _ in root] if isinstance(root, Mapping) else []
    if not isinstance(root, Mapping) or not any(_is_similar(key) for key in keys):
        how = "" if named else " It was read because it has the default name."
        raise InputError(
            f"File '{file}' is not a settings file of this action: it has no 'environments:'.{how}",
            hint="Add 'environments:', name another file with settings-file, or set settings-file: "
            "none.",
            place=SourceLocation(file=file, line=1),
        )
    faults = [
        Fault(
            message=f"'{key.text}' is not a top-level key; expected defaults or environments."
            + did_you_mean(key.text, _TOP_LEVEL),
            location=key.location,
        )
        for key, _ in root.pairs
        if key.text not in _TOP_LEVEL
    ]
    if faults:
        raise InputError.of(faults)
    environments = root.get("environments")
    if not isinstance(environments, Mapping):
        where = environments.location if environments else SourceLocation(file=file, line=1)
        raise InputError(
            f"Settings file '{file}' has no environments.",
            hint="Add 'environments:' with a block per environment, such as 'prod:'.",
            place=where,
        )
    return environments


def _is_similar(key: str) -> bool:
    return key in _TOP_LEVEL or bool(did_you_mean(key, _TOP_LEVEL))


def _resolved(sections: Mapping, name: str, file: str, chain: tuple[str, ...]) -> Mapping:
    """Return the section *name* on top of the ones that it extends."""
    section = sections.get(name)
    known = [key for key, _ in sections]
    if section is None:
        source = "extends" if chain else "Input environment"
        raise InputError(
            f"{source}: settings file '{file}' has no environment '{name}'; it has "
            f"{', '.join(known)}.{did_you_mean(name, known)}",
            hint="Add it under 'environments:', or use one of these.",
            place=sections.location,
        )
    if isinstance(section, Scalar) and section.null:
        return Mapping(pairs=(), location=section.location)
    if not isinstance(section, Mapping):
        raise InputError(
            f"Environment '{name}' must be a block of settings.", place=section.location
        )
    parent = section.get(_EXTENDS)
    if parent is None:
        return section
    if isinstance(parent, Sequence | Mapping):
        raise InputError("extends: it must be the name of one environment.", place=parent.location)
    if parent.text in (*chain, name):
        loop = " → ".join((*chain, name, parent.text))
        raise InputError(f"extends: environments extend each other: {loop}.", place=parent.location)
    base = _resolved(sections, parent.text, file, (*chain, name))
    merged = merge(base, section)
    assert isinstance(merged, Mapping)  # noqa: S101  merging mappings returns one
    return merged
