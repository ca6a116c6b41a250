"""The phases of a run, in order.

The order here is the order of `commands.deploy`, of the log's groups, of the summary's timeline and
of the documentation; the journal on the app contains the name.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """One phase; the value says what a deployment does in it."""

    PLAN = "Read the current state and make the plan"
    RECOVER = "Recover from an interrupted run"
    BUMP = "Bump the manifest's version"
    CLEAR = "Clear the cache"
    IMAGE = "Build the image and resolve its digest"
    PIN = "Pin traffic to the current revision"
    CREATE = "Create the candidate beside the current revision"
    GATES = "Health-check the candidate on its own URL"
    SHIFT = "Shift traffic in steps and monitor each one"
    PROMOTE = "Promote the candidate and bake"
    REFRESH = "Clear the cache again and warm it"
    PUBLISH = "Publish the version commit"
    RETIRE = "Deactivate old revisions"
    REPORT = "Report"

    @property
    def key(self) -> str:
        """The name in lower case, as the journal and the summary write it."""
        return self.name.lower()

    @property
    def sentence(self) -> str:
        """Its description for a deployment."""
        return self.value

    def title(self, command: str) -> str:
        """Return what *command* does in it; a rollback has no candidate and no bake."""
        if command == "rollback":
            return _ROLLBACK.get(self, self.value)
        return self.value

    @property
    def number(self) -> int:
        """Its place in the order, from 1."""
        return list(Phase).index(self) + 1

    @classmethod
    def from_key(cls, key: str) -> Phase | None:
        """Return the phase that a journal names, or None for an unknown name."""
        return next((phase for phase in cls if phase.key == key), None)


_ROLLBACK = {
    Phase.PLAN: "Find the revision to roll back to",
    Phase.CREATE: "Create a copy of the target",
    Phase.GATES: "Check that the target is healthy",
    Phase.PROMOTE: "Shift traffic back",
    Phase.REFRESH: "Clear the cache and verify the app",
    Phase.PUBLISH: "Publish the manifest",
}
