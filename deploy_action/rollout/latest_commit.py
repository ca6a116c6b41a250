"""Refuses a commit that has been overtaken by a newer one on its branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.core.run import Run
from deploy_action.errors import DeployError, PreflightError

if TYPE_CHECKING:
    from deploy_action.adapters.git import Git


def require_latest_commit(git: Git, run: Run) -> None:
    """Check that no newer commit than the run's is on its branch; version commits do not count.

    Raises:
        PreflightError: there is one, or the branch cannot be read.
    """
    if not run.branch:
        raise PreflightError(
            "require-tip is set, but the checkout is not on a branch.",
            hint="Check out a branch (input ref of actions/checkout), or remove require-tip.",
        )
    try:
        newer = git.newer_commit(run.commit, run.branch)
    except DeployError as error:
        raise PreflightError(
            f"require-tip is set, but the branch could not be read: {error.message}",
            hint=error.hint,
        ) from None
    if newer:
        raise PreflightError(
            f"Commit {run.commit[:10]} is no longer the newest on branch '{run.branch}': "
            f"{newer[:10]} is newer.",
            hint="Deploy the newest commit, or remove require-tip.",
        )
