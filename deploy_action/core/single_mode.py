"""Single revision mode: Azure shifts all traffic to the newest revision as soon as it is ready.

Weights and labels have no effect in this mode, and an earlier revision cannot receive traffic
again. A run goes back to it by creating a copy.
"""

from __future__ import annotations

from collections.abc import Collection

from deploy_action.core.app import App
from deploy_action.core.revisions.copies import is_copy
from deploy_action.core.revisions.revision import Readiness, Revision, by_name, suffix_for
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import Command, Strategy
from deploy_action.core.settings.schema import Settings
from deploy_action.errors import PreflightError


def keeps_single_mode(app: App, settings: Settings) -> bool:
    """Whether the run works in Single revision mode instead of switching the mode."""
    return app.is_single and not settings.convert_mode


def require_supported_mode(app: App, settings: Settings) -> None:
    """Refuse an app whose revision mode does not fit the settings.

    Raises:
        PreflightError: the mode is neither Multiple nor Single, or a setting needs Multiple.
    """
    if not app.fqdn and not keeps_single_mode(app, settings):
        raise PreflightError(
            f"App '{app.name}' has no ingress, and in Multiple revision mode every active revision "
            "would do its work at the same time.",
            hint="Deploy it in Single revision mode: az containerapp revision set-mode --mode "
            f"single --resource-group GROUP --name {app.name}, without convert-mode.",
        )
    if not app.is_single:
        app.require_multiple()
        return
    if settings.convert_mode:
        return
    shifts_in_steps = app.fqdn and settings.strategy is Strategy.CANARY
    if settings.command is not Command.ROLLBACK and shifts_in_steps:
        app.require_multiple()
    if settings.label_live or settings.label_candidate:
        raise PreflightError(
            f"App '{app.name}' is in Single revision mode, where labels have no effect.",
            hint="Remove label-live and label-candidate, or set convert-mode: true.",
        )


def refuse_adoption(app: App, candidate: Revision) -> None:
    """Refuse to adopt a revision that does not serve.

    Raises:
        PreflightError: always.
    """
    raise PreflightError(
        f"App '{app.name}' is in Single revision mode, where revision '{candidate.name}' receives "
        "all traffic as soon as it is ready and the newest. There is nothing to adopt.",
        hint="To adopt a revision before it receives traffic, set convert-mode: true.",
    )


def existing_copy(target: Revision, app: App, revisions: Collection[Revision]) -> Revision:
    """Return the newest revision if it is *target* or a copy of it that can still serve."""
    newest = by_name(revisions, app.latest)
    if newest is None or newest.readiness is Readiness.FAILED or not newest.active:
        return target
    return newest if is_copy(newest, target) else target


def copy_name(original: Revision, app: App, run: Run, taken: Collection[str], *, end: str) -> str:
    """Return the full name of a copy of *original*.

    Args:
        original: the revision to copy.
        app: its app.
        run: the run that copies it.
        taken: names of all revisions.
        end: the end of the name.
    """
    content = original.content
    suffix = suffix_for(
        app.name,
        version=content.version,
        commit=content.commit,
        run=f"{run.id}-{end}",
        taken=taken,
    )
    return f"{app.name}--{suffix}"


def no_ingress_lines(settings: Settings) -> tuple[str, ...]:
    """Return how an app without ingress is deployed, for the plan."""
    gates = "the state that the platform reports" + (" and smoke-test" * bool(settings.smoke_test))
    return (f"no ingress: there are no traffic steps, and the gates are {gates}",)


def single_mode_lines(candidate: str, stable: str, copy: str) -> tuple[str, ...]:
    """Return what a deployment cannot prevent or undo in this mode, for the plan."""
    shift = (
        f"revision mode Single: Azure shifts all traffic to {candidate} as soon as it is ready, "
        "before its other gates have passed"
    )
    undo = (
        f"undo in revision mode Single: Azure stops {stable}, so an abort creates {copy}, a copy "
        f"of it; until the copy is ready, users stay on {candidate}"
    )
    return shift, undo
