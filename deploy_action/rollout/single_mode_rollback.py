"""A rollback in Single revision mode: a copy of the target replaces the serving revision."""

from __future__ import annotations

from functools import partial

from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.revisions.copies import copied_template
from deploy_action.core.revisions.revision import Revision
from deploy_action.rollout.gates import Gates
from deploy_action.rollout.single_mode import Replacement, wait_until_restored
from deploy_action.rollout.undo import Undo
from deploy_action.runtime.signals import SignalGuard


def replace_by_copy(
    replacement: Replacement,
    target: Revision,
    *,
    gates: Gates,
    record: Record,
    signals: SignalGuard,
) -> Revision:
    """Create a copy of *target*, which receives all traffic; undo that if it fails its gates.

    Args:
        replacement: names the copy, and the copy of the serving revision that an undo creates.
        target: the revision to go back to. If it is the newest one, no copy is needed.
        gates: the checks of the copy.
        record: receives every event.
        signals: shielded while the undo runs.

    Returns:
        The copy as it serves.

    Raises:
        AbortedError: it failed and the earlier revision was restored (`RollbackIncompleteError`:
            not all of it).
    """
    lock = replacement.lock
    with Undo(record, signals) as undo:
        with record.phase(Phase.CREATE):
            undo.push("the deployment lock", lock.release, if_others_failed=lock.end_lease)
            undo.push("the current revision", partial(_wait, replacement))
            undo.push("the traffic", replacement.restore)
            if target.name == replacement.new:
                replacement.app.write_configuration(None, lock.tags(Phase.CREATE))
                lock.opened = True
            else:
                replacement.create(copied_template(target, replacement.new))
        with record.phase(Phase.GATES):
            ready = gates.run(replacement.new, version="")
            record.set_facts(revision_url=ready.info.url)
        with record.phase(Phase.PROMOTE):
            app = replacement.promote("rolled back")
            undo.commit()
            record.set_facts(traffic=str(app.split))
    return ready


def _wait(replacement: Replacement) -> str:
    """Wait until the copy of the earlier revision serves again."""
    if not replacement.restored:
        return f"{replacement.stable.name} serves"
    wait_until_restored(replacement.app, replacement.record, replacement.copy)
    return f"{replacement.copy} serves"
