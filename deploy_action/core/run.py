"""Who is running: one execution of the action."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process of the action, in a GitHub run or on a developer's machine.

    Args:
        id: GitHub run id, attempt and a token unique to the process, such as ``4711.1.k3f9``; a
            local run has ``local`` instead of the run id and no attempt.
        link: URL of the run; empty for a local run.
        commit: the commit that is deployed, full id; empty when unknown.
        branch: the branch that triggered it; empty when there is none (a tag, a detached head).
    """

    id: str
    link: str = ""
    commit: str = ""
    branch: str = ""

    def is_retry_of(self, other: str) -> bool:
        """Whether *other* is the id of this process, or of another attempt at its GitHub run."""
        number = self.id.partition(".")[0]
        return self.id == other or (number.isdecimal() and number == other.partition(".")[0])
