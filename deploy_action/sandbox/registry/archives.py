"""Archives as folders: an image's layers, and the contexts that clients upload.

Source: OCI image specification 1.1, "Image Layer Filesystem Changeset" (order, whiteouts). Archives
are foreign input: nothing is written outside the folder, no device, no set-user-id bit. (The
standard library's own filters came after Python 3.11.2, and know no whiteouts.)
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from deploy_action.sandbox.registry.images import Layer

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


class UnsafeArchive(Exception):  # noqa: N818  it is the archive that is unsafe
    """An archive would write outside its folder, or cannot be read."""


def unpack_layers(layers: Sequence[Layer], root: Path) -> None:
    """Unpack *layers* in order into the new folder *root*.

    Raises:
        UnsafeArchive: one of them cannot be trusted or read; *root* is removed then.
    """
    for layer in layers:
        if layer.media_type.endswith("zstd"):
            raise UnsafeArchive(
                f"layer {layer.digest} is compressed with zstd, which the sandbox does not support"
            )
    _extract([layer.path for layer in layers], root, layered=True)


def unpack(archive: Path, root: Path) -> None:
    """Unpack one tar archive, compressed or not, to the new folder *root*.

    Raises:
        UnsafeArchive: it cannot be trusted or read; *root* is removed then.
    """
    _extract([archive], root, layered=False)


def _extract(archives: Sequence[Path], root: Path, *, layered: bool) -> None:
    root.mkdir(parents=True)
    try:
        for path in archives:
            with tarfile.open(path, "r:*") as archive:
                for member in archive:
                    place = _inside(root, member.name)
                    if place != root and not (layered and _whited_out(place)):
                        _place(archive, member, place, root)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        shutil.rmtree(root, ignore_errors=True)
        raise UnsafeArchive(f"an archive cannot be unpacked: {error}") from error
    except UnsafeArchive:
        shutil.rmtree(root, ignore_errors=True)
        raise


def _whited_out(path: Path) -> bool:
    """Apply a whiteout: an entry that deletes a path of the lower layers."""
    if path.name == _OPAQUE:
        for child in path.parent.iterdir():
            _remove(child)
        return True
    if path.name.startswith(_WHITEOUT):
        _remove(path.with_name(path.name.removeprefix(_WHITEOUT)))
        return True
    return False


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, root: Path) -> None:
    if member.isdir():
        if path.is_symlink() or not path.is_dir():
            _remove(path)
            path.mkdir()
        path.chmod(stat.S_IMODE(member.mode) & 0o777 | 0o700)
        return
    _remove(path)
    if member.issym():
        path.symlink_to(_link_target(path, member.linkname, root))
    elif member.islnk():
        source = _inside(root, member.linkname)
        if not source.is_symlink():
            os.link(source, path)
    elif member.isfile():
        _write(archive, member, path)
    # Devices and pipes are of no use to a process and are left out.


def _inside(root: Path, name: str) -> Path:
    """Return where *name* goes; its folder is made, and is really inside *root*."""
    parts = [part for part in PurePosixPath(name).parts if part not in {"/", "."}]
    if ".." in parts:
        raise UnsafeArchive(f"an archive names '{name}'")
    if not parts:
        return root
    folder = root.joinpath(*parts[:-1])
    real, real_root = Path(os.path.realpath(folder)), Path(os.path.realpath(root))
    if real != real_root and real_root not in real.parents:
        raise UnsafeArchive(f"an archive leads outside by a link: '{name}'")
    real.mkdir(parents=True, exist_ok=True)
    return real / parts[-1]


def _link_target(path: Path, target: str, root: Path) -> str:
    """Make an absolute link relative, so that it means the same inside the folder."""
    if not target.startswith("/"):
        return target
    return os.path.relpath(root / target.lstrip("/"), path.parent)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        return
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(stat.S_IMODE(member.mode) & 0o777 | 0o600)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
