"""The story of a deployment as one list.

The order here is the order of `commands.deploy`, of the console's groups, of the summary's timeline
and of the README; the name is what the journal on the app says.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """One point of the story; the value is its sentence."""

    PLAN = "Read everything and decide"
    RECOVER = "Finish or undo what a dead run left behind"
    BUMP = "Raise the manifest's version"
    CLEAR = "Clear the cache"
    IMAGE = "Build the image and learn its digest"
    PIN = "Pin the users' traffic to the serving revision"
    CREATE = "Create the candidate beside the live one"
    GATES = "Prove the candidate healthy"
    SHIFT = "Move traffic over in steps"
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
        """What happens in it."""
        return self.value

    @property
    def number(self) -> int:
        """Its place in the story, from 1."""
        return list(Phase).index(self) + 1

    @classmethod
    def from_key(cls, key: str) -> Phase | None:
        """Return the phase that a journal names, or None for an unknown word."""
        return next((phase for phase in cls if phase.key == key), None)
