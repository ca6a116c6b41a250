"""The parts of one run, each made on first use from the settings and the adapters."""

# ruff: noqa: PLC0415  late imports are the purpose of this package

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from deploy_action.core.settings.choices import Command
from deploy_action.rollout.health_path import HealthPath
from deploy_action.services.adapters import READ_CHECKOUT, Adapters

if TYPE_CHECKING:
    from deploy_action.core.plan import Plan
    from deploy_action.rollout.access import AppAccess
    from deploy_action.rollout.analysis import Analysis
    from deploy_action.rollout.app_settings import AppSettings
    from deploy_action.rollout.cache import CacheMaintenance
    from deploy_action.rollout.diagnosis import Diagnosis
    from deploy_action.rollout.gates import Gates
    from deploy_action.rollout.image_source import ImageSource
    from deploy_action.rollout.planning import Planner
    from deploy_action.rollout.retire import Retirement
    from deploy_action.rollout.stale_pages import StalePages
    from deploy_action.rollout.traffic import TrafficShift
    from deploy_action.rollout.versioning import Versioning
    from deploy_action.rollout.watch import Watch
    from deploy_action.services.announcements import Announcements

_LONGEST_CHECK_INTERVAL_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Services(Adapters):
    """The adapters and the parts of a rollout, for the commands."""

    @cached_property
    def announcements(self) -> Announcements:
        """Sends the events of the run to other systems."""
        from deploy_action.services.announcements import make_announcements

        return make_announcements(self)

    @cached_property
    def app_settings(self) -> AppSettings:
        """The app's secrets and tags."""
        from deploy_action.core.app_wide import SecretValue
        from deploy_action.rollout.app_settings import AppSettings

        settings = self.settings
        for item in settings.secrets.values():
            if isinstance(item, SecretValue) and item.value:
                self.secret(item.value)
        return AppSettings(
            app=self.app, secrets=settings.secrets, tags=settings.tags, record=self.record
        )

    @cached_property
    def analysis(self) -> Analysis:
        """The analysis of a candidate by production traffic."""
        from deploy_action.services.analysis import make_analysis

        return make_analysis(self)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis of a candidate's failure."""
        from deploy_action.services.analysis import make_diagnosis

        return make_diagnosis(self)

    @cached_property
    def retirement(self) -> Retirement:
        """Deactivates revisions that are no longer needed."""
        from deploy_action.core.revisions.retention import Retention
        from deploy_action.rollout.retire import Retirement

        settings = self.settings
        retention = Retention(keep=settings.keep_revisions, active_s=settings.keep_active_s)
        return Retirement(
            app=self.app, record=self.record, retention=retention, drain_s=settings.drain_time_s
        )

    @cached_property
    def watch(self) -> Watch:
        """The health monitoring of both revisions during the traffic shift."""
        from deploy_action.rollout.watch import Watch

        settings = self.settings
        return Watch(
            app=self.app,
            probes=self.probes,
            record=self.record,
            health_path=self.health_path,
            check_interval_s=min(_LONGEST_CHECK_INTERVAL_S, settings.health_interval_s),
            patience_s=settings.gate_timeout_s,
            subject=self.subject,
        )

    @property
    def subject(self) -> str:
        """The name in messages of the revision that gets traffic."""
        rollback = self.settings.command is Command.ROLLBACK
        return "rollback target" if rollback else "candidate"

    @cached_property
    def health_path(self) -> HealthPath:
        """The path of the health requests, shared by the gates and the watch."""
        return HealthPath(self.settings.health_path)

    @cached_property
    def gates(self) -> Gates:
        """The checks that a revision must pass before it receives user traffic."""
        from deploy_action.rollout.gates import GateConfig, Gates

        settings = self.settings
        # A rollback has no checkout to take a smoke test from, and an older manifest is fine.
        deploying = settings.command in READ_CHECKOUT
        return Gates(
            app=self.app,
            probes=self.probes,
            shell=self.shell,
            config=GateConfig(
                health_path=self.health_path,
                passes=settings.health_passes,
                interval_s=settings.health_interval_s,
                timeout_s=settings.gate_timeout_s,
                identity_path=settings.identity_path,
                manifest_path=settings.served_manifest if deploying else "",
                manifest_path_is_explicit=bool(settings.manifest_path),
                smoke_test=settings.smoke_test if deploying else "",
            ),
            record=self.record,
        )

    @cached_property
    def cache(self) -> CacheMaintenance:
        """The cache, or none."""
        from deploy_action.services.cache import make_cache

        return make_cache(self)

    @cached_property
    def images(self) -> ImageSource:
        """The source of a deployment's image."""
        from deploy_action.services.images import make_images

        return make_images(self)

    def images_of(self, plan: Plan) -> ImageSource:
        """Return where the image of a planned deployment comes from."""
        if plan.adopted is None:
            return self.images
        from deploy_action.services.images import existing_image

        return existing_image(self, plan.adopted.image)

    @cached_property
    def versioning(self) -> Versioning | None:
        """The manifest's versioning; None where the app has no manifest."""
        if not self.settings.manifest:
            return None
        from deploy_action.services.versioning import make_versioning

        return make_versioning(self)

    @cached_property
    def access(self) -> AppAccess:
        """Checks what a deployment needs in Azure."""
        from deploy_action.rollout.access import AppAccess

        return AppAccess(permissions=self.permissions, app=self.app_id, arm=self.resource_manager)

    @cached_property
    def planner(self) -> Planner:
        """Makes the plan of a deployment."""
        from deploy_action.rollout.latest_commit import require_latest_commit
        from deploy_action.rollout.planning import Planner

        return Planner(
            settings=self.settings,
            app=self.app,
            run=self.run,
            cache=self.cache,
            gates=self.gates,
            images=lambda: self.images,
            app_settings=self.app_settings,
            access=self.access,
            versioning=lambda: self.versioning,
            analysis=self.analysis,
            record=self.record,
            has_ended=self.has_ended,
            require_tip=lambda: require_latest_commit(self.git, self.run),
            disagreement=self.checked_out[1],
        )

    def traffic_shift(self, plan: Plan) -> TrafficShift:
        """Return the traffic shift of one planned deployment."""
        from deploy_action.core.journal import closing_tags
        from deploy_action.rollout.lock import DeploymentLock
        from deploy_action.rollout.single_mode_shift import SingleModeShift
        from deploy_action.rollout.traffic import TrafficShift

        stale = closing_tags(plan.app.tags)
        kind = SingleModeShift if plan.is_single else TrafficShift
        return kind(
            app=self.app,
            lock=DeploymentLock(self.app, plan.journal, plan.lease_s, stale),
            plan=plan,
            record=self.record,
            watch=self.watch,
            analysis=self.analysis,
        )

    @cached_property
    def stale_pages(self) -> StalePages:
        """Looks for pages that browsers would cache under the wrong version."""
        from deploy_action.rollout.stale_pages import StalePages

        return StalePages(
            policy=self.settings.stale_pages,
            probes=self.probes,
            path=self.settings.served_manifest,
            record=self.record,
        )
