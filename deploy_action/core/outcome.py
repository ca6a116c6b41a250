"""The result of a run: what serves now, and what was attempted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deploy_action.core.traffic.split import FULL_TRAFFIC, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionInfo:
    """One revision and its origin; empty texts where nothing is known.

    Args:
        revision: full name of the revision.
        version: version of the add-in's manifest.
        commit: full id of the commit.
        image: image by digest.
        url: URL of the revision itself.
    """

    revision: str = ""
    version: str = ""
    commit: str = ""
    image: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """The name in messages: the version, else the revision's suffix."""
        return self.version or self.revision.partition("--")[2] or self.revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The state after a run, as last read from Azure.

    Args:
        serving: what holds the traffic, or most of it.
        attempted: what the run tried to deploy; empty if it deploys nothing.
        previous: what served before; empty unless the run changed it.
        split: the last split read from Azure; None if it was never read.
    """

    serving: RevisionInfo
    attempted: RevisionInfo
    previous: RevisionInfo
    split: Split | None

    @property
    def share(self) -> int:
        """The share of the traffic that *serving* holds, 0-100."""
        if self.split is None or not self.serving.revision:
            return 0
        weight = self.split.weight_of(self.serving.revision)
        return weight or (self.split.heaviest().weight if self.split.follows_latest else 0)


def outcome_of(before: RevisionInfo, attempted: RevisionInfo, split: Split | None) -> Outcome:
    """Return the outcome.

    Args:
        before: what served when the run began.
        attempted: what it tried to deploy.
        split: the last split read from Azure.
    """
    heaviest = split.heaviest().revision if split else ""
    if attempted.revision and split and split.weight_of(attempted.revision) == FULL_TRAFFIC:
        previous = before if before.revision != attempted.revision else RevisionInfo()
        return Outcome(serving=attempted, attempted=attempted, previous=previous, split=split)
    if heaviest and heaviest != before.revision:
        serving = attempted if heaviest == attempted.revision else RevisionInfo(revision=heaviest)
    else:
        serving = before
    return Outcome(serving=serving, attempted=attempted, previous=RevisionInfo(), split=split)


def updated(side: RevisionInfo, **fields: str) -> RevisionInfo:
    """Return *side* with the fields that are known now."""
    return replace(side, **{name: value for name, value in fields.items() if value})
