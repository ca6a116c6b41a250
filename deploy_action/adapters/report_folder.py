"""The folder of a run's report files: below RUNNER_TEMP, or a new temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


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
            return Path(tempfile.mkdtemp(prefix="deploy-action-"))
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
