"""The target of a rollback: the requested revision, or the previous one."""

from __future__ import annotations

import re
from collections.abc import Collection

from deploy_action.core.adoption import previous_of
from deploy_action.core.app import App, serving
from deploy_action.core.journal import Journal, Kind
from deploy_action.core.observed import Observed
from deploy_action.core.revisions.revision import Readiness, Revision, by_name
from deploy_action.core.status import Answer, RollbackCheck
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.errors import InputError, PreflightError

_VERSION = re.compile(r"v?(\d+(?:\.\d+){1,3})")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_SHOWN = 5


def rollback_target(requested: str, observed: Observed) -> Revision:
    """Return the revision to go back to.

    Args:
        requested: a revision's name or suffix, a version such as v1.3.0.2, a commit of at least
            seven characters, or empty for the previous revision.
        observed: the app and its revisions.

    Raises:
        InputError: there is no such revision.
        PreflightError: no previous revision is known, or it once failed to start.
    """
    target = _named(requested, observed) if requested else _previous(observed)
    if problem := _failed_to_start(target):
        raise PreflightError(
            f"Revision '{target.name}' {problem}, so going back to it would not help.",
            hint=healthy_others(target, observed.revisions),
        )
    return target


def rollback_check(revision: Revision, app: App) -> RollbackCheck:
    """Return whether a rollback to *revision* would work, as far as the app itself shows."""
    if app.split.weight_of(revision.name) == FULL_TRAFFIC:
        return RollbackCheck(works=Answer.NO, reason="it already receives all traffic")
    if not app.is_multiple and not app.is_single:
        return RollbackCheck(works=Answer.NO, reason=f"the app is in {app.mode} revision mode")
    if problem := _failed_to_start(revision):
        return RollbackCheck(works=Answer.NO, reason=f"it {problem}")
    return RollbackCheck(works=Answer.YES)


def _failed_to_start(revision: Revision) -> str:
    failed = revision.provisioning_state.lower() == "failed" and not revision.active
    if failed or revision.readiness is Readiness.FAILED:
        return f"failed to start before ({revision.in_words})"
    return ""


def _named(requested: str, observed: Observed) -> Revision:
    full = requested if "--" in requested else f"{observed.app.name}--{requested}"
    if exact := by_name(observed.revisions, full):
        return exact
    version, commit = _VERSION.fullmatch(requested), _COMMIT.fullmatch(requested.lower())
    matches = [
        revision
        for revision in observed.revisions
        if (version and revision.content.version == version[1])
        or (commit and revision.content.commit.startswith(commit[0]))
    ]
    # Of several, the newest that can serve, and a deployment rather than a copy made by hand.
    good = [
        revision for revision in matches if revision.readiness is not Readiness.FAILED
    ] or matches
    deployed = [revision for revision in good if revision.provenance.revision] or good
    if deployed:
        return deployed[-1]
    names = ", ".join(_describe(revision) for revision in reversed(observed.revisions[-_SHOWN:]))
    raise InputError(
        f"Input revision: app '{observed.app.name}' has no revision '{full}', and none with "
        f"version or commit '{requested}'.",
        hint=f"Newest revisions: {names}.",
    )


def _previous(observed: Observed) -> Revision:
    stable = serving(observed.app, observed.revisions)
    journal = Journal.from_tags(observed.app.tags)
    if journal and journal.kind is Kind.ROLLBACK:
        # Complete that rollback; do not go one revision further back.
        target = by_name(observed.revisions, journal.candidate)
        if target is None and stable:  # in Single revision mode, Azure refused to create it
            target = previous_of(stable, observed.revisions, observed.app.tags)
    elif journal:
        # A rollout is running or was interrupted: go back to its stable revision.
        target = by_name(observed.revisions, journal.stable)
    else:
        target = previous_of(stable, observed.revisions, observed.app.tags) if stable else None
    if target is None:
        raise PreflightError(
            "No previous revision is recorded for "
            f"'{stable.name if stable else observed.app.name}'.",
            hint="Set the input revision to the target. "
            + _candidates(observed.app, observed.revisions),
        )
    return target


def _candidates(app: App, revisions: Collection[Revision]) -> str:
    others = [
        _describe(revision) for revision in revisions if not app.split.weight_of(revision.name)
    ]
    return f"Available: {', '.join(others[-_SHOWN:])}." if others else ""


def _describe(revision: Revision) -> str:
    version = revision.content.version
    return f"{revision.name} (v{version})" if version else revision.name


def healthy_others(target: Revision, revisions: Collection[Revision]) -> str:
    """List other healthy revisions to roll back to, the nearest first; empty if none."""
    good = [
        _describe(revision)
        for revision in sorted(revisions, key=lambda revision: revision.created, reverse=True)
        if revision.name != target.name
        and revision.provisioning_state.lower() == "provisioned"
        and revision.readiness is not Readiness.FAILED
    ]
    return f"Try {good[0]}. Available: {', '.join(good[:_SHOWN])}." if good else ""
