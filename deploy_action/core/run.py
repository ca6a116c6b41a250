"""Who is running: one execution of the action."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One GitHub run and attempt, or a run by hand.

    Args:
        id: run id and attempt, such as ``4711.1``; unique among all runs of the app.
        link: address of the run's page; empty for a run by hand.
        commit: the commit that is deployed, full id; empty when unknown.
        branch: the branch that triggered it; empty when there is none (a tag, a detached head).
    """

    id: str
    link: str = ""
    commit: str = ""
    branch: str = ""

    def is_try_of(self, other: str) -> bool:
        """Whether *other* is the id of this run, or of another attempt at it."""
        return self.id.partition(".")[0] == other.partition(".")[0]
