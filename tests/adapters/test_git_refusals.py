"""Errors of refused pushes with their hints, and pushes whose response is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.adapters.git import Git, Published, PublishError, Refusal
from deploy_action.errors import InputError
from tests.support.git_over_http import Host, served
from tests.support.repositories import MANIFEST, Remote, environment, git

WHEN = 1_767_225_600.0


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


@pytest.fixture
def host(remote: Remote) -> Iterator[Host]:
    with served(remote.folder) as host:
        yield host


def adapter(work: Path) -> Git:
    return Git(work, environment=environment(work.parent / "home-of-the-run"))


def publish(work: Path, pauses: list[float] | None = None) -> Published:
    here = adapter(work)
    head = here.observe().head

    def make(base: str, _files: object) -> str:
        return here.commit_files(base, {MANIFEST: b"new\n"}, message="m\n\nRun: 1", when=WHEN)

    wait = (lambda _: None) if pauses is None else pauses.append
    return here.publish(make(head, {}), "main", paths=[MANIFEST], remake=make, wait=wait)


def hook(remote: Remote, name: str, *output: str) -> None:
    lines = "".join(f"echo '{line}' >&2\n" for line in output)
    file = remote.bare / "hooks" / name
    file.write_text(f"#!/bin/sh\n{lines}exit 1\n")
    file.chmod(0o755)


GH006 = ("error: GH006: Protected branch update failed for refs/heads/main.", "error: Required.")
GH013 = ("error: GH013: Repository rule violations found for refs/heads/main.", "Review required.")


@pytest.mark.parametrize(
    ("name", "output", "refusal", "words"),
    [
        ("pre-receive", GH006, Refusal.PROTECTED, "is protected against this push: error: GH006"),
        ("update", GH013, Refusal.PROTECTED, "is protected against this push: error: GH013"),
        ("update", ("No ticket.",), Refusal.HOOK, "A hook of the git remote refused"),
        ("pre-receive", ("No ticket.",), Refusal.HOOK, "the push to 'main': No ticket."),
    ],
)
def test_a_refused_push_is_not_retried(
    remote: Remote, name: str, output: tuple[str, ...], refusal: Refusal, words: str
) -> None:
    before, pauses = remote.head(), list[float]()
    work = remote.checkout()
    hook(remote, name, *output)

    with pytest.raises(PublishError) as caught:
        publish(work, pauses)

    assert caught.value.refusal is refusal
    assert words in caught.value.message
    assert caught.value.hint
    assert (remote.head(), pauses) == (before, [])


def test_protection_does_not_show_in_a_dry_push(remote: Remote) -> None:
    """Documents a limit: a dry push does not run the server's rules."""
    work = remote.checkout()
    hook(remote, "pre-receive", *GH006)

    assert adapter(work).dry_push("main") is None


def test_a_dry_push_passes_behind_a_moved_branch_and_pushes_nothing(remote: Remote) -> None:
    work = remote.checkout()
    git(work, "commit", "--quiet", "--allow-empty", "-m", "mine")
    assert adapter(work).dry_push("main") is None

    theirs = remote.push_as_colleague({"x": b"x"})
    assert adapter(work).dry_push("main") is None
    assert remote.head() == theirs


def test_a_missing_branch_is_reported_before_the_build(remote: Remote) -> None:
    refused = adapter(remote.checkout()).dry_push("no-such-branch")

    assert refused is not None
    assert refused.refusal is Refusal.MISSING
    assert refused.message == "The git remote has no branch 'no-such-branch'."


def test_an_invalid_branch_name_is_refused(remote: Remote) -> None:
    for name in ("", "a b", "main:other", "*", "../x", "-x..y"):
        with pytest.raises(InputError, match="is not a valid name of a git branch"):
            adapter(remote.checkout(f"work-{len(name)}{name[:1].isalpha()}")).dry_push(name)


@pytest.mark.parametrize("url", ["{folder}/gone.git", "http://127.0.0.1:9/r.git"])
def test_an_unreachable_remote_is_tried_a_few_times(remote: Remote, url: str) -> None:
    work, pauses = remote.checkout(), list[float]()
    git(work, "remote", "set-url", "origin", url.format(folder=remote.folder))

    refused = adapter(work).dry_push("main")
    with pytest.raises(PublishError, match=r"^The git remote of 'main' cannot be reached: ") as e:
        publish(work, pauses)

    assert refused is not None
    assert {refused.refusal, e.value.refusal} == {Refusal.UNREACHABLE}
    assert len(pauses) == 3


def test_a_checkout_without_a_remote_says_so(remote: Remote) -> None:
    work = remote.checkout()
    git(work, "remote", "remove", "origin")

    refused = adapter(work).dry_push("main")

    assert refused is not None
    assert refused.message == (
        "The git remote of 'main' cannot be reached: the checkout has no remote."
    )


def test_a_busy_host_is_tried_again(remote: Remote, host: Host) -> None:
    work, pauses = remote.checkout(), list[float]()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    host.busy = 2

    done = publish(work, pauses)

    assert remote.head() == done.commit
    assert 1 <= len(pauses) <= 2


def test_a_push_with_a_lost_response_is_not_repeated(remote: Remote, host: Host) -> None:
    work, before = remote.checkout(), remote.commits()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    host.break_off = 1

    done = publish(work)

    assert remote.commits() == [*before, done.commit]


@pytest.mark.parametrize("shallow", [True, False])
def test_a_push_with_a_lost_response_is_found_below_later_commits(
    remote: Remote, host: Host, shallow: bool
) -> None:
    work, before = remote.checkout() if shallow else remote.clone("work"), remote.commits()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    host.break_off = 1
    here = adapter(work)

    def meanwhile(_: float) -> None:
        remote.push_as_colleague({"x": b"x"})
        remote.push_as_colleague({"y": b"y"})

    mine = here.commit_files(before[-1], {MANIFEST: b"new\n"}, message="m", when=WHEN)

    done = here.publish(
        mine,
        "main",
        paths=[MANIFEST],
        remake=lambda *_: pytest.fail("it is there already"),
        wait=meanwhile,
    )

    assert done.commit == mine
    assert remote.commits()[:-2] == [*before, mine]
