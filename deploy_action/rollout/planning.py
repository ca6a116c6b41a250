"""Reads the state, makes the plan and refuses what is known to fail; changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.adoption import adopted_revision
from deploy_action.core.app import serving
from deploy_action.core.journal import Journal
from deploy_action.core.observed import Observed, check_journal
from deploy_action.core.outcome import RevisionInfo, updated
from deploy_action.core.plan import Plan, make_plan
from deploy_action.core.plan_diff import diff_lines, plan_diff
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.schema import Settings
from deploy_action.rollout.access import AppAccess
from deploy_action.rollout.analysis import Analysis
from deploy_action.rollout.app_settings import AppSettings
from deploy_action.rollout.cache import CacheMaintenance
from deploy_action.rollout.deployed_version import served_by
from deploy_action.rollout.deployment_content import content_of_adopted, decide_content
from deploy_action.rollout.gates import Gates
from deploy_action.rollout.image_source import ImageSource
from deploy_action.rollout.observe import observe, observe_free
from deploy_action.rollout.recovery import Recovery
from deploy_action.runtime.concurrency import BackgroundTask

if TYPE_CHECKING:
    from deploy_action.rollout.versioning import Versioning


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes the plan of one deployment.

    Args:
        access: what this identity may change.
        app_settings: the app's secrets and tags.
        images: returns where the image comes from; not called for an adopted candidate.
        versioning: returns the manifest's versioning; None without a manifest.
        has_ended: whether GitHub says that the run of a journal has ended.
        require_tip: refuses a commit that is no longer the newest of its branch.
        disagreement: how the checkout differs from the workflow run's commit; usually empty.
    """

    settings: Settings
    app: ContainerApp
    run: Run
    cache: CacheMaintenance
    gates: Gates
    images: Callable[[], ImageSource]
    access: AppAccess
    app_settings: AppSettings
    versioning: Callable[[], Versioning | None]
    analysis: Analysis
    record: Record
    has_ended: Callable[[Journal], bool]
    require_tip: Callable[[], None]
    disagreement: str

    def plan(self) -> Plan:
        """Return and print the plan, after waiting for any active run that holds the lock.

        Raises:
            InputError, PreflightError: the deployment is known to fail.
            SupersededError: another run owns the app.
        """
        observed = observe_free(
            self.app,
            self.run,
            wait_s=self.settings.lock_wait_s,
            say=self.record.say,
            has_ended=self.has_ended,
            on_read=self._record_serving,
        )
        stable = serving(observed.app, observed.revisions)
        self.gates.config.health_path.detect(observed.app, stable)
        health = BackgroundTask(lambda: self.gates.check_serving(observed.app, stable))
        adopts = bool(self.settings.candidate)
        images = BackgroundTask((lambda: None) if adopts else self.images().check)
        access = BackgroundTask(self.access.check)
        tip = BackgroundTask(self.require_tip if self.settings.require_tip else lambda: None)
        self.cache.check(observed.app.fqdn)
        # A deployment clears them right away and reports how many there were.
        counts = self.settings.dry_run or self.settings.command is Command.VALIDATE
        keys = BackgroundTask(self.cache.matching_keys if counts else lambda: None)
        if self.disagreement:
            self.record.warn(self.disagreement)
        tip.result()
        self.analysis.prepare(stable if observed.app.fqdn else None)
        plan = self._decided(observed)
        access.result()
        self.access.require_storages(plan.app.environment, plan.change)
        images.result()
        if warning := health.result():
            self.record.warn(warning)
        for line in plan.lines():
            self.record.say(line)
        diff = plan_diff(
            plan,
            observed.revisions,
            image=self.settings.image,
            app_changes=self.app_settings.plan(observed.app, plan.stable.name),
            keys=keys.result(),
        )
        self.record.planned(tuple(diff_lines(diff)), diff)
        for warning in plan.warnings:
            self.record.warn(warning)
        self.analysis.announce(plan.schedule)
        self._learn(plan)
        return plan

    def recovered(self, plan: Plan) -> Plan:
        """Recover from an interrupted run and convert the app where the plan says so.

        Returns:
            The plan to carry out, made again if the app has changed.
        """
        if plan.interrupted_run:
            recovery = Recovery(
                app=self.app,
                run=self.run,
                cache=self.cache,
                record=self.record,
                lease_s=plan.lease_s,
                app_settings=self.app_settings,
            )
            recovery.recover(plan.interrupted_run)
            plan = self._decided(observe(self.app, self.run))
            self.app_settings.plan(plan.app, plan.stable.name)
        if plan.convert:
            self.app.write_mode("Multiple", plan.pinned)
            self.record.say(f"Switched the app to Multiple revision mode, traffic {plan.pinned}")
            plan = self._decided(observe(self.app, self.run))
        self._learn(plan)
        return plan

    def _decided(self, observed: Observed) -> Plan:
        interrupted_run = check_journal(observed)
        stable = serving(observed.app, observed.revisions)
        served = served_by(stable, self.gates.served_version)
        adopted = None
        if self.settings.candidate:
            adopted = adopted_revision(self.settings.candidate, observed.app, observed.revisions)
            content = content_of_adopted(adopted, served)
        else:
            content = decide_content(
                self.images(),
                self.versioning,
                run=self.run,
                revisions=observed.revisions,
                served=served,
                remembered=self.cache.last_deployed_version(observed.app.name),
                record=self.record,
            )
        return make_plan(
            self.settings,
            observed,
            bump=content.bump,
            version=content.version,
            commit=content.commit,
            interrupted_run=interrupted_run,
            adopted=adopted,
            recent=self.analysis.recent,
        )

    def _record_serving(self, observed: Observed) -> None:
        """Record what serves, for the report of a run that ends before there is a plan."""
        stable = serving(observed.app, observed.revisions)
        self.record.observed(observed.app.split, stable.info if stable else RevisionInfo())
        self.record.set_facts(url=observed.app.url)

    def _learn(self, plan: Plan) -> None:
        self.record.observed(
            plan.app.split, updated(plan.stable.info, version=plan.previous_version)
        )
        self.record.set_attempted(
            revision=plan.candidate, version=plan.version, commit=plan.provenance.commit
        )
        self.record.set_facts(
            version=plan.version,
            previous_version=plan.previous_version,
            revision=plan.candidate,
            previous_revision=plan.stable.name,
            url=plan.app.url,
        )
