"""The git adapter: reading a checkout, and making a commit outside its work tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy_action.adapters.git import Git, Identity
from deploy_action.adapters.git.command import without_credentials
from deploy_action.errors import PreflightError
from tests.support.repositories import (
    FIRST_MANIFEST,
    MANIFEST,
    Remote,
    environment,
    git,
    state,
)

NEW = b"<OfficeApp><Version>1.0.1.0</Version></OfficeApp>\n"
WHEN = 1_767_225_600.0


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def adapter(workspace: Path, **extra: str) -> Git:
    return Git(workspace, environment={**environment(workspace.parent / "home"), **extra})


def test_a_checkout_of_a_branch_is_described(remote: Remote) -> None:
    work = remote.checkout()

    observed = adapter(work).observe(MANIFEST, "nothing/here")

    assert observed.root == work
    assert observed.head == remote.head()
    assert observed.branch == "main"
    assert observed.shallow
    assert observed.dirty == frozenset()
    assert observed.blobs == {
        MANIFEST: git(remote.bare, "rev-parse", f"main:{MANIFEST}"),
        "nothing/here": None,
    }


def test_a_tag_is_a_detached_head_and_a_clone_is_not_shallow(remote: Remote) -> None:
    git(remote.bare, "tag", "v1", "main~1")

    tagged = adapter(remote.checkout("tagged", ref="refs/tags/v1")).observe()
    whole = adapter(remote.clone("whole")).observe()

    assert (tagged.branch, tagged.head) == (None, remote.commits()[0])
    assert (whole.branch, whole.shallow) == ("main", False)


def test_dirty_is_what_is_tracked_and_differs_staged_or_not(remote: Remote) -> None:
    work = remote.checkout()
    (work / "README.md").write_text("changed\n")
    (work / "src/app.py").unlink()
    git(work, "rm", "--quiet", "--cached", "src/app.py")
    (work / "new ünd odd\n.txt").write_text("staged\n")
    git(work, "add", "new ünd odd\n.txt")
    (work / "untracked.txt").write_text("a build's left-over\n")
    os.utime(work / MANIFEST, (1, 1))  # touched, but the same

    assert adapter(work).observe().dirty == {"README.md", "src/app.py", "new ünd odd\n.txt"}


def test_a_workspace_inside_the_repository_finds_its_root(remote: Remote) -> None:
    work = remote.checkout()

    observed = adapter(work / "src").observe(MANIFEST)

    assert observed.root == work
    assert observed.blobs[MANIFEST]


def test_a_folder_that_is_not_a_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path, "init", "--quiet", "unborn")

    for name in ("empty", "unborn"):
        with pytest.raises(PreflightError, match=r"is not a git checkout, or has no commits\."):
            adapter(tmp_path / name).observe()


def test_credentials_in_an_address_are_removed() -> None:
    for url, shown in [
        ("https://me:s3cret@example.com/o/r.git", "https://example.com/o/r.git"),
        ("https://s3cret@example.com:8443/o/r", "https://example.com:8443/o/r"),
        ("ssh://git:s3cret@example.com/o/r", "ssh://git@example.com/o/r"),
        ("git@example.com:o/r.git", "git@example.com:o/r.git"),
    ]:
        assert without_credentials(url) == shown


def test_a_repository_of_another_user_can_be_read(remote: Remote, tmp_path: Path) -> None:
    """As in a container job. A test variable of git simulates another owner."""
    work = remote.checkout()
    real = git(work, "--exec-path") + "/git"
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec "{real}" "$@"\n')
    shim.chmod(0o755)
    path = {"PATH": f"{shim.parent}:{os.environ['PATH']}"}

    assert adapter(work, **path).observe().head == remote.head()
    assert adapter(work / "src", **path).observe().head == remote.head()


def test_gits_own_variables_are_not_passed_on(remote: Remote) -> None:
    """Inside a hook, git itself sets these; they would send us to another repository."""
    work = remote.checkout()
    lies = {"GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere/index", "GIT_WORK_TREE": "/"}

    assert adapter(work, **lies).observe().head == remote.head()


def test_a_file_is_read_as_it_is_stored(remote: Remote) -> None:
    odd = b"\xef\xbb\xbf<x/>\r\nmixed\n\x00"
    remote.push_as_colleague({"addin/Manifest [1] *.xml": odd})
    work = adapter(remote.checkout())

    result = work.file_at("HEAD", "addin/Manifest [1] *.xml")

    assert result is not None
    assert (result.content, result.mode) == (odd, "100644")
    assert work.file_at("HEAD", "addin/manifest") is None


def test_anything_but_a_regular_file_is_refused(remote: Remote) -> None:
    (remote.alice / "link.xml").symlink_to("addin/manifest.xml")
    git(remote.alice, "add", "link.xml")
    remote.push_as_colleague({"x": b"x"})
    work = adapter(remote.checkout())

    for path, kind in (("link.xml", "a symbolic link"), ("addin", "a folder")):
        with pytest.raises(PreflightError, match=f"^'{path}' is {kind} in commit"):
            work.file_at("HEAD", path)


def test_a_commit_changes_exactly_the_files_given_and_keeps_modes(remote: Remote) -> None:
    (remote.alice / MANIFEST).chmod(0o755)
    base = remote.push_as_colleague({"x": b"x"})
    work = remote.checkout()
    me = Identity(name="Ünal <the> deployer", email="u@example.com")

    commit = adapter(work).commit_files(
        base,
        {MANIFEST: NEW, "deep/new file.json": b"{}"},
        message="Version 1.0.1.0\n\nRun-Id: 7.1\n",
        when=WHEN,
        committer=me,
    )

    assert git(work, "show", "-s", "--format=%P", commit) == base
    assert set(git(work, "diff-tree", "-r", base, commit).split("\n")) == {
        f":000000 100644 {'0' * 40} {_blob(work, b'{}')} A\tdeep/new file.json",
        f":100755 100755 {_blob(work, FIRST_MANIFEST)} {_blob(work, NEW)} M\t{MANIFEST}",
    }
    assert git(work, "show", "-s", "--format=%an|%ae|%at|%cn|%ce|%ct|%B", commit) == (
        "github-actions[bot]|41898282+github-actions[bot]@users.noreply.github.com|1767225600"
        "|Ünal the deployer|u@example.com|1767225600|Version 1.0.1.0\n\nRun-Id: 7.1\n"
    )


def test_a_commit_does_not_change_the_users_checkout(remote: Remote, tmp_path: Path) -> None:
    """Dirty and half staged, with hooks, signing and filters that would fail if they ran."""
    base = remote.push_as_colleague({".gitattributes": b"* text eol=crlf filter=loud\n"})
    work = remote.checkout()
    shout = f"touch '{tmp_path}/ran'; exit 1"
    for hook in ("pre-commit", "commit-msg", "post-commit", "post-index-change", "pre-push"):
        (work / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\n{shout}\n")
        (work / ".git" / "hooks" / hook).chmod(0o755)
    git(work, "config", "core.fsmonitor", f"{shout}; :")
    git(work, "config", "commit.gpgSign", "true")
    git(work, "config", "gpg.program", "/nowhere/gpg")
    (work / "README.md").write_text("half staged\n")
    git(work, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "add", "README.md")
    (work / "README.md").write_text("and changed again\n")
    git(work, "config", "filter.loud.clean", shout)
    git(work, "config", "filter.loud.required", "true")
    before = state(work)

    commit = adapter(work).commit_files(base, {MANIFEST: NEW}, message="m", when=WHEN)

    assert git(work, "cat-file", "blob", f"{commit}:{MANIFEST}").encode() == NEW[:-1]
    assert state(work) == before
    assert not (tmp_path / "ran").exists()


def test_changed_paths_between_two_commits_are_fetched_where_missing(remote: Remote) -> None:
    first, second = remote.commits()
    third = remote.push_as_colleague({"README.md": None, "addin/taskpane.html": b"<html>"})
    work = remote.checkout()

    git_there = adapter(work)

    assert git_there.changed_paths(second, third) == frozenset({"README.md", "addin/taskpane.html"})
    assert git_there.changed_paths(first, second) == frozenset({"src/app.py"})
    assert git_there.changed_paths("0" * 39 + "1", third) is None
    assert git(work, "rev-list", "--count", "HEAD") == "1"


def _blob(work: Path, content: bytes) -> str:
    return git(work, "hash-object", "--no-filters", "--stdin", stdin=content)
