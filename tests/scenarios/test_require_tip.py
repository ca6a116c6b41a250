"""With require-tip, only the newest commit of a branch is deployed."""

from __future__ import annotations

import shutil

from tests.stage import Stage

MANIFEST = {"manifest": "addin/manifest.xml"}


def _push_from_elsewhere(stage: Stage) -> str:
    """Push a commit that the checkout does not have; return it."""
    desk = stage.scene.directory / "elsewhere"
    shutil.rmtree(desk, ignore_errors=True)
    git = stage.scene.git
    git("clone", "--quiet", stage.scene.remote.as_uri(), str(desk), cwd=desk.parent)
    (desk / "NOTES.md").write_text("New\n", "utf-8")
    git("add", "NOTES.md", cwd=desk)
    git("commit", "--quiet", "-m", "Add notes", cwd=desk)
    git("push", "--quiet", "origin", "HEAD:main", cwd=desk)
    return git("rev-parse", "HEAD", cwd=desk)


def _check_out(stage: Stage, commit: str) -> None:
    """Replace the checkout by *commit* on main, without history."""
    workspace, git = stage.scene.workspace, stage.scene.git
    shutil.rmtree(workspace)
    git("init", "--quiet", "--initial-branch=main", cwd=workspace)
    git("remote", "add", "origin", stage.scene.remote.as_uri(), cwd=workspace)
    git("fetch", "--quiet", "--depth=1", "origin", commit, cwd=workspace)
    git("checkout", "--quiet", "-B", "main", commit, cwd=workspace)


def test_an_outdated_commit_is_refused_before_anything_changes(stage: Stage) -> None:
    old = stage.push_healthy()
    newer = _push_from_elsewhere(stage)
    before = stage.scene.resource()
    refused = stage.run(**MANIFEST, require_tip="true")

    assert refused.exit_code == 3, refused.log
    assert (
        f"Commit {old[:10]} is no longer the newest on branch 'main': {newer[:10]}" in refused.log
    )
    assert stage.scene.resource() == before
    assert stage.branch_head() == newer

    stage.scene.check_out()
    run = stage.run(**MANIFEST, require_tip="true")
    assert run.exit_code == 0, run.log


def test_a_version_commit_does_not_overtake_the_commit_below_it(stage: Stage) -> None:
    stage.push_healthy()
    middle = _push_from_elsewhere(stage)
    first = stage.run(**MANIFEST)
    assert first.exit_code == 0, first.log
    assert stage.branch_head() != middle, "the version commit is on the branch"

    _check_out(stage, middle)
    run = stage.run(**MANIFEST, require_tip="true", dry_run="true")

    assert run.exit_code == 0, run.log


def test_a_rewritten_branch_overtakes_the_commit(stage: Stage) -> None:
    stage.push_healthy()
    workspace = stage.scene.workspace
    stage.scene.git("commit", "--quiet", "--amend", "-m", "Rewritten", cwd=workspace)
    run = stage.run(**MANIFEST, require_tip="true", dry_run="true")

    assert run.exit_code == 3, run.log
    assert "is no longer the newest on branch 'main'" in run.log


def test_a_checkout_without_a_branch_is_refused(stage: Stage) -> None:
    stage.push_healthy()
    stage.scene.git("checkout", "--quiet", "--detach", cwd=stage.scene.workspace)
    stage.variables |= {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}
    run = stage.run(**MANIFEST, require_tip="true", dry_run="true")

    assert run.exit_code == 3, run.log
    assert "the checkout is not on a branch" in run.log
