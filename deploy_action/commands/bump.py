"""Bump: raise manifests by hand, or before a commit. No Azure, no git."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_action.adapters.manifest_file import ManifestFile, files_called
from deploy_action.core.manifest import allowed, edit
from deploy_action.core.manifest.edit import Bump
from deploy_action.core.manifest.rules import Match, Rules, UrlMode
from deploy_action.core.manifest.version import Part, Version
from deploy_action.errors import DeployError, InputError, PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for.

    Args:
        manifests: the files, at least one.
        part: what is raised; None raises the last part.
        exactly: the version to write instead; empty for none.
        allowed_list: what to do when the list of allowed addresses names one that changes:
            ``error``, ``warn`` or ``update``.
        check: whether nothing is written.
        rules: how addresses and limits are treated.
    """

    manifests: tuple[str, ...]
    part: Part | None
    exactly: Version | None
    allowed_list: str
    check: bool
    rules: Rules

    @classmethod
    def of(cls, *, manifests: tuple[str, ...], **given: Any) -> Wanted:
        """Read the options of the command line.

        Raises:
            InputError: the version to write is none.
        """
        return cls(
            manifests=tuple(dict.fromkeys(manifests)),
            part=Part[given["part"].upper()] if given["part"] else None,
            exactly=Version.parse(given["exactly"]) if given["exactly"] else None,
            allowed_list=given["allowed_list"],
            check=given["check"],
            rules=Rules(
                mode=UrlMode(given["url_mode"]),
                parameter=given["url_parameter"],
                origins=given["origins"],
                match=Match(given["url_match"]),
                images=given["add_images"],
                runtime=given["add_runtime"],
                carry=given["carry"],
                allow_lower=given["allow_lower"],
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bumped:
    """One file and what became, or would become, of it; *bump* is None for the allowed list."""

    path: str
    file: ManifestFile
    before: bytes
    after: bytes
    bump: Bump | None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        told: dict[str, Any] = {"file": self.path, "changed": self.before != self.after}
        if self.bump:
            told |= {
                "old-version": str(self.bump.old),
                "new-version": str(self.bump.new),
                "edits": [
                    {"line": one.line, "old": one.old, "new": one.new} for one in self.bump.edits
                ],
                "warnings": [
                    *({"line": note.line, "text": note.text} for note in self.bump.warnings),
                    *({"text": text} for text in self.notes),
                ],
            }
        return told


def bump(wanted: Wanted) -> list[Bumped]:
    """Plan all, then write all; if one cannot be written, the others are put back.

    Raises:
        InputError: a manifest is unfit; nothing was written.
        PreflightError: one could not be written; those before were put back.
    """
    planned = [_planned(Path(name), wanted) for name in wanted.manifests]
    planned += _allowed(planned, wanted)
    if not wanted.check:
        _write([item for item in planned if item.before != item.after])
    return planned


def _planned(path: Path, wanted: Wanted) -> Bumped:
    file = _file(path)
    before = file.read()
    made = edit.plan(
        before,
        file=path.as_posix(),
        target=wanted.exactly,
        part=wanted.part,
        rules=wanted.rules,
    )
    return Bumped(path=path.as_posix(), file=file, before=before, after=made.after, bump=made)


def _file(path: Path) -> ManifestFile:
    here = Path.cwd()
    inside = path.absolute().is_relative_to(here)
    return ManifestFile(path.absolute(), here if inside else path.absolute().parent)


def _allowed(planned: Sequence[Bumped], wanted: Wanted) -> list[Bumped]:
    """Return the lists of allowed addresses that must follow a changed one."""
    changes = [pair for item in planned if item.bump for pair in item.bump.runtime]
    if not changes:
        return []
    found = []
    for path in files_called(allowed.NAME, Path.cwd()):
        name, file = path.relative_to(Path.cwd()).as_posix(), _file(path)
        before = file.read()
        after = allowed.renewed(before, changes, file=name)
        if after == before:
            continue
        text = f"{name} names an event script's address that changes"
        if wanted.allowed_list == "error":
            raise InputError(
                f"{text}; older builds of Outlook would refuse to sign in.",
                hint="Give --allowed-list update, to have it follow, or warn.",
            )
        if wanted.allowed_list == "warn":
            found.append(
                Bumped(path=name, file=file, before=before, after=before, bump=None, notes=(text,))
            )
        else:
            found.append(Bumped(path=name, file=file, before=before, after=after, bump=None))
    return found


def _write(planned: Sequence[Bumped]) -> None:
    written: list[Bumped] = []
    try:
        for item in planned:
            item.file.write(item.after, item.before)
            written.append(item)
    except DeployError as error:
        for item in reversed(written):
            item.file.restore(item.before, item.after)
        raise PreflightError(error.message, hint=error.hint, place=error.place) from None


def in_words(done: Sequence[Bumped]) -> str:
    """Return what changed as a diff that can be read."""
    lines: list[str] = []
    for item in done:
        if item.bump is None:
            lines.append(f"{item.path}: {'; '.join(item.notes) or 'follows'}")
        elif item.bump.changed:
            lines.append(f"{item.path}: {item.bump.old} → {item.bump.new}")
        else:
            lines.append(f"{item.path}: has {item.bump.old} already")
        lines += _diff(item.before, item.after)
        for note in item.bump.warnings if item.bump else ():
            lines.append(f"  line {note.line}: {note.text}")
    return "\n".join(lines)


def _diff(before: bytes, after: bytes) -> list[str]:
    """Return the lines that differ; there are as many after as before."""
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
