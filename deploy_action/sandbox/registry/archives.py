"""An image's layers as a folder, for replicas that run as processes.

Source: OCI image specification 1.1, "Image Layer Filesystem Changeset" (order, whiteouts). Layers
are foreign input: nothing is written outside the folder, no device, no set-user-id bit.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from deploy_action.sandbox.registry.images import Layer

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


class UnsafeLayer(Exception):  # noqa: N818  it is the layer that is unsafe
    """A layer wants to write outside its folder, or is in a form that cannot be read."""


def unpack(layers: Sequence[Layer], root: Path) -> None:
    """Lay *layers* over each other in the new folder *root*.

    Raises:
        UnsafeLayer: one of them cannot be trusted or read; *root* is removed then.
    """
    root.mkdir(parents=True)
    try:
        for layer in layers:
            _lay(layer, root)
    except (tarfile.TarError, OSError, EOFError) as error:
        shutil.rmtree(root, ignore_errors=True)
        raise UnsafeLayer(f"a layer cannot be unpacked: {error}") from error
    except UnsafeLayer:
        shutil.rmtree(root, ignore_errors=True)
        raise


def _lay(layer: Layer, root: Path) -> None:
    if layer.media_type.endswith("zstd"):
        raise UnsafeLayer(f"layer {layer.digest} is compressed with zstd: not imitated")
    with tarfile.open(layer.path, "r:*") as archive:
        for member in archive:
            path = _inside(root, member.name)
            if path != root and not _whited_out(path):
                _place(archive, member, path, root)


def _whited_out(path: Path) -> bool:
    """Carry out a whiteout: an entry that says what of the lower layers is gone."""
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
        raise UnsafeLayer(f"a layer names '{name}'")
    if not parts:
        return root
    folder = root.joinpath(*parts[:-1])
    real, real_root = Path(os.path.realpath(folder)), Path(os.path.realpath(root))
    if real != real_root and real_root not in real.parents:
        raise UnsafeLayer(f"a layer leads outside by a link: '{name}'")
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
