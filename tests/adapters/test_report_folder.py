"""Where report files are: below RUNNER_TEMP, else among the user's own temporary files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy_action.adapters.report_folder import ReportFolder
from tests.support.paths import ROOT

PROGRAM = """
import sys
from deploy_action.adapters.report_folder import ReportFolder
for _ in range(int(sys.argv[1])):
    print(ReportFolder(environment={}, token="t").path)
"""


def local_folders(temp: Path, number: int = 1) -> subprocess.CompletedProcess[str]:
    """Make the folders of several runs outside GitHub."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(number)],
        cwd=ROOT,
        env={"TMPDIR": str(temp)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_both_steps_of_the_action_share_a_folder_with_own_files(tmp_path: Path) -> None:
    environment = {"RUNNER_TEMP": str(tmp_path / "temp")}
    run = ReportFolder(environment=environment, token="t1")
    finish = ReportFolder(environment=environment, token="t1", prefix="finish-")
    other = ReportFolder(environment=environment, token="t2")

    assert run.path == finish.path == tmp_path / "temp" / "deploy-action-report-t1"
    assert other.path != run.path
    assert finish.log.name == "finish-deployment.log"
    assert run.path.stat().st_mode & 0o777 == 0o700


def test_local_runs_have_folders_of_their_own_and_old_ones_are_deleted(tmp_path: Path) -> None:
    made = local_folders(tmp_path, 25).stdout.split()

    (parent,) = tmp_path.iterdir()
    assert len(set(made)) == 25
    assert parent.stat().st_mode & 0o777 == 0o700
    assert len(list(parent.iterdir())) == 20
    assert Path(made[-1]).exists()


def test_s1_a_folder_that_somebody_else_prepared_is_not_used(tmp_path: Path) -> None:
    parent = Path(local_folders(tmp_path).stdout.strip()).parent
    theirs = tmp_path / "theirs"
    parent.rename(theirs)
    parent.symlink_to(theirs)
    before = sorted(theirs.iterdir())

    done = local_folders(tmp_path)

    assert "PermissionError" in done.stderr
    assert sorted(theirs.iterdir()) == before


def test_r2_a_path_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    with pytest.raises(OSError, match="Not a directory"):
        ReportFolder(environment={"RUNNER_TEMP": str(file)}, token="t").path.exists()
