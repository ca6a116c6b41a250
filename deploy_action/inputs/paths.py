"""Path inputs, normalised once against the checkout, whatever their spelling."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy_action.core.settings.schema import Settings
from deploy_action.errors import InputError

# Settings that name a file or folder, and whether it must be inside the checkout.
_PATHS = {"manifest": True, "context": True, "dockerfile": False, "cache_ca_file": False}


def normalise_paths(settings: Settings, workspace: Path) -> Settings:
    """Return the settings with every path relative to the checkout and normalised.

    Raises:
        InputError: a path that must be inside the checkout is outside.
    """
    changes: dict[str, Any] = {
        field: relative_path(field.replace("_", "-"), text, workspace, inside=inside)
        for field, inside in _PATHS.items()
        if (text := getattr(settings, field))
    }
    return replace(settings, **changes)


def relative_path(name: str, text: str, workspace: Path, *, inside: bool = True) -> str:
    """Return one path relative to the checkout, with forward slashes.

    Args:
        name: the input, for messages.
        text: the path as the user wrote it: relative or absolute, with ``./``, ``..``, doubled or
            backward slashes.
        workspace: the checkout, without links.
        inside: whether the path must be inside the checkout; an absolute path outside is kept if
            it need not be.

    Raises:
        InputError: the path is outside the checkout.
    """
    plain = posixpath.normpath(text.strip().replace("\\", "/"))
    if posixpath.isabs(plain):
        plain = _below(plain, workspace)
    if inside and (posixpath.isabs(plain) or plain.startswith("../") or plain == ".."):
        raise InputError(
            f"Input {name}: '{text}' is outside the checkout, '{workspace}'.",
            hint="Use a path inside the checkout, relative to its root.",
        )
    return plain


def _below(absolute: str, workspace: Path) -> str:
    """Return an absolute path relative to the checkout if it is in it, else unchanged."""
    folder, name = posixpath.split(absolute)
    resolved = posixpath.join(os.path.realpath(folder), name)  # the last part may be a link
    for path in (absolute, resolved):
        relative = posixpath.relpath(path, workspace)
        if relative != ".." and not relative.startswith("../"):
            return relative
    return absolute
