"""The adapters of one run, each made on first use.

A rollback loads neither Docker nor git, and a run without a cache no Redis client.
"""

# ruff: noqa: PLC0415  late imports are the purpose of this package

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.adapters.credentials import ARM_SCOPE, REGISTRY_SCOPE, SignIn, sign_in
from deploy_action.adapters.github_runner import Runner
from deploy_action.adapters.http_probe import HttpProbe, RequestLog
from deploy_action.adapters.shell import Shell
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.rollout.cache import CacheMaintenance
from deploy_action.rollout.gates import GateConfig, Gates
from deploy_action.rollout.health_path import HealthPath
from deploy_action.runtime.http import HttpClient
from deploy_action.runtime.masking import Mask
from deploy_action.runtime.signals import SignalGuard

if TYPE_CHECKING:
    from deploy_action.adapters.git import Git
    from deploy_action.adapters.images.registry import Registry
    from deploy_action.adapters.permissions import Permissions
    from deploy_action.adapters.resource_manager import ResourceManager
    from deploy_action.core.journal import Journal
    from deploy_action.core.plan import Plan
    from deploy_action.rollout.access import AppAccess
    from deploy_action.rollout.analysis import Analysis
    from deploy_action.rollout.app_settings import AppSettings
    from deploy_action.rollout.diagnosis import Diagnosis
    from deploy_action.rollout.image_source import ImageSource
    from deploy_action.rollout.planning import Planner
    from deploy_action.rollout.retire import Retirement
    from deploy_action.rollout.stale_pages import StalePages
    from deploy_action.rollout.traffic import TrafficShift
    from deploy_action.rollout.versioning import Versioning
    from deploy_action.rollout.watch import Watch
    from deploy_action.services.announcements import Announcements

_LONGEST_CHECK_INTERVAL_S = 5.0

_READ_CHECKOUT = {Command.DEPLOY, Command.VALIDATE}

# Never passed on to programs that the action starts.
_OWN_VARIABLES = ("INPUT_", "ACTIONS_ID_TOKEN_REQUEST", "AZURE_REDIS_CONNECTION_STRING")


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a command works with.

    Args:
        settings: validated.
        environment: the process environment.
        runner: GitHub's, or none.
        mask: receives every secret before it is used.
        record: receives what the adapters report.
        signals: the signal handlers and the time limit.
    """

    settings: Settings
    environment: Mapping[str, str]
    runner: Runner
    mask: Mask
    record: Record
    signals: SignalGuard

    def secret(self, value: str) -> None:
        """Mask a secret here and in the runner's log, before anything uses it."""
        if self.mask.add(value):
            self.runner.mask(value)

    def with_vault_secrets(self) -> Services:
        """Return the same services with each ``keyvault:VAULT/NAME`` setting read from its vault.

        Raises:
            PreflightError: a secret cannot be read.
        """
        references = {
            spec.field: value
            for spec in setting_specs()
            if spec.secret
            and isinstance(value := getattr(self.settings, spec.field), str)
            and value.startswith("keyvault:")
        }
        if not references:
            return self
        from deploy_action.adapters.key_vault import KeyVault, SecretReference

        vault = KeyVault(
            token=self.signed_in.token, identity=self.settings.client_id, on_secret=self.secret
        )
        values: dict[str, Any] = {
            field: vault.read(SecretReference.parse(text)) for field, text in references.items()
        }
        services = replace(self, settings=replace(self.settings, **values))
        vars(services)["signed_in"] = self.signed_in  # one sign-in is enough
        return services

    @cached_property
    def announcements(self) -> Announcements:
        """Tells other systems about the run."""
        from deploy_action.services.announcements import make_announcements

        return make_announcements(self)

    def context(self) -> dict[str, str]:
        """Return the facts that every report names: environment, app, and where to find them."""
        settings, env = self.settings, self.environment
        server, repository = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
        resource = (
            f"/subscriptions/{settings.subscription_id}/resourceGroups/{settings.resource_group}"
            f"/providers/Microsoft.App/containerApps/{settings.app}"
        )
        return {
            "environment": settings.environment,
            "app": settings.app,
            "resource-id": resource if settings.subscription_id else "",
            "repository-url": f"{server}/{repository}" if server and repository else "",
            "run-url": self.run.link,
        }

    @cached_property
    def run(self) -> Run:
        """This execution of the action; a deployment's commit and branch are the checkout's."""
        deploying = self.settings.command in _READ_CHECKOUT
        return self.checked_out[0] if deploying else self.runner.run

    @cached_property
    def checked_out(self) -> tuple[Run, str]:
        """This run at the checkout's commit and branch, and a warning if the two disagree."""
        from deploy_action.errors import DeployError

        run = self.runner.run
        try:
            head = self.git.head()
        except DeployError:  # without a checkout, only the environment is known
            return run, ""
        return run.at_checkout(head.commit, head.branch)

    @cached_property
    def signed_in(self) -> SignIn:
        """The session with Azure; the log names the method."""
        settings = self.settings
        session = sign_in(
            client_id=settings.client_id,
            tenant_id=settings.tenant_id,
            subscription_id=settings.subscription_id,
            environment=self.environment,
            on_secret=self.secret,
        )
        self.record.say(f"signed in with {session.how}")
        return session

    @cached_property
    def app(self) -> ContainerApp:
        """The container app in Azure."""
        return ContainerApp(
            self.signed_in.credential,
            subscription=self.signed_in.subscription,
            resource_group=self.settings.resource_group,
            name=self.settings.app,
            operation_timeout_s=self.settings.operation_timeout_s,
            say=self.record.say,
        )

    @cached_property
    def app_id(self) -> str:
        """The app's resource id."""
        settings = self.settings
        return (
            f"/subscriptions/{self.signed_in.subscription}/resourceGroups/{settings.resource_group}"
            f"/providers/Microsoft.App/containerApps/{settings.app}"
        )

    @cached_property
    def resource_manager(self) -> ResourceManager:
        """Azure Resource Manager, for calls that need no SDK."""
        from deploy_action.adapters.resource_manager import ResourceManager

        return ResourceManager(lambda: self.signed_in.token(ARM_SCOPE))

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
    def permissions(self) -> Permissions:
        """Reads what this identity may do."""
        from deploy_action.adapters.permissions import Permissions

        return Permissions(arm=self.resource_manager, identity=self.settings.client_id)

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
            look_every_s=min(_LONGEST_CHECK_INTERVAL_S, settings.health_interval_s),
            patience_s=settings.gate_timeout_s,
            subject=self.subject,
        )

    @property
    def subject(self) -> str:
        """The name in messages of the revision that gets traffic."""
        rollback = self.settings.command is Command.ROLLBACK
        return "rollback target" if rollback else "candidate"

    @cached_property
    def probes(self) -> HttpProbe:
        """Requests to the app on its own URLs."""
        log = RequestLog(clock=self.resource_manager.now_s)
        return HttpProbe(timeout_s=self.settings.health_timeout_s, log=log)

    @cached_property
    def shell(self) -> Shell:
        """Runs the user's own commands."""
        return Shell(
            workspace=self.runner.workspace,
            environment=self.program_environment,
            on_line=self.record.say,
        )

    @cached_property
    def health_path(self) -> HealthPath:
        """The path of the health requests, shared by the gates and the watch."""
        return HealthPath(self.settings.health_path)

    @cached_property
    def gates(self) -> Gates:
        """What a revision must pass before users reach it."""
        settings = self.settings
        # A rollback has no checkout to take a smoke test from, and an older manifest is fine.
        deploying = settings.command in _READ_CHECKOUT
        return Gates(
            app=self.app,
            probes=self.probes,
            shell=self.shell,
            asked=GateConfig(
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
        """Where the image of a deployment comes from."""
        from deploy_action.services.images import make_images

        return make_images(self)

    def images_of(self, plan: Plan) -> ImageSource:
        """Return where the image of a planned deployment comes from."""
        if plan.adopted is None:
            return self.images
        from deploy_action.services.images import existing_image

        return existing_image(self, plan.adopted.image)

    @cached_property
    def repository(self) -> Path:
        """The root of the repository that the manifest is in; it may be below the workspace."""
        workspace = self.runner.workspace
        manifest = Path(os.path.normpath(workspace / (self.settings.manifest or "none")))
        return next((it for it in manifest.parents if (it / ".git").exists()), workspace)

    @cached_property
    def git(self) -> Git:
        """The repository of the manifest."""
        from deploy_action.adapters.git import Git

        token = self.settings.git_token
        return Git(self.repository, token=token, environment=self.program_environment)

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

    def has_ended(self, journal: Journal) -> bool:
        """Whether GitHub reports that the run of *journal* has ended; False if unknown."""
        env, token = self.environment, self.settings.git_token
        repository = f"{env.get('GITHUB_SERVER_URL', '')}/{env.get('GITHUB_REPOSITORY', '')}"
        number, _, rest = journal.run.partition(".")
        if not (
            token
            and env.get("GITHUB_API_URL")
            and journal.link == f"{repository}/actions/runs/{number}"
        ):
            return False
        from deploy_action.adapters.github_api import GitHub

        self.secret(token)
        github = GitHub(env["GITHUB_API_URL"], env["GITHUB_REPOSITORY"], token=token)
        return github.run_has_ended(number, attempt=rest.partition(".")[0])

    @cached_property
    def program_environment(self) -> dict[str, str]:
        """The environment of the programs that the action starts, without its own inputs."""
        return {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(_OWN_VARIABLES)
        }

    def registry(self, host: str) -> Registry:
        """Return the registry at *host*."""
        from deploy_action.adapters.images.docker_config import DockerConfig
        from deploy_action.adapters.images.registry import Registry

        login = DockerConfig(self.environment).login(host)
        if login:
            self.secret(login.password)
        return Registry(
            host,
            http=HttpClient(),
            entra_token=lambda: self.signed_in.token(REGISTRY_SCOPE),
            login=login,
            on_secret=self.secret,
        )

    def image_exists(self, image: str) -> bool:
        """Whether an image, by its full name, is still in its registry.

        Raises:
            DeployError: the registry could not be asked.
        """
        from deploy_action.adapters.images.reference import Reference

        reference = Reference.parse(image)
        return self.registry(reference.host).digest(reference) is not None
