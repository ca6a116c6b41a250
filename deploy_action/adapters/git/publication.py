"""The retry loop that publishes one commit to a branch that others push to, too."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from deploy_action.adapters.git import objects
from deploy_action.adapters.git.command import Command
from deploy_action.adapters.git.errors import PublishError, Refusal
from deploy_action.adapters.git.remote import Remote
from deploy_action.adapters.git.values import Published, TreeFile
from deploy_action.runtime.polling import backoff

# Each lost round was won by another run, so up to this many concurrent runs all succeed.
TRIES = 20
# Fewer tries for a remote that does not answer.
UNREACHABLE_TRIES = 4
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 3.0

Remake = Callable[[str, Mapping[str, TreeFile | None]], str | None]


class Publication:
    """One publication; see `Git.publish` for the arguments."""

    def __init__(
        self,
        git: Command,
        remote: Remote,
        commit: str,
        branch: str,
        *,
        paths: Sequence[str],
        remake: Remake,
    ) -> None:
        self._git = git
        self._remote = remote
        self._branch = branch
        self._paths = paths
        self._remake = remake
        self._commit: str | None = commit
        self._base = objects.parent(git, commit)
        self._unreachable = 0

    def run(self, wait: Callable[[float], None], tries: int) -> Published:
        """Push; if the branch has moved, make the commit again and push again.

        Raises:
            PublishError: why it is not on the branch.
        """
        pauses = backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        number = 1
        while (refused := self._try(first=number == 1)) is not None:
            self._unreachable += refused.refusal is Refusal.UNREACHABLE
            again = refused.refusal in {Refusal.MOVED, Refusal.UNREACHABLE}
            if not again or number >= tries or self._unreachable >= UNREACHABLE_TRIES:
                raise refused
            # A random pause: runs that collided must not retry at the same time.
            wait(random.uniform(0, next(pauses)))  # noqa: S311  jitter, not a secret
            number += 1
        return Published(commit=self._commit, base=self._base, tries=number)

    def _try(self, *, first: bool) -> PublishError | None:
        try:
            commit = self._commit if first else self._on_the_tip()
            if commit:
                self._remote.push(commit, self._base, self._branch)
        except PublishError as refused:
            return refused
        return None

    def _on_the_tip(self) -> str | None:
        """Return the commit to push on the branch's current tip; None if nothing is left."""
        tip = self._remote.tip(self._branch)
        if tip == self._base:
            return self._commit
        if self._commit and self._is_there(tip, self._commit):
            return None
        self._remote.obtain(tip, branch=self._branch)
        files = {path: objects.file_at(self._git, self._remote, tip, path) for path in self._paths}
        self._commit = self._remake(tip, files)
        self._base = tip
        return self._commit

    def _is_there(self, tip: str, commit: str) -> bool:
        """Whether an earlier push succeeded although its connection broke."""
        if tip == commit:
            return True
        return self._unreachable > 0 and self._remote.contains(tip, commit, self._branch)
