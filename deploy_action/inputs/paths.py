"""Path inputs, normalised once against the checkout."""

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


def working_directory(checkout: Path, text: str, *, needs_checkout: bool) -> Path:
    """Return the folder that every path is relative to, without links.

    Args:
        checkout: the checkout's root, without links.
        text: the input ``working-directory``.
        needs_checkout: whether the folder must exist; without it, the root is used.

    Raises:
        InputError: it is not a folder of the checkout.
    """
    folder = checkout / text.strip().replace("\\", "/")
    if not folder.exists() and not needs_checkout:
        return checkout
    if not folder.is_dir() or not folder.resolve().is_relative_to(checkout):
        raise InputError(
            f"Input working-directory: '{text}' must be a folder of the checkout, '{checkout}'.",
            hint="Check the path, and that actions/checkout ran before.",
        )
    return folder.resolve()


def normalise_paths(settings: Settings, workspace: Path, checkout: Path) -> Settings:
    """Return the settings with every path relative to the working directory and normalised.

    Args:
        settings: as the user wrote them.
        workspace: the working directory, in the checkout.
        checkout: the checkout's root; both are without links.

    Raises:
        InputError: a path that must be inside the checkout is outside.
    """
    changes: dict[str, Any] = {
        field: relative_path(
            field.replace("_", "-"), text, workspace, inside=checkout if inside else None
        )
        for field, inside in _PATHS.items()
        if (text := getattr(settings, field))
    }
    return replace(settings, **changes)


def relative_path(name: str, text: str, workspace: Path, *, inside: Path | None = None) -> str:
    """Return one path relative to the working directory, with forward slashes.

    Args:
        name: the input, for messages.
        text: the path as the user wrote it: relative or absolute, with ``./``, ``..``, doubled or
            backward slashes.
        workspace: the working directory, without links.
        inside: the folder that the path must be in, as its text says; None accepts every path, and
            keeps an absolute one outside of the working directory.

    Raises:
        InputError: the path is outside the checkout.
    """
    plain = posixpath.normpath(text.strip().replace("\\", "/"))
    if posixpath.isabs(plain):
        plain = _below(plain, workspace, inside or workspace)
    whole = Path(posixpath.normpath(workspace / plain))
    if inside and not whole.is_relative_to(inside):
        raise InputError(
            f"Input {name}: '{text}' is outside the checkout, '{inside}'.",
            hint="Use a path inside the checkout, relative to working-directory.",
        )
    return plain


def _below(absolute: str, workspace: Path, root: Path) -> str:
    """Return an absolute path relative to the workspace if it is below *root*, else unchanged."""
    folder, name = posixpath.split(absolute)
    resolved = posixpath.join(os.path.realpath(folder), name)  # the last part may be a link
    for path in (absolute, resolved):
        if Path(path).is_relative_to(root):
            return posixpath.relpath(path, workspace)
    return absolute
