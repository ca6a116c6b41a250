"""Publishing the version commit to a branch that others push to as well."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy_action.adapters.git import Git, Published, PublishError, Refusal, TreeFile
from tests.support.repositories import MANIFEST, Remote, environment, git, state

WHEN = 1_767_225_600.0


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


def bumped(content: bytes) -> bytes:
    """Raise the third number of the version by one."""
    return re.sub(rb"(\d+)(\.\d+</V)", lambda m: b"%d%s" % (int(m[1]) + 1, m[2]), content)


class Run:
    """A run of the action: it bumps the manifest of its checkout and publishes that."""

    def __init__(self, workspace: Path, run_id: str = "1.1", **environ: str) -> None:
        home = workspace.parent / "home-of-the-run"
        self.git = Git(workspace, environment={**environment(home), **environ})
        self.message = f"Version\n\nRun-Id: {run_id}\n"
        self.pauses: list[float] = []
        self.seen: list[str] = []

    def bump(self, base: str, files: Mapping[str, TreeFile | None]) -> str | None:
        self.seen.append(base)
        manifest = files[MANIFEST]
        if manifest is None:
            return None
        return self.git.commit_files(
            base, {MANIFEST: bumped(manifest.content)}, message=self.message, when=WHEN
        )

    def commit(self) -> str:
        head = self.git.observe().head
        made = self.bump(head, {MANIFEST: self.git.file_at(head, MANIFEST)})
        self.seen.clear()
        assert made
        return made

    def publish(self, commit: str, branch: str = "main") -> Published:
        return self.git.publish(
            commit, branch, paths=[MANIFEST], remake=self.bump, wait=self.pauses.append
        )


def test_a_quiet_branch_gets_the_commit_at_the_first_try(remote: Remote) -> None:
    base, work = remote.head(), remote.checkout()
    run = Run(work)
    before = state(work)

    commit = run.commit()
    done = run.publish(commit)

    assert done == Published(commit=commit, base=base, tries=1)
    assert remote.head() == commit
    assert remote.changes(commit) == [MANIFEST]
    assert b"1.0.1.0" in remote.content(MANIFEST)
    assert state(work) == before


@pytest.mark.parametrize("shallow", [True, False])
def test_the_bump_is_planned_again_on_a_moved_branch(remote: Remote, shallow: bool) -> None:
    """Others changed the manifest itself: their change stays, with our version on top."""
    work = remote.checkout() if shallow else remote.clone("work")
    run = Run(work)
    commit = run.commit()
    theirs = remote.push_as_colleague(
        {MANIFEST: b"<OfficeApp><Version>1.0.7.0</Version>new</OfficeApp>\n", "z.txt": b"z"}
    )
    before = state(work)

    done = run.publish(commit)

    assert (done.tries, done.base) == (2, theirs)
    assert run.seen == [theirs]
    assert len(run.pauses) == 1
    assert remote.content(MANIFEST) == b"<OfficeApp><Version>1.0.8.0</Version>new</OfficeApp>\n"
    assert remote.content("z.txt") == b"z"
    assert remote.changes("main") == [MANIFEST]
    assert remote.commits()[-2:] == [theirs, done.commit]
    assert state(work) == before


def test_nothing_is_pushed_when_there_is_nothing_left_to_publish(remote: Remote) -> None:
    run = Run(remote.checkout())
    commit = run.commit()
    theirs = remote.push_as_colleague({MANIFEST: None})

    done = run.publish(commit)

    assert done == Published(commit=None, base=theirs, tries=2)
    assert remote.head() == theirs


def test_commits_removed_from_the_branch_are_not_restored(remote: Remote) -> None:
    """An ordinary push would fast-forward and restore the removed commits."""
    first, second = remote.commits()
    run = Run(remote.checkout())
    commit = run.commit()
    git(remote.bare, "update-ref", "refs/heads/main", first)

    done = run.publish(commit)

    assert done.base == first
    assert second not in remote.commits()
    assert remote.commits() == [first, done.commit]


def test_a_detached_head_publishes_to_the_given_branch(remote: Remote) -> None:
    git(remote.bare, "tag", "v1", "main~1")
    run = Run(remote.checkout(ref="refs/tags/v1"))
    tip = remote.head()

    done = run.publish(run.commit())

    assert done.base == tip
    assert remote.commits()[-2:] == [tip, done.commit]


def test_a_branch_that_is_gone_is_not_created(remote: Remote) -> None:
    git(remote.bare, "branch", "side", "main")
    run = Run(remote.checkout(ref="refs/heads/side"))
    commit = run.commit()
    git(remote.bare, "branch", "-D", "side")

    with pytest.raises(PublishError, match=r"^The git remote has no branch 'side'\.") as caught:
        run.publish(commit, "side")

    assert caught.value.refusal is Refusal.MISSING
    assert git(remote.bare, "branch", "--list", "side") == ""


@pytest.mark.slow
def test_twelve_runs_at_once_publish_twelve_commits(remote: Remote) -> None:
    """Others push files in between. No commit is lost, history is linear, versions are unique."""
    runs = {f"{n}.1": Run(remote.checkout(f"run-{n}"), run_id=f"{n}.1") for n in range(12)}
    before, results = remote.commits(), dict[str, Published]()
    start = threading.Barrier(len(runs) + 1)

    def go(run_id: str, run: Run) -> None:
        commit, clock = run.commit(), threading.Event()

        def wait(seconds: float) -> None:
            clock.wait(seconds)

        start.wait()
        results[run_id] = run.git.publish(
            commit, "main", paths=[MANIFEST], remake=run.bump, wait=wait
        )

    threads = [threading.Thread(target=go, args=item) for item in runs.items()]
    for thread in threads:
        thread.start()
    start.wait()
    hers = [push_with_retries(remote, f"notes/{n}.txt") for n in range(3)]
    for thread in threads:
        thread.join()

    ours = {result.commit for result in results.values() if result.commit}
    assert len(ours) == 12
    assert set(remote.commits()) == {*before, *ours, *hers}
    assert git(remote.bare, "rev-list", "--merges", "main") == ""
    trailers = git(remote.bare, "log", "--format=%(trailers:key=Run-Id,valueonly)", "main")
    assert sorted(trailers.split()) == sorted(runs)
    versions = [re.findall(rb"1\.0\.(\d+)\.0", remote.content(MANIFEST, at=c)) for c in ours]
    assert sorted(int(match[0]) for match in versions) == list(range(1, 13))


def push_with_retries(remote: Remote, path: str) -> str:
    """Push a file to a moving branch, with retries; return the commit."""
    while True:
        try:
            return remote.push_as_colleague({path: b"note"})
        except AssertionError:
            git(remote.alice, "reset", "--quiet", "--hard", "HEAD^")
