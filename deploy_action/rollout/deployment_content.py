"""Decides what to deploy: the checkout with its version, or an existing image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy_action.core.manifest.edit import Bump
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.run import Run
from deploy_action.rollout.deployed_version import Served, require_not_lower
from deploy_action.rollout.image_source import ImageSource
from deploy_action.rollout.versioning import Versioning


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of a candidate.

    Args:
        bump: the manifest's change; None without one.
        version: the add-in's version; empty if it is only known once the candidate serves it.
        commit: the commit of the image; empty if unknown.
    """

    bump: Bump | None
    version: str
    commit: str


def content_of_adopted(revision: Revision, served: Served) -> Content:
    """Return the content of a revision that exists, as far as the revision records it.

    Raises:
        PreflightError: its version is lower than the served one.
    """
    content = revision.content
    require_not_lower(
        content.version, served, "To go back to an earlier version, use the command 'rollback'."
    )
    return Content(bump=None, version=content.version, commit=content.commit)


def decide_content(
    images: ImageSource,
    versioning: Callable[[], Versioning | None],
    *,
    run: Run,
    revisions: Sequence[Revision],
    served: Served,
    remembered: tuple[str, str],
    record: Record,
) -> Content:
    """Decide version and commit.

    An existing image was built from some other commit, so its labels decide, not the checkout.

    Args:
        images: where the image is from.
        versioning: returns the checkout's manifest; not called for an existing image.
        run: this run, at the checkout's commit.
        revisions: all revisions of the app.
        served: the content that serves now.
        remembered: the version in the cache, and the run that wrote it.
        record: receives the reasons.

    Raises:
        InputError: the image or the manifest is missing or unusable.
        PreflightError: the version would be lower than the served one, or its commit could not be
            published.
    """
    if origin := images.origin():
        require_not_lower(
            origin.version, served, "To go back to an earlier version, use the command 'rollback'."
        )
        return Content(bump=None, version=origin.version, commit=origin.commit or run.commit)
    manifest = versioning()
    if manifest is None:
        return Content(bump=None, version="", commit=run.commit)
    bump, version = manifest.decide(revisions, record=record, served=served, remembered=remembered)
    return Content(bump=bump, version=version, commit=run.commit)
