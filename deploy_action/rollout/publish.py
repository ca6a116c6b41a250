"""The publishers of the version commit. None of them forces a push or merges text."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deploy_action.adapters.git import Git, Identity, TreeFile
from deploy_action.adapters.github_api import (
    GitHub,
    GitHubError,
    ProtectedError,
    PullRequest,
    StaleError,
)
from deploy_action.errors import PreflightError
from deploy_action.runtime.polling import backoff, now_utc, pause

TRIES = 20
TOPIC_PREFIX = "deploy-action/version-"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0
_NOTHING_LEFT = "the branch already has this version or a higher one"
# Receives the file as the branch has it; returns its new content, or None if nothing is left to do.
Update = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """Location of the published version commit.

    Args:
        commit: its id; empty if there was nothing to publish.
        where: its description for messages.
        pull_request: URL of its pull request; empty if it is on the branch.
    """

    commit: str
    where: str
    pull_request: str = ""


class Publisher(Protocol):
    """Brings the version commit to the branch."""

    def check(self, branch: str) -> str:
        """Check before the build whether publishing will work; return how it will be done.

        Raises:
            PreflightError: it will not work.
        """
        ...

    def read(self, commit: str) -> bytes | None:
        """Return the file as a commit has it, or None; raises `DeployError`."""
        ...

    def pending(self, branch: str) -> list[PullRequest]:
        """Return the open pull requests with a version commit, newest first."""
        ...

    def publish(self, branch: str, update: Update, message: str) -> PublishResult:
        """Publish one commit that changes exactly one file; raises `DeployError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GitPublisher:
    """Pushes with git from the checkout.

    Args:
        git: the checkout.
        path: the file, relative to the repository.
        author: the commit's author.
    """

    git: Git
    path: str
    author: Identity

    def check(self, branch: str) -> str:
        """See `Publisher.check`."""
        if refused := self.git.dry_push(branch):
            raise PreflightError(
                f"The version commit could not be pushed: {refused.message}",
                hint=refused.hint or "Grant the job contents: write, or set commit to none.",
            )
        return f"push to {branch}"

    def read(self, commit: str) -> bytes | None:
        """See `Publisher.read`."""
        return self.git.file_of(commit, self.path)

    def pending(self, branch: str) -> list[PullRequest]:
        """See `Publisher.pending`; a plain git remote has no pull requests."""
        del branch
        return []

    def publish(self, branch: str, update: Update, message: str) -> PublishResult:
        """See `Publisher.publish`."""

        def remake(tip: str, files: Mapping[str, TreeFile | None]) -> str | None:
            theirs = files[self.path]
            after = update(theirs.content) if theirs else None
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

        base = self.git.head().commit
        first = remake(base, {self.path: self.git.file_at(base, self.path)})
        if first is None:
            return PublishResult(commit="", where=_NOTHING_LEFT)
        done = self.git.publish(first, branch, paths=[self.path], remake=remake, wait=pause)
        if done.commit is None:
            return PublishResult(commit="", where=_NOTHING_LEFT)
        self.git.advance_local(done.commit, [self.path])
        again = f", after {done.tries} tries" if done.tries > 1 else ""
        where = f"pushed {done.commit[:10]} to {branch}{again}"
        return PublishResult(commit=done.commit, where=where)


@dataclass(slots=True, kw_only=True)
class ApiPublisher:
    """Commits with GitHub's API: signed, by compare-and-swap, as a pull request where required.

    Args:
        github: the repository.
        path: the file, relative to the repository.
        topic: the branch of a pull request; begins with `TOPIC_PREFIX`.
        pull: whether to open a pull request in any case.
    """

    github: GitHub
    path: str
    topic: str
    pull: bool
    _required: bool = field(default=False, init=False)

    def check(self, branch: str) -> str:
        """See `Publisher.check`."""
        try:
            may_write = self.github.may_write()
            self.github.head(branch)  # fails if there is no such branch
            self._required = self.github.by_pull_only(branch)
        except GitHubError as error:
            raise PreflightError(
                f"The version commit could not be created: {error.message}", hint=error.hint
            ) from None
        if not may_write:
            raise PreflightError(
                "The version commit could not be created: the token has no write access to the "
                "repository.",
                hint="Grant the job contents: write, or set commit to none.",
            )
        if self.pull or self._required:
            return f"pull request to {branch}" + (", as its rules require" * self._required)
        return f"commit to {branch} with GitHub's API"

    def read(self, commit: str) -> bytes | None:
        """See `Publisher.read`."""
        return self.github.file(self.path, commit)

    def pending(self, branch: str) -> list[PullRequest]:
        """See `Publisher.pending`; none if the API does not list them."""
        try:
            pulls = self.github.open_pulls(branch)
        except GitHubError:
            return []
        return [pull for pull in pulls if pull.branch.startswith(TOPIC_PREFIX)]

    def publish(self, branch: str, update: Update, message: str) -> PublishResult:
        """See `Publisher.publish`."""
        pauses = backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        by_pull = self.pull or self._required
        for number in range(1, TRIES + 1):
            head = self.github.head(branch)
            theirs = self.github.file(self.path, head)
            after = update(theirs) if theirs is not None else None
            if after is None:
                return PublishResult(commit="", where=_NOTHING_LEFT)
            files = {self.path: after}
            try:
                if by_pull:
                    return self._open_pull_request(branch, head, files, message)
                commit = self._commit(branch, head, files, message)
            except StaleError:
                if number == TRIES:
                    raise
                # A random pause: runs that collided must not retry at the same time.
                pause(random.uniform(0, next(pauses)))  # noqa: S311  jitter, not a secret
            except ProtectedError:
                if by_pull:
                    raise
                by_pull = True
            else:
                again = f", after {number} tries" if number > 1 else ""
                where = f"committed {commit[:10]} to {branch}{again}"
                return PublishResult(commit=commit, where=where)
        raise AssertionError("the last try raises")

    def _open_pull_request(
        self, branch: str, head: str, files: Mapping[str, bytes], message: str
    ) -> PublishResult:
        title, _, body = message.partition("\n\n")
        self.github.create_branch(self.topic, head)
        commit = self._commit(self.topic, head, files, message)
        page = self.github.open_pull(title, self.topic, branch, body)
        where = f"opened pull request {page} with version commit {commit[:10]}"
        return PublishResult(commit=commit, where=where, pull_request=page)

    def _commit(self, branch: str, head: str, files: Mapping[str, bytes], message: str) -> str:
        """Commit, and check that the commit has exactly these bytes."""
        commit = self.github.commit(branch, head, files, message)
        for path, content in files.items():
            if self.github.file(path, commit) != content:
                raise GitHubError(
                    f"Commit {commit[:10]} on {branch} does not contain the new '{path}'.",
                    hint="Check the path in the repository, and commit the version manually.",
                )
        return commit


@dataclass(slots=True, kw_only=True)
class FallbackPublisher:
    """Uses the first publisher, or the second if the first is not available."""

    first: Publisher
    second: Publisher
    _chosen: Publisher | None = field(default=None, init=False)

    def check(self, branch: str) -> str:
        """See `Publisher.check`."""
        try:
            how = self.first.check(branch)
        except PreflightError as error:
            self._chosen = self.second
            why = f"{error.message[:1].lower()}{error.message[1:]}"
            return f"{self.second.check(branch)}, because {why}"
        self._chosen = self.first
        return how

    def read(self, commit: str) -> bytes | None:
        """See `Publisher.read`."""
        return self._publisher().read(commit)

    def pending(self, branch: str) -> list[PullRequest]:
        """See `Publisher.pending`."""
        return [*self.first.pending(branch), *self.second.pending(branch)]

    def publish(self, branch: str, update: Update, message: str) -> PublishResult:
        """See `Publisher.publish`."""
        return self._publisher(branch).publish(branch, update, message)

    def _publisher(self, branch: str = "") -> Publisher:
        if self._chosen is None and branch:
            self.check(branch)
        return self._chosen or self.first
