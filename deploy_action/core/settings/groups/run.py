"""Limits and behaviour of the run itself."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Time limits, waiting and dry runs."""

    dry_run: bool = setting(
        parsers.boolean,
        "false",
        "Whether to print the plan and change nothing.",
        is_input=True,
    )
    comment: bool = setting(
        parsers.boolean,
        "false",
        "For a dry run of a deployment in a pull request, whether to keep one comment with the "
        "plan up to date. It needs the job permission pull-requests: write.",
        is_input=True,
    )
    full: bool = setting(
        parsers.boolean,
        "false",
        "For validate, whether to check Azure, the registry, the cache and the branch as well.",
        is_input=True,
    )
    require_tip: bool = setting(
        parsers.boolean,
        "false",
        "Whether to refuse a commit that is no longer the newest on its branch. Version commits "
        "of this action do not count as newer.",
    )
    lock_wait_s: float = setting(
        parsers.duration, "0s", "How long to wait for another run that deploys the same app."
    )
    operation_timeout_s: float = setting(
        parsers.duration, "5m", "Maximum time for Azure to complete one change."
    )
    time_limit_s: float = setting(
        parsers.duration,
        "5h",
        "Maximum duration of the run, after which it aborts. Keep it below the job's "
        "timeout-minutes.",
    )
    log_retention_days: int = setting(
        parsers.integer(0, 400),
        "30",
        "Number of days GitHub keeps the artifact with the log and the report. 0 disables the "
        "upload. The limit of the repository applies, usually 90 days.",
    )
