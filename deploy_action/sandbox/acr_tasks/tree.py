"""Files of a context or a stage, what COPY does with them, and the resulting layer.

Source: Dockerfile reference, "COPY"; OCI image specification 1.1, "Image Layer Filesystem
Changeset". Layers contain no time and no disk order, so equal files give equal digests.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from deploy_action.sandbox.acr_tasks.copy_patterns import is_pattern, pattern
from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed
from deploy_action.sandbox.acr_tasks.ignore import Ignore

_GZIP: Final = 31  # zlib's window size for a gzip header, which then carries no time
_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link; *source* is a path to read, bytes, or a link's target."""

    kind: Literal["file", "dir", "link"]
    mode: int
    source: Path | bytes | str = b""
    uid: int = 0
    gid: int = 0

    def content(self) -> bytes:
        """Return a file's bytes."""
        return self.source.read_bytes() if isinstance(self.source, Path) else _bytes(self.source)


Tree = Mapping[str, Entry]
"""Entries by relative path with slashes; the root itself is not in it."""

_FOLDER: Final = Entry("dir", 0o755)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A layer, ready to be stored."""

    digest: str
    diff_id: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One COPY or ADD: sources, destination and owner."""

    patterns: Sequence[str]
    to: str
    mode: int | None = None
    uid: int = 0
    gid: int = 0


def read_tree(root: Path, ignore: Ignore) -> dict[str, Entry]:
    """Return what lies under *root* but is not ignored. Links are kept as links."""
    entries = {path: _entry(root / path) for path in ignore.files(root)}
    return {path: entry for path, entry in entries.items() if entry}


def select(sources: Tree, copy: Copy, into: Tree) -> tuple[dict[str, Entry], list[str]]:
    """Return the entries that *copy* makes in *into*, and the patterns that match nothing.

    Raises:
        BuildFailed: a path leads outside, or several files are to become one.
    """
    chosen, missing = _chosen(sources, copy.patterns)
    into_folder = copy.to.endswith("/") or copy.to in {"", "."}
    to = posixpath.normpath(copy.to.strip("/")) if copy.to.strip("/") else ""
    to = "" if to == "." else to
    if len(chosen) > 1 and not into_folder:
        raise BuildFailed(
            "When using COPY with more than one source file, the destination must be a directory "
            "and end with a /"
        )
    into_folder = into_folder or (to in into and into[to].kind == "dir")
    made: dict[str, Entry] = {}
    for path in chosen:
        if path == "" or sources[path].kind == "dir":
            made.update(_below(sources, path, to))
            if to and to not in into:
                made.setdefault(to, _FOLDER)
        else:
            made[posixpath.join(to, posixpath.basename(path)) if into_folder else to] = sources[
                path
            ]
    return {path: _owned(entry, copy) for path, entry in made.items()}, missing


def layer_of(made: Tree, into: Tree) -> tuple[Blob, dict[str, Entry]]:
    """Return the layer that adds *made* to *into*, and all that it adds, parents included."""
    whole = dict(made)
    for path in made:
        for parent in _parents(path):
            if parent not in into:
                whole.setdefault(parent, _FOLDER)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(whole):
            _add(archive, path, whole[path])
    plain = raw.getvalue()
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    data = packer.compress(plain) + packer.flush()
    return Blob(digest=sha256(data), diff_id=sha256(plain), data=data), whole


def sha256(data: bytes) -> str:
    """Return the digest as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _chosen(sources: Tree, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    chosen: list[str] = []
    missing: list[str] = []
    for text in patterns:
        path = posixpath.normpath(text.lstrip("/") or ".")
        if path.startswith(".."):
            raise BuildFailed(f"forbidden path outside the build context: {text} ()")
        path = "" if path == "." else path
        if is_pattern(path):
            matches = [source for source in sorted(sources) if pattern(path).fullmatch(source)]
        else:
            matches = [path] if path == "" or path in sources else []
        chosen.extend(matches)
        if not matches:
            missing.append(text)
    return chosen, missing


def _below(sources: Tree, folder: str, to: str) -> Iterator[tuple[str, Entry]]:
    """Yield what is in *folder* under its new name; the folder itself is not copied."""
    start = f"{folder}/" if folder else ""
    for path, entry in sources.items():
        if path.startswith(start):
            yield posixpath.join(to, path[len(start) :]), entry


def _owned(entry: Entry, copy: Copy) -> Entry:
    mode = entry.mode if copy.mode is None or entry.kind == "link" else copy.mode
    return replace(entry, mode=mode, uid=copy.uid, gid=copy.gid)


def _parents(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    while parent:
        yield parent
        parent = posixpath.dirname(parent)


def _entry(path: Path) -> Entry | None:
    """Return a file as an entry; None for sockets, pipes and devices."""
    about = path.lstat()
    mode = stat.S_IMODE(about.st_mode) & 0o777
    if stat.S_ISLNK(about.st_mode):
        return Entry("link", 0o777, str(path.readlink()))
    if stat.S_ISDIR(about.st_mode):
        return Entry("dir", mode)
    return Entry("file", mode, path) if stat.S_ISREG(about.st_mode) else None


def _add(archive: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path)
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    content = b""
    if entry.kind == "dir":
        info.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, str(entry.source)
    else:
        content = entry.content()
        info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _bytes(source: bytes | str) -> bytes:
    return source.encode() if isinstance(source, str) else source
