"""Which revisions may be deactivated.

Never one with weight or a label, never `stable` or `previous`, never the last active one.
"""

from __future__ import annotations

from collections.abc import Collection

from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Split


def to_retire(
    revisions: Collection[Revision], split: Split, *, stable: str, previous: str, keep: int
) -> tuple[Revision, ...]:
    """Return the active revisions beyond the newest *keep* that nothing depends on, oldest first.

    Args:
        revisions: all of the app's, in any order.
        split: the current split, as read from Azure.
        stable: name of the revision that serves.
        previous: name of the first choice for a rollback, or empty.
        keep: how many of the newest active ones stay, at least 1.
    """
    active = sorted((r for r in revisions if r.active), key=lambda revision: revision.created)
    beyond = active[: max(0, len(active) - max(keep, 1))]
    return tuple(
        revision
        for revision in beyond
        if revision.name not in {stable, previous}
        and not split.weight_of(revision.name)
        and not split.labels_of(revision.name)
        and not split.follows_latest
    )
