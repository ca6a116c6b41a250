"""A candidate that someone else created, such as Bicep, azd, Terraform or the portal.

It is adopted as it is: its template cannot be changed, so the revision that served before it is
recorded in a tag of the app instead of in the candidate's own variables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deploy_action.core.app import App
from deploy_action.core.journal import LONGEST_TAG
from deploy_action.core.revisions.revision import Readiness, Revision, by_name
from deploy_action.core.traffic.split import FULL_TRAFFIC, Split
from deploy_action.errors import InputError, PreflightError

NEWEST = "newest"
PREVIOUS_TAG = "deploy-action-previous"
_SHOWN = 5


def adopted_revision(requested: str, app: App, revisions: Collection[Revision]) -> Revision:
    """Return the revision that the setting ``candidate`` names.

    Args:
        requested: a revision's name or suffix, or ``newest`` for the newest active one.
        app: the app.
        revisions: all of its revisions.

    Raises:
        InputError: there is no such revision.
        PreflightError: it is not active, or it failed to start.
    """
    active = sorted((item for item in revisions if item.active), key=lambda item: item.created)
    if requested.lower() == NEWEST:
        if not active:
            raise PreflightError(f"App '{app.name}' has no active revision to deploy.")
        revision = active[-1]
    else:
        full = requested if "--" in requested else f"{app.name}--{requested}"
        named = by_name(revisions, full)
        if named is None:
            newest = ", ".join(item.name for item in reversed(active[-_SHOWN:])) or "none"
            raise InputError(
                f"Input candidate: app '{app.name}' has no revision '{full}'.",
                hint=f"Newest active revisions: {newest}.",
            )
        revision = named
    if not revision.active:
        raise PreflightError(
            f"Revision '{revision.name}' is inactive, and an adopted revision is not changed.",
            hint="Activate it first: az containerapp revision activate --resource-group GROUP "
            f"--name {app.name} --revision {revision.name}",
        )
    if revision.readiness is Readiness.FAILED:
        raise PreflightError(
            f"Revision '{revision.name}' has failed to start ({revision.in_words}).",
            hint="Check its container log in Azure, then its image, command and secrets.",
        )
    return revision


def require_no_share(candidate: Revision, split: Split) -> None:
    """Refuse an adopted revision that has some of the traffic, but not all of it.

    Args:
        candidate: the revision.
        split: today's split with every "latest" named.

    Raises:
        PreflightError: users already reach the revision, although it has passed no gate.
    """
    weight = split.weight_of(candidate.name)
    if 0 < weight < FULL_TRAFFIC:
        raise PreflightError(
            f"Revision '{candidate.name}' already receives {weight} % of the traffic ({split}).",
            hint="Create the revision without traffic, or route all traffic to the revision that "
            "served before.",
        )


def succession(candidate: str, stable: str, tags: Mapping[str, str]) -> dict[str, str | None]:
    """Return the tag that records that an adopted *candidate* follows *stable*.

    It lists revisions from the newest to the oldest, as many as fit.
    """
    earlier = _chain(tags)
    known = earlier[earlier.index(stable) :] if stable in earlier else [stable]
    chain = [candidate, *known]
    while len(" ".join(chain)) > LONGEST_TAG:
        chain.pop()
    return {PREVIOUS_TAG: " ".join(chain)}


def without_succession(candidate: str, tags: Mapping[str, str]) -> dict[str, str | None]:
    """Return the tag as it was before *candidate* was promoted; nothing if it was not."""
    chain = _chain(tags)
    if not chain or chain[0] != candidate:
        return {}
    return {PREVIOUS_TAG: " ".join(chain[1:]) if len(chain) > 2 else None}


def predecessor(revision: Revision, tags: Mapping[str, str]) -> str:
    """Return the name of the revision that served before *revision*; empty if unknown."""
    following = zip(_chain(tags), _chain(tags)[1:], strict=False)
    return revision.provenance.predecessor or dict(following).get(revision.name, "")


def _chain(tags: Mapping[str, str]) -> list[str]:
    return tags.get(PREVIOUS_TAG, "").split()


def previous_of(
    stable: Revision, revisions: Collection[Revision], tags: Mapping[str, str]
) -> Revision | None:
    """Return the revision that served before *stable*, if it is recorded and still exists.

    Never "second in the list": a failed candidate may be between the two. Before the first
    deployment by this tool, there is no previous revision.
    """
    return by_name(revisions, predecessor(stable, tags))
