"""Warnings of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.core.observed import Observed
from deploy_action.core.revisions.changes import ContainerChange, Remove, TemplateChange
from deploy_action.core.revisions.revision import (
    Revision,
)
from deploy_action.core.revisions.template import same_image_containers
from deploy_action.core.settings.schema import Settings

if TYPE_CHECKING:  # it imports XML parsers, and a rollback reads no manifest
    from deploy_action.core.manifest.edit import Bump


def plan_warnings(
    settings: Settings,
    observed: Observed,
    bump: Bump | None,
    stable: Revision,
    adopted: Revision | None,
) -> list[str]:
    """Return what the user should check although the deployment is possible."""
    warnings = [note.text for note in bump.warnings if not note.usual] if bump else []
    if stable.is_down:
        warnings.append(
            f"No revision can serve traffic now ({stable.name}: {stable.in_words}), so there is no "
            "healthy revision to roll back to. The candidate gets all traffic once it passes its "
            "gates."
        )
    if stable.background_scalers:
        warnings.append(
            f"Scale rule {', '.join(stable.background_scalers)} processes background work: while "
            "both revisions are active, both process it."
        )
    if adopted and settings.template_change != TemplateChange():
        warnings.append(
            "The settings template, containers and env have no effect, because the candidate "
            "exists already."
        )
    if adopted and observed.app.split.follows_latest:
        warnings.append(
            "The traffic follows the latest revision, so a new revision receives all of it before "
            "any check. Name the revision in the traffic of your template."
        )
    same_image = [
        name
        for name in same_image_containers(stable.template, settings.container)
        if not adopted and not _names_image(settings.containers.get(name))
    ]
    if same_image:
        warnings.append(
            f"Container {', '.join(same_image)} runs the same image as the updated container and "
            "keeps the old one. Set containers.NAME.image: same to update it, too."
        )
    if stable.replicas > max(1, stable.fewest_replicas):
        warnings.append(
            f"The stable revision runs {stable.replicas} replicas, and the candidate starts with "
            f"{max(1, stable.fewest_replicas)}: use a small first step, or set template.scale.min."
        )
    if not settings.identity_path and observed.app.fqdn:
        warnings.append(
            "The candidate's identity is not checked: set identity-path to a path whose JSON names "
            "the revision."
        )
    if observed.app.split.heaviest().weight < 100:
        warnings.append(f"Traffic was already split before this run: {observed.app.split}.")
    return warnings


def _names_image(change: ContainerChange | Remove | None) -> bool:
    return change is not None and (isinstance(change, Remove) or bool(change.image))
