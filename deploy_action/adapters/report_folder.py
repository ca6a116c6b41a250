"""The folder of a run's report files: below RUNNER_TEMP, or in the user's temporary files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_LOCAL_FOLDERS = 20  # that are kept, of runs outside GitHub


@dataclass(frozen=True, kw_only=True)
class ReportFolder:
    """The report files of one run.

    Args:
        environment: the process environment.
        token: what makes this use of the action differ from others in the same job.
        prefix: begins the names of the files; both steps of the action share the folder.
    """

    environment: Mapping[str, str]
    token: str
    prefix: str = ""

    @cached_property
    def path(self) -> Path:
        """The folder, created on first use; raises `OSError`."""
        parent = self.environment.get("RUNNER_TEMP")
        if not parent:
            return _new_local_folder()
        folder = Path(parent) / f"deploy-action-report-{self.token}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @property
    def report(self) -> Path:
        """The JSON report."""
        return self.path / f"{self.prefix}report.json"

    @property
    def log(self) -> Path:
        """The log."""
        return self.path / f"{self.prefix}deployment.log"

    @property
    def bug_report(self) -> Path:
        """The report of an unexpected error."""
        return self.path / f"{self.prefix}bug-report.txt"

    def write_bug_report(self, text: str) -> None:
        """Add to the report of unexpected errors; raises `OSError`."""
        with self.bug_report.open("ab") as file:
            file.write(text.encode("utf-8", "replace"))

    def write_report(self, text: str) -> None:
        """Replace the JSON report; raises `OSError`. A reader never sees half a report."""
        unfinished = self.report.with_suffix(".tmp")
        unfinished.write_bytes(text.encode("utf-8", "replace"))
        unfinished.replace(self.report)


def _new_local_folder() -> Path:
    """Return a new folder among the user's newest ones; older ones are deleted.

    Raises:
        OSError: there is none, or someone else owns the folder of this user's reports.
    """
    parent = Path(tempfile.gettempdir()) / f"deploy-action-{os.getuid()}"
    parent.mkdir(mode=0o700, exist_ok=True)
    status = parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, f"{parent} belongs to someone else")
    parent.chmod(0o700)
    new = Path(tempfile.mkdtemp(prefix=f"{time.time_ns()}-", dir=parent))
    others = sorted((folder for folder in parent.iterdir() if folder != new), reverse=True)
    for old in others[_LOCAL_FOLDERS - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
    return new
