"""Access of one run to its systems: Azure, GitHub, git, registries and the app; made on first use.

A rollback loads neither Docker nor git, a run without a cache no Redis client, and an offline
validation nothing of Azure.
"""

# ruff: noqa: PLC0415  late imports are the purpose of this package

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deploy_action.adapters.github_runner import Runner
from deploy_action.adapters.shell import Shell
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.runtime.masking import Mask
from deploy_action.runtime.signals import SignalGuard

if TYPE_CHECKING:
    from deploy_action.adapters.container_app import ContainerApp
    from deploy_action.adapters.credentials import SignIn
    from deploy_action.adapters.git import Git
    from deploy_action.adapters.http_probe import HttpProbe
    from deploy_action.adapters.images.registry import Registry
    from deploy_action.adapters.permissions import Permissions
    from deploy_action.adapters.resource_manager import ResourceManager
    from deploy_action.core.journal import Journal

READ_CHECKOUT = {Command.DEPLOY, Command.VALIDATE}

# Never passed on to programs that the action starts.
_OWN_VARIABLES = ("INPUT_", "ACTIONS_ID_TOKEN_REQUEST", "AZURE_REDIS_CONNECTION_STRING")


@dataclass(frozen=True, kw_only=True)
class Adapters:
    """The adapters of one run.

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

    def with_vault_secrets(self) -> Self:
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
        deploying = self.settings.command in READ_CHECKOUT
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
        from deploy_action.adapters.credentials import sign_in

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
        from deploy_action.adapters.container_app import ContainerApp

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
        """The app's resource ID."""
        settings = self.settings
        return (
            f"/subscriptions/{self.signed_in.subscription}/resourceGroups/{settings.resource_group}"
            f"/providers/Microsoft.App/containerApps/{settings.app}"
        )

    @cached_property
    def resource_manager(self) -> ResourceManager:
        """Azure Resource Manager, for calls that need no SDK."""
        from deploy_action.adapters.credentials import ARM_SCOPE
        from deploy_action.adapters.resource_manager import ResourceManager

        return ResourceManager(lambda: self.signed_in.token(ARM_SCOPE))

    @cached_property
    def permissions(self) -> Permissions:
        """Reads what this identity may do."""
        from deploy_action.adapters.permissions import Permissions

        return Permissions(arm=self.resource_manager, identity=self.settings.client_id)

    @cached_property
    def probes(self) -> HttpProbe:
        """Requests to the app on its own URLs."""
        from deploy_action.adapters.http_probe import HttpProbe, RequestLog

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
        from deploy_action.adapters.credentials import REGISTRY_SCOPE
        from deploy_action.adapters.images.docker_config import DockerConfig
        from deploy_action.adapters.images.registry import Registry
        from deploy_action.runtime.http import HttpClient

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
            DeployError: the registry could not be queried.
        """
        from deploy_action.adapters.images.reference import Reference

        reference = Reference.parse(image)
        return self.registry(reference.host).digest(reference) is not None
