"""Did the add-in change since what serves was built? And how much does the change weigh?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from deploy_action.adapters.git import Git
from deploy_action.core.manifest import edit
from deploy_action.core.manifest.impact import version_impact
from deploy_action.core.manifest.rules import Rules
from deploy_action.core.manifest.version import Part, Version
from deploy_action.errors import DeployError, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was found.

    Args:
        any: whether the add-in changed; true where that cannot be known.
        why: the same in words.
        part: the part of the version that the manifest's change calls for; None for the last.
    """

    any: bool
    why: str
    part: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddIn:
    """The add-in's files.

    Args:
        git: the checkout.
        path: the manifest's path.
        patterns: globs of the files that count, relative to the repository; none take the
            manifest's folder.
        rules: how a bump treats addresses.
        pushed_from: returns the commit that the branch was at before the push, or nothing.
    """

    git: Git
    path: str
    patterns: Sequence[str]
    rules: Rules
    pushed_from: Callable[[], str]

    def since(self, served: str) -> Change:
        """Compare with what serves, else with our last commit, else with what was there before.

        Args:
            served: the commit that the serving revision was built from; empty where unknown.
        """
        try:
            head = self.git.observe().head
            own = "" if served else self.git.last_of_ours()
        except DeployError as error:
            return Change(any=True, why=f"not known: {error.message}")
        for base, what in (
            (served, "what serves"),
            (own, "the last version commit"),
            (self.pushed_from(), "the branch before the push"),
        ):
            if not base:
                continue
            paths = self.git.changed_paths(base, head)
            if paths is not None:
                return self._judged(base, head, paths, f"{what} ({base[:10]})")
        return Change(any=True, why="not known: there is nothing to compare with")

    def _judged(self, base: str, head: str, paths: frozenset[str], since: str) -> Change:
        found = sorted(path for path in paths if self._counts(path))
        part = None
        if self.path in paths:
            own, part = self._manifest(base, head)
            if own and self.path in found:
                found.remove(self.path)  # nothing but the version that we wrote there ourselves
        if not found:
            return Change(any=False, why=f"no file of the add-in differs from {since}")
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return Change(any=True, why=f"{found[0]}{more} differ from {since}", part=part)

    def _counts(self, path: str) -> bool:
        if self.patterns:
            return any(fnmatchcase(path, pattern) for pattern in self.patterns)
        folder = PurePosixPath(self.path).parent
        return folder in PurePosixPath(path).parents

    def _manifest(self, base: str, head: str) -> tuple[bool, Part | None]:
        """Return whether the manifest differs by its version alone, and what the rest weighs."""
        old, new = (self.git.file_at(commit, self.path) for commit in (base, head))
        if old is None or new is None:
            return False, None
        try:
            version = edit.read(new.content, file=self.path).version
            if self._raised(old.content, version) == new.content:
                return True, None
            return False, version_impact(old.content, new.content, file=self.path)
        except InputError:
            return False, None

    def _raised(self, content: bytes, version: Version) -> bytes:
        return edit.plan(content, file=self.path, target=version, rules=self.rules).after
