"""The labels that move with the traffic: one on the serving revision, one on the candidate.

Both move in the same request as the weights. Other labels stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.traffic.split import FULL_TRAFFIC, Split

_NONE = "-"  # no label may begin with a dash


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The names of the two labels; empty where none is used.

    Args:
        live: of the revision that serves.
        candidate: of the candidate, until it serves.
    """

    live: str = ""
    candidate: str = ""

    def split(self, before: Split, candidate: str, weight: int) -> Split:
        """Return *before* with *candidate* at *weight*, and both labels where they then belong.

        Args:
            before: the split from before the deployment.
            candidate: the candidate's name, or the target of a rollback.
            weight: its share, 0-100.
        """
        split = before.with_candidate(candidate, weight)
        if weight < FULL_TRAFFIC:
            return split.with_label(self.candidate, candidate) if self.candidate else split
        if self.candidate:
            split = split.without_label(self.candidate)
        return split.with_label(self.live, candidate) if self.live else split

    def line(self, before: Split, candidate: str) -> str:
        """Return how the labels move, for the plan; empty without labels."""
        moves = []
        if self.candidate:
            moves.append(f"{self.candidate} points to {candidate} until it serves")
        if self.live:
            holders = [entry.revision for entry in before.entries if entry.label == self.live]
            origin = f" from {holders[0]}" if holders else ""
            moves.append(f"{self.live} moves{origin} to {candidate} with the promotion")
        return f"labels: {', '.join(moves)}" if moves else ""

    def __str__(self) -> str:
        """Return both as one text for the journal; empty without labels."""
        if not self.live and not self.candidate:
            return ""
        return f"{self.live or _NONE} {self.candidate or _NONE}"

    @classmethod
    def parse(cls, text: str) -> Labels:
        """Read the journal's text."""
        live, _, candidate = text.partition(" ")
        return cls(live=live.removeprefix(_NONE), candidate=candidate.removeprefix(_NONE))
