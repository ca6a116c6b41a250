"""The manifest's file in the checkout: written all at once or not at all, put back only if ours."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from deploy_action.errors import InputError, PreflightError, SourceLocation

LARGEST = 1024 * 1024
_SKIPPED = {".git", "node_modules"}


class ManifestFile:
    """One file.

    Args:
        path: where it is.
        workspace: the checkout; the file must be inside.
    """

    def __init__(self, path: Path, workspace: Path) -> None:
        self._path = path
        self._workspace = workspace
        try:
            self._name = path.relative_to(workspace).as_posix()
        except ValueError:
            self._name = path.as_posix()

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            InputError: it is missing, no plain file, a link, outside the checkout, or too large.
        """
        self._check()
        return self._path.read_bytes()

    def write(self, after: bytes, expected: bytes) -> None:
        """Replace *expected* by *after*; the file's mode stays.

        Raises:
            PreflightError: it holds something else by now, or cannot be written.
        """
        if self.read() != expected:
            raise PreflightError(
                f"Manifest '{self._name}' was changed by somebody else in the meantime; their "
                "change was left.",
                hint="Run the deployment again.",
            )
        self._replace(after)

    def restore(self, before: bytes, ours: bytes) -> bool:
        """Put *before* back if *ours* stands there; whether it stands there now.

        Raises:
            InputError, PreflightError: the file cannot be read or written.
        """
        now = self.read()
        if now == ours and now != before:
            self._replace(before)
            return True
        return now == before

    def _check(self) -> None:
        place = SourceLocation(file=self._name)
        hint = "Give the path of the add-in's manifest, relative to the checkout."
        try:
            about = self._path.lstat()
        except OSError:
            raise InputError(
                f"Input manifest: '{self._name}' does not exist in the checkout.",
                hint=hint,
                place=place,
            ) from None
        inside = self._path.resolve().is_relative_to(self._workspace.resolve())
        if not stat.S_ISREG(about.st_mode) or not inside or self._linked():
            raise InputError(
                f"Input manifest: '{self._name}' is no plain file inside the checkout.",
                hint=hint,
                place=place,
            )
        if about.st_size > LARGEST:
            raise InputError(
                f"Input manifest: '{self._name}' has {about.st_size} bytes; at most {LARGEST} "
                "were expected.",
                place=place,
            )

    def _linked(self) -> bool:
        """Whether a folder on the way is a link: git would not commit what lies behind it."""
        return self._path.resolve() != self._workspace.resolve() / self._name

    def _replace(self, content: bytes) -> None:
        """Write beside it, then rename: nobody ever sees half a manifest."""
        mode = stat.S_IMODE(self._path.stat().st_mode)
        try:
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
    """Return the files of that name below *root*, in order; not those of git or of packages."""
    found = sorted(root.rglob(name))
    return [path for path in found if not _SKIPPED & set(path.relative_to(root).parts)]
