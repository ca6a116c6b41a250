"""Old revisions are put to sleep, after the drain time, and never one that something depends on."""

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
    """Deactivate what is beyond the newest *keep*; one that Azure refuses is told, not fatal."""
    if not _beyond(app, stable, previous, keep):
        return
    pause(drain_s)
    # Looked at again: during the drain time somebody may have given one of them traffic.
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
    """Deactivate a candidate that was given up, unless it still holds traffic or never came to be.

    Args:
        app: whose revision it is.
        name: the revision.
        ours: whether a split is this run's; one that somebody else gave users is left to them.

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
        raise DeployError(f"{name} may still hold traffic ({now.split}).")
    app.deactivate(name)
    return f"{name} deactivated"


def _beyond(app: ContainerApp, stable: str, previous: str, keep: int) -> list[str]:
    split, revisions = app.read().split, app.revisions()
    found = to_retire(revisions, split, stable=stable, previous=previous, keep=keep)
    return [revision.name for revision in found]
