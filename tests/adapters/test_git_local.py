"""Publishing from unusual checkouts, and advancing the local branch afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.adapters.git import Git, Head
from deploy_action.errors import DeployError
from tests.support.repositories import FIRST_MANIFEST, MANIFEST, Remote, environment, git, state

NEW = b"<OfficeApp><Version>1.0.1.0</Version></OfficeApp>\n"
WHEN = 1_767_225_600.0


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def adapter(work: Path) -> Git:
    return Git(work, environment=environment(work.parent / "home-of-the-run"))


def publish(work: Path, files: dict[str, bytes] | None = None) -> str:
    here = adapter(work)

    def make(base: str, _: object = None) -> str:
        return here.commit_files(base, files or {MANIFEST: NEW}, message="m\n\nRun: 1", when=WHEN)

    commit = make(here.observe().head)
    done = here.publish(commit, "main", paths=[MANIFEST], remake=make, wait=lambda _: None)
    assert done.commit
    return done.commit


@pytest.mark.parametrize("detached", [False, True])
def test_head_and_index_follow_the_published_commit(remote: Remote, detached: bool) -> None:
    """As after a manual commit: the bumped file is clean, other changes stay."""
    work = remote.checkout()
    if detached:
        git(work, "checkout", "--quiet", "--detach")
    (work / MANIFEST).write_bytes(NEW)
    (work / "README.md").write_text("staged\n")
    git(work, "add", "README.md")
    (work / "src/app.py").write_text("not staged\n")
    commit = publish(work)

    assert adapter(work).advance_local(commit, [MANIFEST])

    observed = adapter(work).observe()
    assert (observed.head, observed.branch) == (commit, None if detached else "main")
    assert git(work, "status", "--porcelain") == "M  README.md\n M src/app.py"


def test_head_and_index_stay_if_the_branch_has_moved(remote: Remote) -> None:
    work = remote.checkout()
    remote.push_as_colleague({"x": b"x"})
    commit = publish(work)
    before = state(work)

    assert not adapter(work).advance_local(commit, [MANIFEST])
    assert state(work) == before


def test_head_and_index_stay_with_staged_changes_or_a_locked_index(remote: Remote) -> None:
    work = remote.checkout()
    commit = publish(work)
    before = state(work)

    (work / ".git" / "index.lock").touch()
    assert not adapter(work).advance_local(commit, [MANIFEST])
    (work / ".git" / "index.lock").unlink()
    assert state(work) == before

    (work / MANIFEST).write_text("by hand\n")
    git(work, "add", MANIFEST)
    before = state(work)
    assert not adapter(work).advance_local(commit, [MANIFEST])
    assert state(work) == before


def test_line_endings_are_committed_as_the_branch_stores_them(remote: Remote) -> None:
    """On disk CRLF, on the branch LF: bytes taken from the commit go back as they are."""
    remote.push_as_colleague({".gitattributes": b"*.xml text eol=crlf\n"})
    work = remote.checkout()
    assert b"\r\n" in (work / MANIFEST).read_bytes()
    here = adapter(work)
    stored = here.file_at("HEAD", MANIFEST)
    assert stored is not None
    assert b"\r\n" not in stored.content

    commit = publish(work)
    (work / MANIFEST).write_bytes(NEW.replace(b"\n", b"\r\n"))

    assert remote.content(MANIFEST) == NEW
    assert here.advance_local(commit, [MANIFEST])
    assert here.observe().dirty == frozenset()


def test_line_endings_of_a_file_stored_with_crlf_stay_too(remote: Remote) -> None:
    """With `text=auto` an ordinary add would rewrite the whole file."""
    crlf = NEW.replace(b"\n", b"\r\n")
    remote.push_as_colleague({MANIFEST: crlf.replace(b"1.0.1", b"1.0.0")})
    remote.push_as_colleague({".gitattributes": b"* text=auto\n"})
    work = remote.checkout()

    publish(work, {MANIFEST: crlf})

    assert remote.content(MANIFEST) == crlf


def test_submodules_and_large_files_stay_as_they_are(remote: Remote) -> None:
    """Neither is fetched or read; the commit keeps their entries."""
    other = Remote(remote.folder / "other")
    git(remote.alice, "submodule", "--quiet", "add", other.url, "vendor/lib")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    base = remote.push_as_colleague(
        {".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": pointer}
    )
    work = remote.checkout()
    git(work, "config", "filter.lfs.clean", "exit 1")
    git(work, "config", "filter.lfs.required", "true")

    commit = publish(work)

    assert remote.changes(commit) == [MANIFEST]
    assert git(work, "ls-tree", commit, "vendor/lib") == git(work, "ls-tree", base, "vendor/lib")
    assert adapter(work).observe().dirty == frozenset()


def test_a_partial_and_sparse_clone_fetches_only_what_it_reads(remote: Remote) -> None:
    work = remote.clone("work", "--filter=blob:none", "--no-checkout", "--depth=1")
    git(work, "sparse-checkout", "set", "src")
    git(work, "checkout", "--quiet")
    assert not (work / MANIFEST).exists()
    here = adapter(work)
    remote.push_as_colleague({MANIFEST: b"theirs\n"})

    commit = publish(work)

    read = here.file_at(f"{commit}^", MANIFEST)
    assert read is not None
    assert read.content == b"theirs\n"
    assert remote.changes(commit) == [MANIFEST]
    assert git(work, "cat-file", "-t", f"{commit}:README.md") == "blob"


def test_a_worktree_beside_the_clone_works_like_the_clone(remote: Remote) -> None:
    whole = remote.clone("whole")
    work = remote.folder / "beside"
    git(whole, "worktree", "add", "--quiet", "--detach", str(work))
    commit = publish(work)

    assert adapter(work).advance_local(commit, [MANIFEST])
    assert git(whole, "rev-parse", "HEAD") == f"{remote.commits()[-2]}"


def test_settings_of_the_user_change_nothing(remote: Remote) -> None:
    work = remote.clone("work")
    for key, value in {
        "push.default": "nothing",
        "push.followTags": "true",
        "push.gpgSign": "true",
        "remote.origin.mirror": "true",
        "fetch.prune": "true",
        "core.autocrlf": "true",
        "i18n.commitEncoding": "ISO-8859-1",
        "color.ui": "always",
        "core.quotePath": "true",
        "status.relativePaths": "false",
        "transfer.fsckObjects": "true",
        "core.splitIndex": "true",
    }.items():
        git(work, "config", key, value)
    git(work, "tag", "-a", "-m", "mine", "local-tag")
    git(work, "branch", "local-branch")
    remote.push_as_colleague({"x": b"x"})

    commit = publish(work)

    assert remote.head() == commit
    assert git(remote.bare, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.parametrize("path", [f"./{MANIFEST}", "addin//manifest.xml"])
def test_a_commit_that_would_not_change_what_it_should_is_refused(
    remote: Remote, path: str
) -> None:
    """git ignores such a path without an error, and the commit would be empty."""
    work = remote.checkout()

    with pytest.raises(DeployError, match="would change nothing, but must change"):
        publish(work, {path: NEW})

    assert remote.head() == git(work, "rev-parse", "HEAD")


def test_an_unchanged_file_makes_no_commit(remote: Remote) -> None:
    with pytest.raises(DeployError, match="would change nothing"):
        publish(remote.checkout(), {MANIFEST: FIRST_MANIFEST})


def test_head_names_commit_and_branch(remote: Remote) -> None:
    work = remote.checkout()
    here = adapter(work)

    assert here.head() == Head(commit=remote.head(), branch="main")
    git(work, "checkout", "--quiet", "--detach")
    assert here.head() == Head(commit=remote.head(), branch=None)
    assert set(here.tracked_paths()) == {MANIFEST, "README.md", "src/app.py"}
