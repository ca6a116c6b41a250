"""One execution of the action."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process of the action, in a GitHub run or on a developer's machine.

    Args:
        id: GitHub run id, attempt and a token unique to the process, such as ``4711.1.k3f9``; a
            local run has ``local`` instead of the run id and no attempt.
        link: URL of the run; empty for a local run.
        commit: the commit that is deployed, full id; empty if unknown.
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

    def at_checkout(self, commit: str, branch: str | None) -> tuple[Run, str]:
        """Return the run with the checkout's commit and branch, and a warning if they differ.

        Args:
            commit: the commit that is checked out.
            branch: the branch that is checked out; None if the head is detached. A detached
                checkout of the run's own commit counts as the run's branch.
        """
        same = commit == self.commit
        actual = branch or (self.branch if same else "")
        run = replace(self, commit=commit, branch=actual)
        if not self.commit or (same and actual == self.branch):
            return run, ""
        names = [f"branch {name}" if name else "no branch" for name in (actual, self.branch)]
        return run, (
            f"The checkout is at {commit[:10]} ({names[0]}), but the workflow run is for "
            f"{self.commit[:10]} ({names[1]}). Provenance and the version commit use the checkout."
        )
