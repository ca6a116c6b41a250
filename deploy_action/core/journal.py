"""What a run writes on the app about itself, as tags, so that another run can finish or undo it.

Tags are the only place that every run can reach and that changes in the same request as the
traffic. Azure allows 256 characters a value and 50 tags a resource (Azure Resource Manager: Use
tags to organize resources), so a long split goes on in further tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deploy_action.core.phase import Phase
from deploy_action.core.split import Entry, Split

LONGEST_TAG = 256
_PREFIX = "deploy-action."
_RUN, _LINK, _PHASE = f"{_PREFIX}run", f"{_PREFIX}link", f"{_PREFIX}phase"
_STABLE, _CANDIDATE = f"{_PREFIX}stable", f"{_PREFIX}candidate"
_UNTIL, _SPLIT = f"{_PREFIX}until", f"{_PREFIX}split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One run's journal.

    Args:
        run: id and attempt of the run that holds the app.
        link: where to watch it.
        phase: the last phase that it announced.
        stable: the revision that held the traffic when it began.
        candidate: the revision that it creates.
        before: the exact split to go back to.
        until: seconds since 1970 after which silence means that the run is dead.
    """

    run: str
    phase: Phase
    stable: str
    candidate: str
    before: Split
    until: int
    link: str = ""

    def at(self, phase: Phase, *, until: int) -> Journal:
        """Return the journal of the same run in a later phase."""
        return replace(self, phase=phase, until=until)

    def alive(self, now: float) -> bool:
        """Whether its run may still be at work at *now* (seconds since 1970)."""
        return now < self.until

    def as_tags(self) -> dict[str, str | None]:
        """Return the tags to merge; None removes a leftover."""
        packed = _packed(self.before)
        pieces = [packed[at : at + LONGEST_TAG] for at in range(0, len(packed), LONGEST_TAG)]
        tags: dict[str, str | None] = {
            _RUN: self.run,
            _LINK: self.link[:LONGEST_TAG],
            _PHASE: self.phase.key,
            _STABLE: self.stable,
            _CANDIDATE: self.candidate,
            _UNTIL: str(self.until),
        }
        tags |= {_split_tag(number): piece for number, piece in enumerate(pieces)}
        return tags

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Journal | None:
        """Read it back; None when there is none or it cannot be one (a tag was edited)."""
        phase = Phase.from_key(tags.get(_PHASE, ""))
        before = _unpacked("".join(_split_pieces(tags)))
        until = tags.get(_UNTIL, "")
        if not tags.get(_RUN) or phase is None or before is None or not until.isdecimal():
            return None
        return cls(
            run=tags[_RUN],
            link=tags.get(_LINK, ""),
            phase=phase,
            stable=tags.get(_STABLE, ""),
            candidate=tags.get(_CANDIDATE, ""),
            before=before,
            until=int(until),
        )


def closing_tags(tags: Mapping[str, str]) -> dict[str, str | None]:
    """Return what removes every trace of a journal from *tags* and nothing else."""
    return {name: None for name in tags if name.startswith(_PREFIX)}


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
