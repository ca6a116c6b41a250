"""The manifest file: atomic writes that never overwrite changes of others."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from deploy_action.adapters.manifest_file import ManifestFile
from deploy_action.errors import InputError, PreflightError

BEFORE, OURS, THEIRS = b"<a>1</a>\r\n", b"<a>2</a>\r\n", b"<a>3</a>\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest in a checkout, executable as some are."""
    path = tmp_path / "checkout" / "addin" / "manifest.xml"
    path.parent.mkdir(parents=True)
    path.write_bytes(BEFORE)
    path.chmod(0o755)
    return path


@pytest.fixture
def file(path: Path) -> ManifestFile:
    return ManifestFile(path, path.parents[1])


def test_a_write_is_atomic_and_keeps_the_mode(file: ManifestFile, path: Path) -> None:
    file.write(OURS, expected=BEFORE)

    assert path.read_bytes() == OURS
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert list(path.parent.iterdir()) == [path]


def test_a_change_by_someone_else_is_kept(file: ManifestFile, path: Path) -> None:
    path.write_bytes(THEIRS)

    with pytest.raises(PreflightError, match="changed by another process"):
        file.write(OURS, expected=BEFORE)

    assert path.read_bytes() == THEIRS


def test_restore_replaces_only_our_own_bytes(file: ManifestFile, path: Path) -> None:
    file.write(OURS, expected=BEFORE)
    assert file.restore(BEFORE, OURS)
    assert path.read_bytes() == BEFORE
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert file.restore(BEFORE, OURS), "once more finds it as it was"

    path.write_bytes(THEIRS)
    assert not file.restore(BEFORE, OURS)
    assert path.read_bytes() == THEIRS


def test_a_full_disk_leaves_the_old_file_and_no_draft(file: ManifestFile, path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(PreflightError, match=r"cannot be written: File too large"):
            file.write(OURS, expected=BEFORE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_bytes() == BEFORE
    assert list(path.parent.iterdir()) == [path]


def test_a_link_is_refused(file: ManifestFile, path: Path) -> None:
    real = path.with_name("real.xml")
    path.rename(real)
    path.symlink_to(real)

    with pytest.raises(InputError, match="not a regular file inside the checkout"):
        file.read()


def test_a_folder_that_is_a_link_is_refused(file: ManifestFile, path: Path) -> None:
    path.parent.rename(path.parents[1] / "elsewhere")
    path.parent.symlink_to("elsewhere")

    with pytest.raises(InputError, match="not a regular file inside the checkout"):
        file.read()


@pytest.mark.parametrize("name", ["../outside.xml", "addin", "addin/../../outside.xml"])
def test_only_a_regular_file_inside_the_checkout_is_accepted(path: Path, name: str) -> None:
    checkout = path.parents[1]
    (checkout.parent / "outside.xml").write_bytes(BEFORE)

    with pytest.raises(InputError, match="not a regular file inside the checkout"):
        ManifestFile(checkout / name, checkout).read()


def test_a_missing_manifest_is_named_as_the_input(path: Path) -> None:
    checkout = path.parents[1]

    with pytest.raises(InputError, match=r"Input manifest: 'app\.xml' does not exist") as refused:
        ManifestFile(checkout / "app.xml", checkout).read()

    assert refused.value.place is not None
    assert refused.value.place.file == "app.xml"


def test_a_file_above_the_limit_is_refused_unread(file: ManifestFile, path: Path) -> None:
    os.truncate(path, 1024 * 1024 + 1)

    with pytest.raises(InputError, match="the limit is 1048576"):
        file.read()
