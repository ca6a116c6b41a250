"""The values that git's adapter returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The author or committer of a commit."""

    name: str
    email: str


# Under this address github.com shows its workflow bot (user id 41898282).
BOT = Identity(
    name="github-actions[bot]", email="41898282+github-actions[bot]@users.noreply.github.com"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """A file of a commit: its exact bytes as stored, before any line-ending conversion."""

    path: str
    mode: str
    blob: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The commit that is checked out, full id, and the local branch; None if it is detached."""

    commit: str
    branch: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The state of the workspace.

    Args:
        root: the repository's folder.
        head: the commit that is checked out, full id.
        branch: the local branch; None when the head is detached.
        shallow: whether the history is incomplete.
        dirty: tracked paths that differ from the head, staged or not.
        blobs: for each requested path its blob at the head, or None.
    """

    root: Path
    head: str
    branch: str | None
    shallow: bool
    dirty: frozenset[str]
    blobs: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The result of a publication.

    Args:
        commit: what is on the branch now; None if there was nothing left to publish.
        base: its parent commit.
        tries: how many pushes it took.
    """

    commit: str | None
    base: str
    tries: int
