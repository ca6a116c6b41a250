"""The manifest file on disk: written completely or not at all, restored only over our own bytes."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from deploy_action.errors import InputError, PreflightError, SourceLocation

LARGEST = 1024 * 1024
_SKIPPED = {".git", "node_modules", ".venv"}


class ManifestFile:
    """One file.

    Args:
        path: where it is.
        root: the folder that the file must be in.
        name: how messages name the file; by default its path below *root*.
        label: how messages begin.
        where: how messages name *root*.
    """

    def __init__(
        self,
        path: Path,
        root: Path,
        *,
        name: str = "",
        label: str = "Input manifest:",
        where: str = "the checkout",
    ) -> None:
        self._path = path
        self._root = root
        self._label = label
        self._where = where
        self._below = os.path.relpath(path, root).replace(os.sep, "/")
        self._name = name or (path.as_posix() if self._below.startswith("../") else self._below)

    def is_there(self) -> bool:
        """Whether the file exists, as it does only in a checkout."""
        return self._path.is_file()

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            InputError: it is missing, unreadable, too large, a link, not a regular file, or outside
                the folder.
        """
        self._check()
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}.") from None

    def write(self, after: bytes, expected: bytes) -> None:
        """Replace *expected* by *after* and keep the file's mode.

        Raises:
            PreflightError: its content has changed, or it cannot be written.
        """
        if self.read() != expected:
            raise PreflightError(
                f"Manifest '{self._name}' was changed by another process during the run; that "
                "change was kept.",
                hint="Run again.",
            )
        self._replace(after)

    def restore(self, before: bytes, ours: bytes) -> bool:
        """Write *before* if the file holds *ours*; return whether it holds *before* now.

        Raises:
            InputError, PreflightError: the file cannot be read or written.
        """
        now = self.read()
        if now == ours and now != before:
            self._replace(before)
            return True
        return now == before

    def _check(self) -> None:
        try:
            about = self._path.lstat()
            regular = stat.S_ISREG(about.st_mode) and self._is_inside()
        except (FileNotFoundError, NotADirectoryError):
            raise self._unusable(f"does not exist in {self._where}.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self._unusable(f"cannot be read: {reason}.") from None
        if not regular:
            raise self._unusable(f"is not a regular file inside {self._where}.")
        if about.st_size > LARGEST:
            raise self._unusable(f"has {about.st_size} bytes; the limit is {LARGEST}.")

    def _unusable(self, problem: str) -> InputError:
        return InputError(
            f"{self._label} '{self._name}' {problem}",
            hint=f"Specify the path of the add-in's manifest, a regular file in {self._where}.",
            place=SourceLocation(file=self._name),
        )

    def _is_inside(self) -> bool:
        """Whether it is below the root without a link: git would not commit a file behind one."""
        path, root = self._path.resolve(), self._root.resolve()
        return path.is_relative_to(root) and path == root / self._below

    def _replace(self, content: bytes) -> None:
        """Write a temporary file next to it, then rename it, so that the write is atomic."""
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            number, draft = tempfile.mkstemp(dir=self._path.parent, prefix=".manifest-")
            try:
                with os.fdopen(number, "wb") as out:
                    out.write(content)
                    os.fchmod(out.fileno(), mode)
                    out.flush()
                    os.fsync(out.fileno())
                Path(draft).replace(self._path)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise PreflightError(
                f"Manifest '{self._name}' cannot be written: {error.strerror}.",
                hint="Check the permissions of its folder and the free space of the disk.",
            ) from None


def files_called(name: str, root: Path) -> list[Path]:
    """Return the regular files called *name* below *root*, in order; not those of packages."""
    matches = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - _SKIPPED)
        path = Path(folder, name)
        if name in files and path.is_file() and not path.is_symlink():
            matches.append(path)
    return sorted(matches)
