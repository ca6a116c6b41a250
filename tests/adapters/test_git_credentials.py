"""The token is sent to the remote only, and only in the call that needs it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy_action.adapters.git import Git, Refusal
from tests.support.bad_server import Connection, bad_server
from tests.support.git_over_http import Host, served
from tests.support.repositories import MANIFEST, Remote, environment, git, state

TOKEN = "ghs_given/to+us"
WHEN = 1_767_225_600.0


def header(token: str) -> str:
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


@dataclass(frozen=True)
class RecordedGit:
    """A ``git`` that records the arguments of every call before it runs the real one."""

    folder: Path

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text("utf-8").splitlines()


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedGit:
    folder = tmp_path / "recorded-git"
    folder.mkdir()
    script = f'#!/bin/sh\necho "git $*" >> \'{folder}/calls\'\nexec {shutil.which("git")} "$@"\n'
    (folder / "git").write_text(script, "utf-8")
    (folder / "git").chmod(0o755)
    return RecordedGit(folder)


@pytest.fixture
def host(remote: Remote) -> Iterator[Host]:
    with served(remote.folder) as host:
        yield host


def publish(work: Path, *, token: str = "", path: str = "") -> str:
    variables = environment(work.parent / "home-of-the-run")
    here = Git(work, token=token, environment={**variables, "PATH": f"{path}:{variables['PATH']}"})
    new = here.commit_files(here.observe().head, {MANIFEST: b"new\n"}, message="m", when=WHEN)
    done = here.publish(new, "main", paths=[], remake=lambda *_: None, wait=lambda _: None)
    assert done.commit == new
    return new


def test_it_publishes_where_the_checkout_kept_no_credentials(remote: Remote, host: Host) -> None:
    """`persist-credentials: false`: nothing about the token is left behind either."""
    work = remote.checkout()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    host.accepted = header(TOKEN)
    before = state(work)

    commit = publish(work, token=TOKEN)

    assert remote.head() == commit
    assert set(host.seen) == {header(TOKEN)}
    assert state(work) == before


@pytest.mark.parametrize("scope", ["/", "/remote.git", ""])
def test_the_given_token_overrides_the_checkouts_token(
    remote: Remote, host: Host, scope: str
) -> None:
    work = remote.checkout()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    key = f"http.{host.url}{scope}.extraheader" if scope else "http.extraheader"
    git(work, "config", key, f"AUTHORIZATION: {header('persisted')}")
    host.accepted = header(TOKEN)

    commit = publish(work, token=TOKEN)

    assert remote.head() == commit
    assert set(host.seen) == {header(TOKEN)}


def test_without_a_token_the_checkouts_own_credentials_are_used(remote: Remote, host: Host) -> None:
    work = remote.checkout()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    git(work, "config", f"http.{host.url}/.extraheader", f"AUTHORIZATION: {header('persisted')}")
    host.accepted = header("persisted")

    commit = publish(work)

    assert remote.head() == commit
    assert set(host.seen) == {header("persisted")}


def test_credentials_in_the_address_work_and_are_in_no_argument(
    remote: Remote, host: Host, recorded: RecordedGit
) -> None:
    work = remote.checkout()
    address = host.url.replace("://", "://x-access-token:in-the-address@")
    git(work, "remote", "set-url", "origin", f"{address}/remote.git")
    host.accepted = header("in-the-address")

    commit = publish(work, path=str(recorded.folder))

    assert remote.head() == commit
    assert "in-the-address" not in "\n".join(recorded.calls)
    assert any(call.startswith("git push") for call in recorded.calls)


def test_the_token_input_overrides_credentials_in_the_address(
    remote: Remote, host: Host, recorded: RecordedGit
) -> None:
    work = remote.checkout()
    address = host.url.replace("://", "://somebody:else@")
    git(work, "remote", "set-url", "origin", f"{address}/remote.git")
    host.accepted = header(TOKEN)

    commit = publish(work, token=TOKEN, path=str(recorded.folder))

    assert remote.head() == commit
    assert set(host.seen) == {header(TOKEN)}
    for secret in ("somebody:else", TOKEN, header(TOKEN)):
        assert secret not in "\n".join(recorded.calls)


def test_the_token_is_not_sent_unencrypted_over_the_network(remote: Remote) -> None:
    """Only to https, or to this machine."""
    work = remote.checkout()
    for url, shown in [
        ("https://example.com/o/r", True),
        ("http://example.com/o/r", False),
        ("http://localhost:1234/o/r", True),
        ("ssh://git@example.com/o/r", False),
        ("git@example.com:o/r", False),
        (remote.url, False),
    ]:
        here = Git(work, token=TOKEN, environment=environment(work.parent / "home"))
        assert bool(here._git.credentials(url)) is shown, url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://github.com/o/r", True),
        ("https://github.com:443/o/r", True),
        ("https://github.com.collector.example/o/r", False),
        ("https://collector.example/o/r", False),
        ("https://github.com:8443/o/r", False),
    ],
)
def test_githubs_token_goes_to_githubs_server_whatever_the_remote_is(
    remote: Remote, url: str, shown: bool
) -> None:
    work = remote.checkout()
    variables = environment(work.parent / "home") | {"GITHUB_SERVER_URL": "https://github.com"}
    here = Git(work, token=TOKEN, environment=variables)

    assert bool(here._git.credentials(url)) is shown


@pytest.mark.parametrize(
    ("accepted", "may_write", "token"),
    [(header("another"), True, TOKEN), (header(TOKEN), False, TOKEN), (header(TOKEN), True, "")],
    ids=["wrong token", "read only", "no token"],
)
def test_a_missing_push_permission_is_reported_before_the_build(
    remote: Remote, host: Host, accepted: str, may_write: bool, token: str
) -> None:
    work = remote.checkout()
    git(work, "remote", "set-url", "origin", f"{host.url}/remote.git")
    host.accepted, host.may_write = accepted, may_write
    here = Git(work, token=token, environment=environment(work.parent / "home"))

    refused = here.dry_push("main")

    assert refused is not None
    assert refused.refusal is Refusal.FORBIDDEN
    assert refused.message.startswith(
        "The git remote does not allow these credentials to push to 'main': "
    )
    assert "contents: write" in refused.hint
    assert TOKEN not in str(refused)


def test_x1_a_redirect_is_not_followed_with_the_token(remote: Remote) -> None:
    """The git server answers with the address of another one, which must see nothing."""
    with bad_server({}) as other:
        target = f"{other.url}/taken/info/refs?service=git-receive-pack"

        def redirect(connection: Connection) -> None:
            connection.send(
                b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % target.encode()
            )

        with bad_server({"/repo/info/refs": redirect}) as first:
            work = remote.clone("work")
            git(work, "remote", "set-url", "origin", f"{first.url}/repo")
            here = Git(work, token=TOKEN, environment=environment(work.parent / "home"))
            refused = here.dry_push("main")

        assert refused is not None
        assert header(TOKEN).encode() in b"".join(first.requests)
        assert other.requests == []
