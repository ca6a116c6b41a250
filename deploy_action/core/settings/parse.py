"""From texts to `Settings`: every fault is reported at once, each with its source."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy_action.core.settings.choices import (
    BuilderKind,
    CacheVia,
    Command,
)
from deploy_action.core.settings.schema import Settings, SettingSpec, setting_specs
from deploy_action.errors import InputError, SourceLocation

_AUTHOR = re.compile(r"[^<>\n]*[^<>\n ] <[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawValue:
    """A setting's text and where it was written, for messages: ``input`` or a file's line."""

    text: str
    source: str = "input"
    place: SourceLocation | None = None


def parse(given: Mapping[str, RawValue]) -> Settings:
    """Return the settings; names not given, or given as an empty text, take their default.

    Raises:
        InputError: every fault at once, each naming the setting as the user wrote it, its value
            (never a secret's) and what was expected.
    """
    known = {setting.name: setting for setting in setting_specs()}
    faults = [_unknown(name, known, item) for name, item in given.items() if name not in known]
    values: dict[str, Any] = {}
    for name, setting in known.items():
        item = given.get(name)
        written = item.text if item and item.text.strip() else setting.default
        try:
            values[setting.field] = setting.kind(written)
        except ValueError as error:
            shown = "the given value" if setting.secret else f"'{written}'"
            source = item.source if item else "default"
            faults.append((f"{source} {name}: {shown} must be {error}.", item))
    if faults:
        raise _all(faults)
    return Settings(**values)


def _unknown(
    name: str, known: Mapping[str, SettingSpec], item: RawValue
) -> tuple[str, RawValue | None]:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"{item.source} {name}: there is no such setting.{meant}", item


def _all(faults: list[tuple[str, RawValue | None]]) -> InputError:
    place = next((item.place for _, item in faults if item and item.place), None)
    return InputError(
        " ".join(fault[:1].upper() + fault[1:] for fault, _ in faults),
        hint="Nothing was changed.",
        place=place,
    )


def require(settings: Settings) -> None:
    """Check what the chosen command needs beyond single values.

    Raises:
        InputError: all missing or contradicting settings at once.
    """
    missing = [name for name in ("resource-group", "app") if not _value(settings, name)]
    faults = [
        f"Input {name}: it is empty, but {settings.command.value} needs it." for name in missing
    ]
    faults += _image_faults(settings)
    if settings.create and not settings.managed_environment:
        faults.append("Input managed-environment: it is empty, but create needs it.")
    if settings.cache_via is CacheVia.ENDPOINT and not settings.cache_endpoint:
        faults.append("Input cache-endpoint: it is empty, but cache-via: endpoint needs it.")
    if settings.commit_author and not _AUTHOR.fullmatch(settings.commit_author):
        faults.append(
            f"Input commit-author: '{settings.commit_author}' must be like NAME <name@example.com>."
        )
    if settings.cache_endpoint_header and ":" not in settings.cache_endpoint_header:
        faults.append("Input cache-endpoint-header: it must be written NAME: VALUE.")
    if bool(settings.client_id) != bool(settings.tenant_id):
        lacking = "tenant-id" if settings.client_id else "client-id"
        faults.append(f"Input {lacking}: it is empty, but signing in with OIDC needs both ids.")
    if settings.client_id and not settings.subscription_id:
        faults.append("Input subscription-id: it is empty, but signing in with OIDC needs it.")
    if faults:
        raise InputError(
            " ".join(faults),
            hint="Set them as inputs, or in the settings file under the environment's name.",
        )


def _image_faults(settings: Settings) -> list[str]:
    faults = []
    if settings.image and settings.image_tag:
        faults.append("Input image-tag: image names a complete image already; give one of both.")
    if settings.builder is BuilderKind.ACR and settings.builds_image:
        faults += [
            f"Input {name}: builds in the registry (builder: acr) do not support it."
            for name in ("build-secrets", "cache-from")
            if _value(settings, name)
        ]
    if settings.command is Command.DEPLOY and not settings.image and not settings.registry:
        faults.append(
            "Input registry: it is empty; name the registry to push to, or give an image."
        )
    faults += [
        f"Input build-args: '{item.partition('=')[0]}' must be written NAME=value."
        for item in settings.build_args
        if "=" not in item
    ]
    return faults


def _value(settings: Settings, name: str) -> Any:
    return getattr(settings, name.replace("-", "_"))
