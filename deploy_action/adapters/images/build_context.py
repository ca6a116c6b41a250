"""The build context: which files belong to it, and its archive for a remote build."""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy_action.adapters.images.ignore_file import FILE_NAME, IgnoreRules, Matches
from deploy_action.errors import DeployError, InputError

# Git's folder holds the history and, after actions/checkout, a token.
_GIT = b"\n.git\n**/.git\n"
_PLAIN = re.compile(r"[\w.:/@+-]+", re.ASCII)
_REMOTE_DOCKERFILE = ".deploy-action.Dockerfile"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """A folder to build and its Dockerfile.

    Args:
        folder: absolute path.
        dockerfile: absolute path; it may lie outside the folder.
    """

    folder: Path
    dockerfile: Path

    def ignore_file(self, *, keep_git: bool = False) -> bytes:
        """Return the content of the ignore file in effect, with Git's folder added.

        ``Dockerfile.dockerignore`` beside the Dockerfile has precedence over ``.dockerignore``.
        """
        specific = self.dockerfile.with_name(f"{self.dockerfile.name}{FILE_NAME}")
        for file in (specific, self.folder / FILE_NAME):
            if file.is_file():
                return file.read_bytes() + (b"" if keep_git else _GIT)
        return b"" if keep_git else _GIT

    def files(self, rules: IgnoreRules) -> Iterator[tuple[str, Path]]:
        """Yield relative and absolute path of everything that the engine would send."""
        yield from _walk(self.folder, "", (), rules, [])

    def pack(self, into: IO[bytes], labels: Mapping[str, str] | None = None) -> str:
        """Write the context as a gzip archive; return the Dockerfile's path in it.

        Args:
            into: receives the archive.
            labels: added to the image by the Dockerfile of the archive, for a builder that takes
                no labels. Values with special characters are left out.

        Raises:
            InputError: the ignore file is invalid, or a file cannot be read.
        """
        ignore = self.ignore_file()
        rules = IgnoreRules(ignore)
        added = _label_instruction(labels or {})
        # With labels it has another name, so that it does not change what COPY copies.
        inside = not added and self.dockerfile.is_relative_to(self.folder)
        dockerfile = (
            self.dockerfile.relative_to(self.folder).as_posix() if inside else _REMOTE_DOCKERFILE
        )
        # The builder needs both files, whether or not they are ignored, and then leaves them out.
        extra = {dockerfile: self.dockerfile.read_bytes() + added}
        if not inside:
            ignore += f"{_REMOTE_DOCKERFILE}\n".encode()
        extra[FILE_NAME] = ignore
        with tarfile.open(fileobj=into, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
            for name, path in self.files(rules):
                if name not in extra:
                    _add(archive, name, path)
            for name, content in extra.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
        return dockerfile


def _label_instruction(labels: Mapping[str, str]) -> bytes:
    """Return the end of a Dockerfile that adds labels; nothing without any."""
    pairs = [f'{name}="{value}"' for name, value in labels.items() if _PLAIN.fullmatch(value)]
    return f"\nLABEL {' '.join(pairs)}\n".encode() if pairs else b""


def _walk(
    root: Path, folder: str, parent: Matches, rules: IgnoreRules, pending: list[tuple[str, Path]]
) -> Iterator[tuple[str, Path]]:
    """Walk a folder; *pending* are ignored parents, which are sent if a file in them is sent."""
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise _unreadable(folder or ".", error) from None
    for entry in entries:
        name = f"{folder}/{entry.name}" if folder else entry.name
        ignored, matches = rules.match(name, parent)
        is_folder = entry.is_dir(follow_symlinks=False)
        if ignored:
            if is_folder and rules.may_include_below(name):
                yield from _walk(root, name, matches, rules, [*pending, (name, Path(entry.path))])
            continue
        yield from pending
        pending = []
        yield name, Path(entry.path)
        if is_folder:
            yield from _walk(root, name, matches, rules, [])


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file as the engine does: without owner; sockets and devices are skipped."""
    try:
        about = path.lstat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode) or path.is_symlink()):
            return
        entry = archive.gettarinfo(path, arcname=name)
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        if entry.islnk():  # a hard link: its content again, as its target may be left out
            entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", about.st_size
        if entry.isreg():
            with path.open("rb") as content:
                archive.addfile(entry, content)
        else:
            archive.addfile(entry)
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: OSError) -> DeployError:
    return InputError(
        f"Input context: '{name}' cannot be read: {error.strerror}.",
        hint=f"Make it readable, or exclude it in {FILE_NAME}.",
    )
