"""One look at everything that a decision needs, the independent reads at the same time."""

from __future__ import annotations

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.plan import Observed
from deploy_action.core.run import Run
from deploy_action.runtime.side_by_side import Started
from deploy_action.runtime.waiting import now_utc


def observe(app: ContainerApp, run: Run) -> Observed:
    """Read the app and its revisions.

    Args:
        app: the app to look at.
        run: who is looking.

    Raises:
        PreflightError: the app does not exist or may not be read.
    """
    revisions = Started(app.revisions)
    found = app.read()
    return Observed(
        app=found,
        revisions=revisions.result(),
        run=run,
        now=now_utc(),
    )
