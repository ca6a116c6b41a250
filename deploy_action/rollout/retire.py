"""Deactivates old revisions after the drain time, except those that something depends on."""

from __future__ import annotations

from collections.abc import Callable

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.record import Record
from deploy_action.core.revisions.retention import to_retire
from deploy_action.core.traffic.split import Split
from deploy_action.errors import DeployError
from deploy_action.runtime.polling import pause


def old(
    app: ContainerApp, record: Record, *, stable: str, previous: str, keep: int, drain_s: float
) -> None:
    """Deactivate all revisions but the newest *keep*; a refusal by Azure is only a warning."""
    if not _beyond(app, stable, previous, keep):
        return
    pause(drain_s)
    # Read again: somebody may have given one of them traffic during the drain time.
    for name in _beyond(app, stable, previous, keep):
        try:
            app.deactivate(name)
        except DeployError as error:
            record.warn(f"Revision '{name}' could not be deactivated: {error.message}")
        else:
            record.say(f"deactivated {name}")


def candidate(
    app: ContainerApp, name: str, *, ours: Callable[[Split], bool] = lambda _: True
) -> str:
    """Deactivate an abandoned candidate, unless it still has traffic or was never created.

    Args:
        app: whose revision it is.
        name: the revision.
        ours: whether this run wrote a split; a candidate that others gave traffic stays active.

    Raises:
        DeployError: it holds traffic, so that stopping it would lose requests.
    """
    now = app.wait_until_idle()  # its creation may still be under way
    revision = app.revision(name)
    if revision is None or not revision.active:
        return f"{name} is not there"
    if now.split.depends_on(name):
        if not ours(now.split):
            return f"{name} left active, as somebody else set the traffic"
        raise DeployError(f"{name} may still receive traffic ({now.split}).")
    app.deactivate(name)
    return f"{name} deactivated"


def _beyond(app: ContainerApp, stable: str, previous: str, keep: int) -> list[str]:
    split, revisions = app.read().split, app.revisions()
    found = to_retire(revisions, split, stable=stable, previous=previous, keep=keep)
    return [revision.name for revision in found]
