"""Parses raw values into `Settings` and reports all faults at once, each with its location."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from deploy_action.core.cache.patterns import Glob
from deploy_action.core.settings.aliases import name_of_alias
from deploy_action.core.settings.choices import BuilderKind, CacheVia, Command
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.core.settings.spec import SettingSpec
from deploy_action.core.settings.tree import Node, Scalar, Sequence
from deploy_action.errors import Fault, InputError, SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class RawValue:
    """A setting as the user wrote it.

    Args:
        text: the value of an input or an option, or of a scalar or list in a file.
        source: its origin in messages, such as ``Input``.
        location: where the value is in a file.
        key: where its name is.
        node: the YAML value; None outside files.
    """

    text: str
    source: str = "Input"
    location: SourceLocation | None = None
    key: SourceLocation | None = None
    node: Node | None = None

    def named(self, name: str) -> str:
        """Return the beginning of a message about the setting *name*."""
        return f"{name}:" if self.location else f"{self.source} {name}:"


def raw_value(key: Scalar, node: Node) -> RawValue:
    """Return a YAML pair as a raw value; a list of scalars becomes lines."""
    text = ""
    if isinstance(node, Scalar):
        text = "" if node.null else node.text
    elif isinstance(node, Sequence):
        text = "\n".join(item.text for item in node.items if isinstance(item, Scalar))
    return RawValue(
        text=text, source="setting", location=node.location, key=key.location, node=node
    )


def parse(raw_values: Mapping[str, RawValue]) -> Settings:
    """Return the settings; missing and empty ones get their default.

    Raises:
        InputError: every fault at once, each naming the setting, its value (never a secret's) and
            what was expected.
    """
    specs = {spec.name: spec for spec in setting_specs()}
    faults = [
        unknown_key(name, specs, raw) for name, raw in raw_values.items() if name not in specs
    ]
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        try:
            values[spec.field] = _value(spec, raw_values.get(name))
        except ValueError as error:
            faults.append(_fault(spec, raw_values.get(name), str(error)))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError.of(sorted(faults, key=_position))
    return Settings(**values)


def _position(fault: Fault) -> tuple[str, int, int]:
    """Return where a fault is, for sorting; those of inputs come first, in their order."""
    place = fault.location
    return (place.file, place.line or 0, place.column or 0) if place else ("", 0, 0)


def _value(spec: SettingSpec, raw: RawValue | None) -> Any:
    if raw is not None and raw.node is not None and spec.block is not None:
        return spec.block(raw.node)
    if raw is not None and raw.node is not None and not _is_text(raw.node):
        raise ValueError("one value or a list of values")
    return spec.parse(raw.text if raw and raw.text.strip() else spec.default)


def _is_text(node: Node) -> bool:
    if isinstance(node, Sequence):
        return all(isinstance(item, Scalar) for item in node.items)
    return isinstance(node, Scalar)


def _fault(spec: SettingSpec, raw: RawValue | None, expected: str) -> Fault:
    raw = raw or RawValue(text=spec.default, source="Default of")
    shown = f"'{raw.text or spec.default}'"
    if "\n" in raw.text.strip():
        shown = "the given list"
    if raw.node is not None and not _is_text(raw.node):
        shown = "this block"
    if spec.secret:
        shown = "the given value"
    return Fault(
        message=f"{raw.named(spec.name)} {shown} must be {expected}.", location=raw.location
    )


def unknown_key(name: str, known: Collection[str], raw: RawValue) -> Fault:
    """Return the fault of a key that does not exist, with the nearest name that does."""
    alias = name_of_alias(name)
    if alias:
        meant = f" This action calls it {alias}."
    elif alias == "":
        meant = " This action does not need it."
    else:
        meant = did_you_mean(name, known)
    return Fault(message=f"{raw.named(name)} unknown setting.{meant}", location=raw.key)


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return `` Did you mean X?`` for the nearest of *known*, or an empty text."""
    nearest = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.6)
    return f" Did you mean {nearest[0]}?" if nearest else ""


def require(settings: Settings) -> None:
    """Check required settings and conflicts between settings for the chosen command.

    Raises:
        InputError: all missing or contradicting settings at once.
    """
    command = settings.command.value
    faults = [
        f"Input {name} is required for {command}."
        for name, value in (("resource-group", settings.resource_group), ("app", settings.app))
        if not value
    ]
    faults += _image_faults(settings)
    if settings.label_live and settings.label_live == settings.label_candidate:
        faults.append("label-candidate: it must differ from label-live.")
    if settings.create and not settings.managed_environment:
        faults.append("managed-environment is required for create.")
    if settings.cache_clear and not (settings.cache_allow_flush or settings.cache_prefix):
        faults += [
            f"cache-patterns: '{pattern}' matches every key. Use a narrower pattern, or set "
            "cache-allow-flush: true."
            for pattern in settings.cache_patterns
            if Glob.of(pattern).matches_everything
        ]
    if settings.cache_via is CacheVia.ENDPOINT and not settings.cache_endpoint:
        faults.append("cache-endpoint is required for cache-via: endpoint.")
    if bool(settings.client_id) != bool(settings.tenant_id):
        lacking = "tenant-id" if settings.client_id else "client-id"
        faults.append(f"Input {lacking} is required: GitHub OIDC needs client-id and tenant-id.")
    if settings.client_id and not settings.subscription_id:
        faults.append("Input subscription-id is required for GitHub OIDC.")
    if faults:
        raise InputError.of(
            [Fault(message=message) for message in faults],
            hint="Correct the inputs, or the settings under the environment's name in the "
            "settings file.",
        )


def _image_faults(settings: Settings) -> list[str]:
    faults = []
    if settings.image and settings.image_tag:
        faults.append("Input image-tag: it cannot be combined with image. Set only one of them.")
    if settings.candidate:
        faults += [
            f"Input {name}: it cannot be combined with candidate, which names a revision with an "
            "image."
            for name, value in (("image", settings.image), ("image-tag", settings.image_tag))
            if value
        ]
    if settings.builder is BuilderKind.ACR and settings.builds_image:
        unsupported = {"build-secrets": settings.build_secrets, "cache-from": settings.cache_from}
        faults += [
            f"{name}: builds in the registry (builder: acr) do not support it."
            for name, value in unsupported.items()
            if value
        ]
    ships = settings.command in {Command.DEPLOY, Command.VALIDATE}
    existing = settings.image or settings.candidate
    if ships and not existing and not settings.registry:
        faults.append("Input registry is required, unless image names an existing image.")
    return faults
