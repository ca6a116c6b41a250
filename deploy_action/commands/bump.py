"""Bump: raise the version of manifests, without Azure and git."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_action.adapters.manifest_file import ManifestFile, files_called
from deploy_action.core.manifest import allowed, edit
from deploy_action.core.manifest.edit import Bump
from deploy_action.core.manifest.rules import COMMAND_OPTIONS, Match, Rules, UrlMode
from deploy_action.core.manifest.version import Part, Version
from deploy_action.errors import DeployError, InputError, PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class BumpRequest:
    """The options of one call.

    Args:
        manifests: the files, at least one.
        part: the part to bump; None bumps the last part.
        version: the version to write instead; None for none.
        allowed_list: what to do if the allowed list names a URL that changes: ``error``, ``warn``
            or ``update``.
        check: whether to write nothing.
        rules: how URLs and limits are treated.
    """

    manifests: tuple[str, ...]
    part: Part | None
    version: Version | None
    allowed_list: str
    check: bool
    rules: Rules

    @classmethod
    def from_options(cls, *, manifests: tuple[str, ...], **options: Any) -> BumpRequest:
        """Read the options of the command line.

        Raises:
            InputError: an option is invalid, or two exclude each other.
        """
        part, version = options["part"], options["exactly"]
        if part and version is not None:
            raise InputError(
                "Options --set and --part cannot be combined.",
                hint="Use --set to write a specific version, or --part to increment the current "
                "one.",
            )
        return cls(
            manifests=manifests,
            part=Part[part.upper()] if part else None,
            version=_version(version) if version is not None else None,
            allowed_list=options["allowed_list"],
            check=options["check"],
            rules=Rules(
                mode=UrlMode(options["url_mode"]),
                parameter=options["url_parameter"],
                origins=options["origins"],
                match=Match(options["url_match"]),
                images=options["add_images"],
                runtime=options["add_runtime"],
                carry=options["carry"],
                allow_lower=options["allow_lower"],
                options=COMMAND_OPTIONS,
            ),
        )


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except InputError as error:
        raise InputError(f"Option --set: {error.message}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class BumpResult:
    """One file and its change, made or planned; *bump* is None for an allowed list."""

    path: str
    file: ManifestFile
    before: bytes
    after: bytes
    bump: Bump | None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        result: dict[str, Any] = {"file": self.path, "changed": self.before != self.after}
        warnings: list[dict[str, Any]] = [{"text": text} for text in self.notes]
        if self.bump:
            result |= {
                "old-version": str(self.bump.old),
                "new-version": str(self.bump.new),
                "edits": [
                    {"line": item.line, "old": item.old, "new": item.new}
                    for item in self.bump.edits
                ],
            }
            warnings += [{"line": note.line, "text": note.text} for note in self.bump.warnings]
        return {**result, "warnings": warnings}


def bump(request: BumpRequest) -> list[BumpResult]:
    """Plan all files, then write all; if one cannot be written, restore the others.

    Raises:
        InputError: a manifest or an option is unusable; nothing was written.
        PreflightError: a file could not be written; the others were restored.
    """
    files = _files(request.manifests)
    planned = [_plan(path, name, request) for path, name in files.items()]
    _check_origins(planned, request)
    planned += _check_allowed_list(planned, list(files), request)
    if not request.check:
        _write([item for item in planned if item.before != item.after])
    return planned


def _files(manifests: Sequence[str]) -> dict[Path, str]:
    """Return each file once, however its path is spelled, with the first spelling."""
    files: dict[Path, str] = {}
    for name in manifests:
        try:
            path = Path(os.path.normpath(Path.cwd() / name))
        except OSError as error:
            raise InputError(
                f"The current folder cannot be read: {error.strerror}.",
                hint="Change to another folder.",
            ) from None
        files.setdefault(path, Path(name).as_posix())
    return files


def _plan(path: Path, name: str, request: BumpRequest) -> BumpResult:
    file = _file(path, name)
    before = file.read()
    planned = edit.plan(
        before, file=name, target=request.version, part=request.part, rules=request.rules
    )
    return BumpResult(path=name, file=file, before=before, after=planned.after, bump=planned)


def _file(path: Path, name: str, label: str = "Manifest") -> ManifestFile:
    # The folder itself may be reached through a link; only the file and folders below it may not.
    here = Path.cwd()
    root = here if path.is_relative_to(here) else path.parent
    return ManifestFile(path, root, name=name, label=label, where=f"'{root}'")


def _check_origins(planned: Sequence[BumpResult], request: BumpRequest) -> None:
    """Refuse an origin that no URL of any manifest has: it is probably a typo."""
    if not any(item.bump and item.bump.edits for item in planned):
        return
    for text in request.rules.origins:
        if all(item.bump is None or text in item.bump.unused_origins for item in planned):
            names = ", ".join(item.path for item in planned)
            hint = (
                "Specify scheme, host and port as in the manifest, such as https://cdn.contoso.com."
            )
            raise InputError(f"Option --origin: no URL of {names} is on '{text}'.", hint=hint)


def _check_allowed_list(
    planned: Sequence[BumpResult], paths: Sequence[Path], request: BumpRequest
) -> list[BumpResult]:
    """Return the allowed lists that name a script URL that changes."""
    changes = [pair for item in planned if item.bump for pair in item.bump.runtime]
    results: dict[Path, BumpResult] = {}
    for root in dict.fromkeys(_repository(path) for path in paths) if changes else ():
        for path in files_called(allowed.NAME, root):
            if path not in results and (result := _allowed_list(path, changes, request)):
                results[path] = result
    return list(results.values())


def _allowed_list(
    path: Path, changes: Sequence[tuple[str, str]], request: BumpRequest
) -> BumpResult | None:
    name = os.path.relpath(path).replace(os.sep, "/")
    file = _file(path, name, "Allowed list")
    before = file.read()
    after = allowed.updated(before, changes, file=name)
    if after == before:
        return None
    text = f"{name} names a script URL that changes with the version"
    if request.allowed_list == "error":
        raise InputError(
            f"{text}, so single sign-on would fail in older builds of Outlook.",
            hint="Use --allowed-list update to change the list as well, or --allowed-list warn.",
        )
    if request.allowed_list == "warn":
        return BumpResult(
            path=name, file=file, before=before, after=before, bump=None, notes=(text,)
        )
    return BumpResult(path=name, file=file, before=before, after=after, bump=None)


def _repository(path: Path) -> Path:
    """Return the root of a file's repository, else the current folder or the file's folder."""
    for folder in path.parents:
        if (folder / ".git").exists():
            return folder
    return Path.cwd() if path.is_relative_to(Path.cwd()) else path.parent


def _write(planned: Sequence[BumpResult]) -> None:
    written: list[BumpResult] = []
    try:
        for item in planned:
            item.file.write(item.after, item.before)
            written.append(item)
    except DeployError as error:
        for item in reversed(written):
            item.file.restore(item.before, item.after)
        raise PreflightError(error.message, hint=error.hint, place=error.place) from None


def describe(results: Sequence[BumpResult]) -> str:
    """Return the changes as a readable diff."""
    lines: list[str] = []
    for item in results:
        if item.bump is None:
            lines.append(f"{item.path}: {'; '.join(item.notes) or 'updated'}")
        elif item.bump.old != item.bump.new:
            lines.append(f"{item.path}: {item.bump.old} -> {item.bump.new}")
        elif item.bump.changed:
            lines.append(f"{item.path}: {item.bump.old}, outdated URLs updated")
        else:
            lines.append(f"{item.path}: already at {item.bump.old}")
        lines += _diff(item.before, item.after)
        for note in item.bump.warnings if item.bump else ():
            lines.append(f"  line {note.line}: {note.text}")
    return "\n".join(lines)


def _diff(before: bytes, after: bytes) -> list[str]:
    """Return the lines that differ; both versions have the same number of lines."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if before.startswith(marks) else "utf-8"
    old_lines, new_lines = (
        content.decode(encoding, "replace").split("\n") for content in (before, after)
    )
    lines = []
    for number, (old, new) in enumerate(zip(old_lines, new_lines, strict=True), start=1):
        if old != new:
            lines += [f"  {number:>4} - {old.strip()}", f"  {number:>4} + {new.strip()}"]
    return lines
