"""Whether the add-in changed since the served build, and which part of the version to bump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from deploy_action.adapters.git import Git
from deploy_action.core.manifest import edit
from deploy_action.core.manifest.impact import version_impact
from deploy_action.core.manifest.rules import Rules
from deploy_action.core.manifest.version import Part, Version
from deploy_action.core.path_filter import PathFilter
from deploy_action.errors import DeployError, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The result of a comparison.

    Args:
        any: whether the add-in changed; true if unknown.
        why: the reason, for the log.
        part: the part of the version that the manifest's change requires; None for the last.
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
        patterns: filters of the files that count; without any, the manifest's folder counts.
        below: the folder that they are relative to; empty for the repository's root.
        rules: how a bump treats URLs.
        pushed_from: returns the commit that the branch was at before the push, or nothing.
    """

    git: Git
    path: str
    patterns: Sequence[str]
    below: str
    rules: Rules
    pushed_from: Callable[[], str]

    def changes_since(self, served: str) -> Change:
        """Compare with the served build, else the last version commit, else the push's base.

        Args:
            served: the commit that the serving revision was built from; empty if unknown.
        """
        try:
            head = self.git.head().commit
            last = "" if served else self.git.last_version_commit(self.path)
        except DeployError as error:
            return Change(
                any=True, why=f"unknown ({error.message}), assuming that the add-in changed"
            )
        for base, what in (
            (served, "the deployed commit"),
            (last, "the last version commit"),
            (self.pushed_from(), "the branch before the push"),
        ):
            paths = self.git.changed_paths(base, head) if base else None
            if paths is not None:
                return self._judged(base, head, paths, f"{what} ({base[:10]})")
        return Change(
            any=True,
            why="unknown (no earlier deployment recorded), assuming that the add-in changed",
        )

    def unmatched_patterns(self) -> tuple[str, ...]:
        """Return the patterns that match no file of the checkout."""
        if not self.patterns:
            return ()
        return PathFilter(self.patterns, below=self.below).unmatched(self.git.tracked_paths())

    def _judged(self, base: str, head: str, paths: frozenset[str], since: str) -> Change:
        counts = self._filter()
        changed = sorted(path for path in paths if counts(path))
        part = None
        if self.path in paths:
            only_version, part = self._compare_manifests(base, head)
            if only_version and self.path in changed:
                changed.remove(self.path)
        if not changed:
            return Change(any=False, why=f"none since {since}")
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return Change(any=True, why=f"{changed[0]}{more} since {since}", part=part)

    def _filter(self) -> Callable[[str], bool]:
        if self.patterns:
            return PathFilter(self.patterns, below=self.below).matches
        folder = PurePosixPath(self.path).parent
        return lambda path: folder in PurePosixPath(path).parents

    def _compare_manifests(self, base: str, head: str) -> tuple[bool, Part | None]:
        """Return whether a bump explains the whole difference, and else its version impact."""
        old, new = (self.git.file_at(commit, self.path) for commit in (base, head))
        if old is None or new is None:
            return False, None
        try:
            version = edit.read(new.content, file=self.path).version
            if self._bumped(old.content, version) == new.content:
                return True, None
            return False, version_impact(old.content, new.content, file=self.path)
        except InputError:
            return False, None

    def _bumped(self, content: bytes, version: Version) -> bytes:
        return edit.plan(content, file=self.path, target=version, rules=self.rules).after
