"""The traffic split: integer weights that sum to 100, with labels, always written as a whole.

Source of the rules: `properties.configuration.ingress.traffic` of Microsoft.App/containerApps; the
array replaces the earlier one as a whole, an entry names a revision or follows the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploy_action.core import external

FULL_TRAFFIC = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the split.

    Args:
        revision: name of the revision; empty where traffic follows the latest revision.
        weight: share of the traffic, 0-100.
        label: label of the entry; empty for none.
    """

    revision: str
    weight: int
    label: str = ""

    @property
    def follows_latest(self) -> bool:
        """Whether the entry means the latest revision instead of naming one."""
        return not self.revision

    def as_azure(self) -> dict[str, Any]:
        """Return the entry in ARM's format."""
        entry: dict[str, Any] = {"weight": self.weight}
        if self.follows_latest:
            entry["latestRevision"] = True
        else:
            entry["revisionName"] = self.revision
        if self.label:
            entry["label"] = self.label
        return entry


@dataclass(frozen=True, slots=True)
class Split:
    """The traffic split. Make one with `of` or `from_azure`, which require a sum of 100."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Split:
        """Check and return the split.

        Raises:
            ValueError: a weight outside 0-100, or a sum that is not 100.
        """
        whole = tuple(entries)
        if any(not 0 <= entry.weight <= FULL_TRAFFIC for entry in whole):
            raise ValueError(f"a weight outside 0-100 in {whole}")
        if sum(entry.weight for entry in whole) != FULL_TRAFFIC:
            raise ValueError(f"weights that do not sum to 100 in {whole}")
        return cls(whole)

    @classmethod
    def from_azure(cls, traffic: Sequence[Mapping[str, Any]] | None) -> Split:
        """Read ARM's array; an absent one means "all to the latest", as Azure fills it in.

        Raises:
            ValueError: it is not an array of weights that sum to 100.
        """
        if not traffic:
            return cls((Entry(revision="", weight=FULL_TRAFFIC),))
        return cls.of(_entry(external.mapping(item, "a traffic entry")) for item in traffic)

    def as_azure(self) -> list[dict[str, Any]]:
        """Return the split in ARM's format."""
        return [entry.as_azure() for entry in self.entries]

    def weight_of(self, revision: str) -> int:
        """Return the weight of the entries that name *revision* (0-100)."""
        return sum(entry.weight for entry in self.entries if entry.revision == revision)

    def labels_of(self, revision: str) -> tuple[str, ...]:
        """Return the labels that point at *revision*."""
        return tuple(e.label for e in self.entries if e.revision == revision and e.label)

    @property
    def follows_latest(self) -> bool:
        """Whether any entry lets Azure choose the revision."""
        return any(entry.follows_latest for entry in self.entries)

    def depends_on(self, revision: str) -> bool:
        """Whether *revision* may receive requests: by weight, by label, or as the latest."""
        return bool(self.weight_of(revision) or self.labels_of(revision) or self.follows_latest)

    def heaviest(self) -> Entry:
        """Return the entry with the most traffic; of several, the first."""
        return max(self.entries, key=lambda entry: entry.weight)

    def pinned(self, serving: str) -> Split:
        """Return the same split with *serving* named wherever it said "latest"."""
        return Split.of(
            Entry(revision=entry.revision or serving, weight=entry.weight, label=entry.label)
            for entry in self.entries
        )

    def with_candidate(self, candidate: str, weight: int) -> Split:
        """Return this split with *candidate* at *weight* and the others sharing the rest.

        The others keep their proportions (largest remainder, so that the sum stays 100), their
        order and their labels. At 100 they stay listed at 0 only where they carry a label.

        Raises:
            ValueError: *weight* outside 0-100.
        """
        others = [entry for entry in self.entries if entry.revision != candidate]
        own = [entry for entry in self.entries if entry.revision == candidate and entry.label]
        shares = _shared(FULL_TRAFFIC - weight, [entry.weight for entry in others])
        kept = [
            Entry(revision=entry.revision, weight=share, label=entry.label)
            for entry, share in zip(others, shares, strict=True)
            if share or entry.label
        ]
        labelled = [Entry(revision=candidate, weight=0, label=entry.label) for entry in own]
        return Split.of([*kept, *labelled, Entry(revision=candidate, weight=weight)])

    def with_label(self, label: str, revision: str) -> Split:
        """Return the same weights with *label* on *revision* and on no other entry."""
        entries = list(self.without_label(label).entries)
        for place, entry in enumerate(entries):
            if entry.revision == revision and not entry.label:
                entries[place] = replace(entry, label=label)
                return Split.of(entries)
        return Split.of([*entries, Entry(revision=revision, weight=0, label=label)])

    def without_label(self, label: str) -> Split:
        """Return the same weights without *label*."""
        entries = [
            replace(entry, label="") if entry.label == label else entry for entry in self.entries
        ]
        return Split.of(entry for entry in entries if entry.weight or entry.label)

    def same_as(self, other: Split) -> bool:
        """Whether both send the same traffic and carry the same labels, order aside.

        Azure may drop or merge entries without weight and label, so those do not count.
        """
        return self._content() == other._content()

    def _content(self) -> tuple[dict[str, int], frozenset[tuple[str, str]]]:
        weights: dict[str, int] = {}
        for entry in self.entries:
            if entry.weight:
                weights[entry.revision] = weights.get(entry.revision, 0) + entry.weight
        return weights, frozenset((e.revision, e.label) for e in self.entries if e.label)

    def __str__(self) -> str:
        return " | ".join(
            f"{entry.weight} {entry.revision or 'latest'}" + (entry.label and f" @{entry.label}")
            for entry in self.entries
        )


def _shared(whole: int, weights: Sequence[int]) -> list[int]:
    """Divide *whole* in proportion to *weights* by largest remainder; earlier ones win ties."""
    total = sum(weights)
    if total == 0:
        return [whole if place == 0 else 0 for place in range(len(weights))]
    shares = [whole * weight // total for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda place: (-(whole * weights[place] % total), place)
    )
    for place in by_remainder[: whole - sum(shares)]:
        shares[place] += 1
    return shares


def _entry(item: Mapping[str, Any]) -> Entry:
    latest = bool(item.get("latestRevision"))
    return Entry(
        revision="" if latest else external.name(item.get("revisionName"), "revisionName"),
        weight=external.integer(item.get("weight"), "weight"),
        label=external.text(item.get("label"), "label"),
    )
