"""Makes the plan of an app that does not exist yet; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy_action.core.new_app import NewApp
from deploy_action.core.plan_diff import NEW_IMAGE, creation_diff, diff_lines
from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.revision import suffix_for
from deploy_action.errors import PreflightError
from deploy_action.rollout.deployed_version import Served
from deploy_action.rollout.deployment_content import Content, decide_content

if TYPE_CHECKING:
    from deploy_action.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationPlan:
    """Everything that is decided before the app is created.

    Args:
        environment: resource ID of its Container Apps environment.
        location: where that is.
        revision: full name of the first revision.
        run: this run's id.
    """

    new_app: NewApp
    environment: str
    location: str
    content: Content
    suffix: str
    revision: str
    run: str

    def resource(self, image: str) -> dict[str, Any]:
        """Return the resource to create, with *image*."""
        return self.new_app.resource(
            environment=self.environment,
            location=self.location,
            suffix=self.suffix,
            image=image,
            provenance=Provenance(
                version=self.content.version,
                commit=self.content.commit,
                run=self.run,
                revision=self.revision,
            ),
        )


def plan_creation(services: Services) -> CreationPlan:
    """Return and print the plan.

    Raises:
        InputError, PreflightError: the app is known not to be created.
    """
    settings, app, run, record = services.settings, services.app, services.run, services.record
    environment, location = app.creation.environment(settings.managed_environment)
    new_app = NewApp.of(settings)
    if faults := new_app.faults():
        raise PreflightError(
            "The app cannot be created: " + " ".join(faults),
            hint="Correct template, containers, env or secrets in the settings.",
        )
    services.access.require_storages(environment, new_app.change)
    if disagreement := services.checked_out[1]:
        record.warn(disagreement)
    content = decide_content(
        services.images,
        lambda: services.versioning,
        run=run,
        revisions=(),
        served=Served(),
        remembered=("", ""),
        record=record,
    )
    suffix = suffix_for(
        app.name, version=content.version, commit=content.commit, run=run.id, taken=()
    )
    plan = CreationPlan(
        new_app=new_app,
        environment=environment,
        location=location,
        content=content,
        suffix=suffix,
        revision=f"{app.name}--{suffix}",
        run=run.id,
    )
    services.images.check()
    record.say(f"app {app.name} does not exist and will be created in {environment}")
    record.say(f"first revision {plan.revision}, version {content.version or 'unknown'}")
    diff = creation_diff(
        new_app,
        plan.resource(settings.image or NEW_IMAGE),
        app=app.name,
        revision=plan.revision,
        version=content.version,
        bump=content.bump,
        longest_s=settings.build_timeout_s + settings.operation_timeout_s + settings.gate_timeout_s,
    )
    record.planned(tuple(diff_lines(diff)), diff)
    record.set_facts(version=content.version, revision=plan.revision)
    record.set_attempted(revision=plan.revision, version=content.version, commit=content.commit)
    return plan
