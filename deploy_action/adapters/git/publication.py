"""The loop that brings one commit onto a branch that others push to as well."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from deploy_action.adapters.git import objects
from deploy_action.adapters.git.command import Command
from deploy_action.adapters.git.errors import PublishError, Refusal
from deploy_action.adapters.git.remote import Remote
from deploy_action.adapters.git.values import Published, TreeFile
from deploy_action.runtime.polling import backoff

# Each lost round was won by somebody else, so this many rivals at once are outlasted for certain.
TRIES = 20
# A remote that is not there is not waited for as long.
UNREACHABLE_TRIES = 4
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 3.0

Remake = Callable[[str, Mapping[str, TreeFile | None]], str | None]


class Publication:
    """One commit on its way; see `Git.publish` for the arguments."""

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
        """Push, and while the branch moves look again and push again.

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
            # Anywhere up to the pause: rivals that lost the same round must not meet again.
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
        """Look where the branch is; return what is to be pushed, None if nothing is any more."""
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
        """Whether an earlier push arrived after all: a broken connection says nothing about it."""
        if tip == commit:
            return True
        return self._unreachable > 0 and self._remote.contains(tip, commit, self._branch)
