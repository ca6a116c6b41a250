"""Which revisions may be deactivated.

Never one with weight or a label, and never the one that serves. The previous one stays active for
a while, because a rollback to an active revision is faster. An inactive revision keeps its
template, so a rollback can activate it again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from deploy_action.core.revisions.revision import Readiness, Revision
from deploy_action.core.traffic.split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Limits for old revisions: how many are kept, and how long they stay active.

    Args:
        keep: number of the newest revisions to keep, the serving one and inactive ones included.
        active_s: how long a revision stays active after it stopped serving, in seconds.
    """

    keep: int
    active_s: float

    def to_deactivate(
        self,
        revisions: Collection[Revision],
        split: Split,
        *,
        stable: str,
        previous: str,
        quiet_s: float,
        previous_quiet_s: float | None = None,
    ) -> tuple[Revision, ...]:
        """Return the active revisions to deactivate, oldest first.

        Args:
            revisions: all of the app's, in any order.
            split: the current split, as read from Azure.
            stable: name of the revision that serves.
            previous: name of the first choice for a rollback, or empty.
            quiet_s: for how many seconds at least nobody has changed the app, so that its other
                revisions have not served.
            previous_quiet_s: the same for *previous*, if it differs.
        """
        if not any(revision.name == stable and revision.active for revision in revisions):
            return ()  # one of the others may have to serve
        oldest_first = sorted(revisions, key=lambda revision: revision.created)
        served = {stable, previous} | {r.provenance.predecessor for r in oldest_first}
        countable = [
            r
            for r in oldest_first
            if r.readiness is not Readiness.FAILED and (r.active or r.name in served)
        ]
        kept = {revision.name for revision in countable[-max(self.keep, 1) :]}
        quiet = quiet_s if previous_quiet_s is None else previous_quiet_s

        def expired(revision: Revision) -> bool:
            if revision.name == previous:
                return quiet >= self.active_s
            if revision.name not in kept:
                return True
            return revision.name in served and quiet_s >= self.active_s

        return tuple(
            revision
            for revision in oldest_first
            if revision.active
            and revision.name != stable
            and expired(revision)
            and not split.depends_on(revision.name)
        )
