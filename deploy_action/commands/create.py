"""Create: the first deployment of an app that does not exist yet; a failure deletes the app."""

from __future__ import annotations

from functools import partial

from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.settings.schema import Settings
from deploy_action.core.traffic.labels import Labels
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.errors import DeployError
from deploy_action.rollout.cache import deployment_metadata
from deploy_action.rollout.undo import Undo
from deploy_action.services import Services
from deploy_action.services.creation import plan_creation


def create(settings: Settings, services: Services, record: Record) -> None:
    """Create the app with one revision that passes its gates, or delete it again.

    Args:
        settings: what the user configured.
        services: the adapters.
        record: receives every event.

    Raises:
        InputError, PreflightError: nothing was changed.
        AbortedError: it failed, and the app was deleted again.
    """
    app, run = services.app, services.run
    images, versioning = services.images, services.versioning
    with record.phase(Phase.PLAN):
        plan = plan_creation(services)
    bump, version, name = plan.content.bump, plan.content.version, plan.revision
    if settings.dry_run:
        record.succeed("planned")
        return
    with Undo(record, services.signals) as undo:
        with record.phase(Phase.BUMP):
            if versioning and bump:
                undo.push("the manifest", partial(versioning.restore, bump))
                versioning.write(bump)
        with record.phase(Phase.IMAGE):
            image = images.obtain(plan.suffix, run, version)
            record.set_facts(image=image, digest=image.partition("@")[2])
            record.set_attempted(image=image)
        with record.phase(Phase.CREATE):
            undo.push(
                "the app",
                partial(_delete, services, name, undo),
                by_hand=f"az containerapp delete --resource-group {settings.resource_group} "
                f"--name {app.name} --yes",
            )
            status_url = app.creation.create(plan.resource(image))
            created = app.wait_until_idle()
            app.creation.require_created(created, status_url)
            services.health_path.detect(created, None)
            if warning := services.gates.learn_reach(created, None):
                record.warn(warning)
            record.set_facts(url=f"https://{created.fqdn}")
        with record.phase(Phase.GATES):
            revision = services.gates.run(name, version=version)
            record.set_facts(revision_url=f"https://{revision.fqdn}")
        with record.phase(Phase.PROMOTE):
            labels = Labels(live=settings.label_live)
            split = labels.split(created.split.pinned(name), name, FULL_TRAFFIC)
            now = app.write_split(split, {})
            record.traffic_shifted(now.split, "pinned")
            services.gates.verify(now.fqdn, revision)
            undo.commit()
    with record.phase(Phase.REFRESH):
        services.cache.serving_host = now.fqdn
        services.cache.clear("after", revision.fqdn)
        metadata = deployment_metadata(settings.environment, services.run, record, revision=name)
        services.cache.write_metadata(metadata)
        services.cache.warm(revision.fqdn, metadata)
    with record.phase(Phase.PUBLISH):
        if versioning and bump:
            versioning.publish(bump, name, record)
    record.succeed("deployed")


def _delete(services: Services, revision: str, undo: Undo) -> str:
    """Delete the app; read the logs of its revision first, because they are deleted with it."""
    if services.app.creation.exists():
        services.app.wait_until_idle()
        if isinstance(undo.cause, DeployError):
            services.diagnosis.explain(revision, undo.cause)
        services.app.creation.delete()
    services.record.split = None
    services.record.set_facts(url="")
    return "deleted again"
