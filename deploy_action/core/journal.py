"""The journal: tags on the app that record a run, so that another run can finish or undo it.

Tags are the only place that every run can reach and that changes in the same request as the
traffic. Azure allows 256 characters a value and 50 tags a resource (Azure Resource Manager: Use
tags to organize resources), so a long split continues in further tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from deploy_action.core.phase import Phase
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.labels import Labels
from deploy_action.core.traffic.split import FULL_TRAFFIC, Entry, Split

LONGEST_TAG = 256
PREFIX = "deploy-action."
# Azure Resource Manager: "Use tags to organize your Azure resources", limitations.
MOST_TAGS = 50
JOURNAL_TAGS = 16  # the most that a journal with a split of four tags needs
_NUMBER = re.compile(r"[0-9]{1,12}")
_RUN, _LINK, _PHASE, _KIND = (f"{PREFIX}{name}" for name in ("run", "link", "phase", "kind"))
_STABLE, _CANDIDATE = f"{PREFIX}stable", f"{PREFIX}candidate"
_ADOPTED, _LABELS, _COPY = f"{PREFIX}adopted", f"{PREFIX}labels", f"{PREFIX}copy"
_SINCE, _UNTIL = f"{PREFIX}since", f"{PREFIX}until"
_WEIGHTS, _SPLIT, _PENDING = f"{PREFIX}weights", f"{PREFIX}split", f"{PREFIX}pending"


class Kind(Enum):
    """Which command wrote the journal."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"


class Pending(Enum):
    """Work that remains after the traffic has moved; the value describes it in messages."""

    CACHE = "clear the cache"
    COMMIT = "publish the version commit"
    RETIREMENT = "deactivate old revisions"
    SECRETS = "restore the app's secrets and tags"


class RecoveryAction(Enum):
    """How to recover from an interrupted run; the value describes it in messages."""

    COMPLETE = "keep the traffic on the new revision and finish the remaining work"
    DEACTIVATE = "deactivate the candidate, which received no traffic"
    RESTORE = "restore the earlier traffic and deactivate the candidate"
    KEEP_TRAFFIC = "keep the traffic split that someone else set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One run's journal.

    Args:
        run: id of the run that owns the app.
        link: URL of that run.
        adopted: whether someone else created the candidate, so that it is never deactivated.
        labels: the labels that move with the traffic.
        kind: a deployment or a rollback.
        phase: the last phase that it announced.
        stable: the revision that held the traffic when it began.
        candidate: the revision that it creates, or rolls back to.
        before: the exact split to go back to.
        weights: the candidate's shares that its run wrote last, newest last, each 0-100; with
            *before* they make the splits that this run intended.
        pending: work that a finished run could not do; empty while the run is active.
        copy: in Single revision mode, the copy of *stable* that an undo creates; otherwise empty.
        since: seconds since 1970 at which it took the lock.
        until: seconds since 1970 at which its lease ends.
    """

    run: str
    phase: Phase
    stable: str
    candidate: str
    before: Split
    until: int
    kind: Kind = Kind.DEPLOY
    since: int = 0
    weights: tuple[int, ...] = ()
    pending: tuple[Pending, ...] = ()
    link: str = ""
    adopted: bool = False
    labels: Labels = field(default_factory=Labels)
    copy: str = ""

    @property
    def is_final(self) -> bool:
        """Whether its traffic shift is final, so that the next run only does the rest."""
        if self.kind is Kind.ROLLBACK:
            return not self.copy or self.phase.number >= Phase.PROMOTE.number
        return self.phase.number > Phase.PROMOTE.number

    def wrote(self, split: Split) -> bool:
        """Whether its run wrote *split*, so that the traffic has not been changed since."""
        ours = (self.labels.split(self.before, self.candidate, item) for item in self.weights)
        return split.same_as(self.before) or any(split.same_as(own_split) for own_split in ours)

    def recovery_action(
        self, split: Split, candidate: Revision | None, latest: str = ""
    ) -> RecoveryAction:
        """Return how to recover after its run has ended.

        A candidate that holds all traffic and can serve is kept: users are on it, and it has passed
        every gate. Otherwise the earlier split is restored, unless someone else changed it.

        Args:
            split: as it is now.
            candidate: as it is now; None if it was never created.
            latest: the app's newest revision; only needed in Single revision mode.
        """
        if self.copy:
            return self._single_mode_action(split, candidate, latest)
        holds_all = split.weight_of(self.candidate) == FULL_TRAFFIC
        if holds_all and self.pending and candidate and candidate.can_serve:
            return RecoveryAction.COMPLETE
        if not self.wrote(split):
            return RecoveryAction.KEEP_TRAFFIC
        if holds_all and candidate and candidate.can_serve:
            return RecoveryAction.COMPLETE
        if split.same_as(self.before):
            return RecoveryAction.DEACTIVATE
        return RecoveryAction.RESTORE

    def _single_mode_action(
        self, split: Split, candidate: Revision | None, latest: str
    ) -> RecoveryAction:
        """Return the same in Single revision mode, where a candidate may serve before its gates.

        A candidate of a deployment is kept only if its run had promoted it. The target of a
        rollback served before, so it is kept if it can serve.
        """
        if latest not in {self.candidate, self.copy}:
            return RecoveryAction.DEACTIVATE if candidate is None else RecoveryAction.KEEP_TRAFFIC
        passed = self.kind is Kind.ROLLBACK or self.phase.number >= Phase.PROMOTE.number
        serves = split.weight_of(self.candidate) == FULL_TRAFFIC
        if latest == self.candidate and passed and serves and candidate and candidate.can_serve:
            return RecoveryAction.COMPLETE
        return RecoveryAction.RESTORE

    def describe(self, action: RecoveryAction) -> str:
        """Return what *action* does, for messages."""
        if self.copy and action is RecoveryAction.DEACTIVATE:
            return "nothing, because the candidate was not created"
        if self.copy and action is RecoveryAction.RESTORE:
            return f"replace the candidate with {self.copy}, a copy of {self.stable}"
        if self.adopted and action is RecoveryAction.DEACTIVATE:
            return "keep the adopted revision, which received no traffic"
        if self.adopted and action is RecoveryAction.RESTORE:
            return "restore the earlier traffic and keep the adopted revision"
        return action.value

    @property
    def remaining(self) -> tuple[Pending, ...]:
        """The remaining work if its traffic is kept."""
        if self.pending:
            return self.pending
        if self.kind is Kind.ROLLBACK:
            return (Pending.CACHE,)
        return (Pending.CACHE, Pending.COMMIT, Pending.RETIREMENT)

    def describe_holder(self, now: float) -> str:
        """Return which run has locked the app, since when, with a link."""
        link = f" ({self.link})" if self.link else ""
        since = f" for {max(0, int(now - self.since))} s" if self.since else ""
        what = "has been deploying" if self.kind is Kind.DEPLOY else "has been rolling back"
        return f"Run {self.run}{link} {what} this app{since}, in phase {self.phase.key}"

    def lease_valid(self, now: float) -> bool:
        """Whether its run may still be active at *now* (seconds since 1970)."""
        return now < self.until

    def taken_over(self, run: str, *, until: float) -> Journal:
        """Return the same journal, owned by the run that recovers from it."""
        return replace(self, run=run, until=int(until))

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Whether there is room for it among the app's *tags*; an earlier journal is replaced."""
        others = [name for name in tags if not name.startswith(PREFIX)]
        return len(others) + self.most_tags <= MOST_TAGS

    @property
    def most_tags(self) -> int:
        """The number of tags that its run needs at most at one time."""
        # Weights and pending work may be added to the ones that have a value now.
        return len({name for name, text in self.as_tags().items() if text} | {_WEIGHTS, _PENDING})

    def as_tags(self) -> dict[str, str | None]:
        """Return the tags to merge; None removes a leftover."""
        packed = _packed(self.before)
        pieces = [packed[at : at + LONGEST_TAG] for at in range(0, len(packed), LONGEST_TAG)]
        tags: dict[str, str | None] = {
            _RUN: self.run,
            _LINK: self.link[:LONGEST_TAG],
            _KIND: self.kind.value,
            _PHASE: self.phase.key,
            _STABLE: self.stable,
            _CANDIDATE: self.candidate,
            _SINCE: str(self.since),
            _UNTIL: str(self.until),
            _WEIGHTS: " ".join(map(str, self.weights)) or None,
            _PENDING: " ".join(item.name.lower() for item in self.pending) or None,
            _ADOPTED: "1" if self.adopted else None,
            _LABELS: str(self.labels) or None,
            _COPY: self.copy or None,
        }
        tags |= {_split_tag(number): piece for number, piece in enumerate(pieces)}
        return tags

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Journal | None:
        """Read it back; None when there is none, or when its tags were edited."""
        phase = Phase.from_key(tags.get(_PHASE, ""))
        before = _unpacked("".join(_split_pieces(tags)))
        until, since = (tags.get(name, "") for name in (_UNTIL, _SINCE))
        weights = tags.get(_WEIGHTS, "").split()
        numbers = all(_NUMBER.fullmatch(text) for text in (until, since, *weights))
        if not tags.get(_RUN) or phase is None or before is None or not numbers:
            return None
        kind = tags.get(_KIND, "")
        return cls(
            run=tags[_RUN],
            link=tags.get(_LINK, ""),
            kind=Kind.ROLLBACK if kind == Kind.ROLLBACK.value else Kind.DEPLOY,
            phase=phase,
            stable=tags.get(_STABLE, ""),
            candidate=tags.get(_CANDIDATE, ""),
            before=before,
            until=int(until),
            since=int(since),
            weights=tuple(min(int(weight), FULL_TRAFFIC) for weight in weights),
            pending=_pending(tags.get(_PENDING, "").split()),
            adopted=bool(tags.get(_ADOPTED)),
            labels=Labels.parse(tags.get(_LABELS, "")),
            copy=tags.get(_COPY, ""),
        )


def closing_tags(tags: Mapping[str, str]) -> dict[str, str | None]:
    """Return what removes every trace of a journal from *tags* and nothing else."""
    return {name: None for name in tags if name.startswith(PREFIX)}


def _pending(names: Iterable[str]) -> tuple[Pending, ...]:
    known = set(names)
    return tuple(item for item in Pending if item.name.lower() in known)


def _split_tag(number: int) -> str:
    return _SPLIT if number == 0 else f"{_SPLIT}-{number + 1}"


def _split_pieces(tags: Mapping[str, str]) -> list[str]:
    pieces: list[str] = []
    while (piece := tags.get(_split_tag(len(pieces)))) is not None:
        pieces.append(piece)
    return pieces


def _packed(split: Split) -> str:
    return " ".join(
        f"{entry.revision or '*'}={entry.weight}" + (entry.label and f"@{entry.label}")
        for entry in split.entries
    )


def _unpacked(packed: str) -> Split | None:
    entries = []
    for word in packed.split():
        revision, _, rest = word.partition("=")
        weight, _, label = rest.partition("@")
        if not weight.isdecimal():
            return None
        name = "" if revision == "*" else revision
        entries.append(Entry(revision=name, weight=int(weight), label=label))
    try:
        return Split.of(entries)
    except ValueError:
        return None
