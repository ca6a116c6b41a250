"""The ways in which the version commit reaches the branch. None forces, none merges text."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deploy_action.adapters.git import Git, Identity, TreeFile
from deploy_action.adapters.github_api import GitHub, GitHubError, ProtectedError, StaleError
from deploy_action.errors import PreflightError
from deploy_action.runtime.polling import backoff, now_utc, pause

TRIES = 20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0
# Is given the file as the branch has it; returns it renewed, or None where nothing is left to do.
Renew = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Where the commit is: its id, empty where there was nothing to do, and that in words."""

    commit: str
    where: str


class Way(Protocol):
    """One way."""

    def check(self, branch: str) -> str:
        """Find out before anything is built whether it will work; say how it goes.

        Raises:
            PreflightError: it will not.
        """
        ...

    def read(self, commit: str) -> bytes | None:
        """Return the file as a commit has it, or None; raises `DeployError`."""
        ...

    def publish(self, branch: str, renew: Renew, message: str) -> Arrived:
        """Bring one commit with exactly one file to the branch; raises `DeployError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPush:
    """With git, from the checkout.

    Args:
        git: the checkout.
        path: of the file.
        author: who the commit is by.
    """

    git: Git
    path: str
    author: Identity

    def check(self, branch: str) -> str:
        """See `Way.check`."""
        if refused := self.git.dry_push(branch):
            raise PreflightError(
                f"The version commit could not be pushed: {refused.message}",
                hint=refused.hint or "Give the job contents: write, or set commit to none.",
            )
        return f"pushed to {branch}"

    def read(self, commit: str) -> bytes | None:
        """See `Way.read`."""
        return self.git.file_of(commit, self.path)

    def publish(self, branch: str, renew: Renew, message: str) -> Arrived:
        """See `Way.publish`."""

        def remake(tip: str, files: Mapping[str, TreeFile | None]) -> str | None:
            theirs = files[self.path]
            after = renew(theirs.content) if theirs else None
            if after is None:
                return None
            return self.git.commit_files(
                tip,
                {self.path: after},
                message=message,
                when=now_utc(),
                author=self.author,
                committer=self.author,
            )

        base = self.git.observe().head
        first = remake(base, {self.path: self.git.file_at(base, self.path)})
        if first is None:
            return Arrived(commit="", where="the branch names a higher version already")
        done = self.git.publish(first, branch, paths=[self.path], remake=remake, wait=pause)
        if done.commit is None:
            return Arrived(commit="", where="the branch names a higher version already")
        self.git.advance_local(done.commit, [self.path])
        where = f"{done.commit[:10]} is on {branch}, tries {done.tries}"
        return Arrived(commit=done.commit, where=where)


@dataclass(slots=True, kw_only=True)
class ByApi:
    """With GitHub's API: signed, by compare-and-swap; by pull request where the branch asks for it.

    Args:
        github: the repository.
        path: of the file.
        topic: the branch that a pull request comes from.
        pull: whether a pull request is made in any case.
    """

    github: GitHub
    path: str
    topic: str
    pull: bool
    _by_rule: bool = field(default=False, init=False)

    def check(self, branch: str) -> str:
        """See `Way.check`."""
        try:
            may_write = self.github.may_write()
            self.github.head(branch)  # is it there at all?
            self._by_rule = self.github.by_pull_only(branch)
        except GitHubError as error:
            raise PreflightError(
                f"The version commit could not be made: {error.message}", hint=error.hint
            ) from None
        if not may_write:
            raise PreflightError(
                "The version commit could not be made: the token may not write to the repository.",
                hint="Give the job contents: write, or set commit to none.",
            )
        if self.pull or self._by_rule:
            return f"by pull request to {branch}" + (", which its rules ask for" * self._by_rule)
        return f"committed to {branch} with GitHub's API"

    def read(self, commit: str) -> bytes | None:
        """See `Way.read`."""
        return self.github.file(self.path, commit)

    def publish(self, branch: str, renew: Renew, message: str) -> Arrived:
        """See `Way.publish`."""
        pauses = backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        by_pull = self.pull or self._by_rule
        for number in range(1, TRIES + 1):
            head = self.github.head(branch)
            theirs = self.github.file(self.path, head)
            after = renew(theirs) if theirs is not None else None
            if after is None:
                return Arrived(commit="", where="the branch names a higher version already")
            files = {self.path: after}
            try:
                if by_pull:
                    return self._by_pull(branch, head, files, message)
                commit = self.github.commit(branch, head, files, message)
            except StaleError:
                if number == TRIES:
                    raise
                # Anywhere up to the pause: rivals that lost the same round must not meet again.
                pause(random.uniform(0, next(pauses)))  # noqa: S311  jitter, not a secret
            except ProtectedError:
                if by_pull:
                    raise
                by_pull = True
            else:
                return Arrived(commit=commit, where=f"{commit[:10]} is on {branch}, tries {number}")
        raise AssertionError("the last try has raised")

    def _by_pull(self, branch: str, head: str, files: Mapping[str, bytes], message: str) -> Arrived:
        title, _, body = message.partition("\n\n")
        self.github.create_branch(self.topic, head)
        commit = self.github.commit(self.topic, head, files, message)
        page = self.github.open_pull(title, self.topic, branch, body)
        return Arrived(commit=commit, where=f"{commit[:10]} waits in {page}")


@dataclass(slots=True, kw_only=True)
class FirstThatWorks:
    """The first way, or where it is not to be had, such as without GitHub's API, the second."""

    first: Way
    second: Way
    _chosen: Way | None = field(default=None, init=False)

    def check(self, branch: str) -> str:
        """See `Way.check`."""
        try:
            said = self.first.check(branch)
        except PreflightError as error:
            self._chosen = self.second
            return f"{self.second.check(branch)}, as {error.message[:1].lower()}{error.message[1:]}"
        self._chosen = self.first
        return said

    def read(self, commit: str) -> bytes | None:
        """See `Way.read`."""
        return self._way().read(commit)

    def publish(self, branch: str, renew: Renew, message: str) -> Arrived:
        """See `Way.publish`."""
        return self._way(branch).publish(branch, renew, message)

    def _way(self, branch: str = "") -> Way:
        if self._chosen is None and branch:
            self.check(branch)
        return self._chosen or self.first
