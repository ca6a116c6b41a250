"""Parsers of the settings for images: tags, platform and build secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from deploy_action.core.settings.parsers import lines

_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecretSetting:
    """One build secret; exactly one of *value*, *variable* and *file* is set."""

    id: str
    value: str = field(default="", repr=False)
    variable: str = ""
    file: str = ""


def tag(text: str) -> str:
    """Read an image's tag; empty stays empty."""
    if text.strip() and not _TAG.fullmatch(text.strip()):
        raise ValueError("a tag of at most 128 letters, digits, dots, dashes and underscores")
    return text.strip()


def tags(text: str) -> tuple[str, ...]:
    """Read tags, one a line or separated by commas; a branch such as feature/x is feature-x."""
    return tuple(tag(item.replace("/", "-")) for item in re.split(r"[,\n]", text) if item.strip())


def platform(text: str) -> str:
    """Read the platform of an image; Container Apps runs one only."""
    if text.strip().lower() != "linux/amd64":
        raise ValueError("linux/amd64, the only platform that Container Apps runs")
    return "linux/amd64"


def build_secrets(text: str) -> tuple[BuildSecretSetting, ...]:
    """Read ``ID=VALUE``, ``id=ID,env=NAME`` and ``id=ID,src=PATH``, one a line."""
    secrets = tuple(_parse_line(line) for line in lines(text))
    if len({secret.id for secret in secrets}) < len(secrets):
        raise ValueError("lines with unique IDs")
    return secrets


def _parse_line(line: str) -> BuildSecretSetting:
    fields = dict(part.strip().partition("=")[::2] for part in line.split(","))
    if line.startswith("id=") and len(fields) > 1:
        variable = fields.get("env", "")
        file = fields.get("src") or fields.get("source") or ""
        if _ID.fullmatch(fields["id"]) and bool(variable) != bool(file):
            return BuildSecretSetting(id=fields["id"], variable=variable, file=file)
    else:
        name, _, value = line.partition("=")
        if _ID.fullmatch(name.strip()) and value:
            return BuildSecretSetting(id=name.strip(), value=value)
    raise ValueError("lines such as ID=VALUE, id=ID,env=NAME or id=ID,src=PATH")
