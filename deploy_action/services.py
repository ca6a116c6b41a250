"""From settings to adapters. The only file that names them all, and it imports late: a rollback
loads neither Docker nor git, and no Redis client where there is no cache.
"""

# ruff: noqa: PLC0415  importing late is the point here

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.adapters.credentials import (
    REDIS_SCOPE,
    REGISTRY_SCOPE,
    SignIn,
    object_id_of,
    sign_in,
)
from deploy_action.adapters.github_runner import Runner
from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.adapters.shell import Shell
from deploy_action.bundle import Bundle
from deploy_action.core.record import Record
from deploy_action.core.settings.choices import (
    AllowedList,
    BuilderKind,
    BumpWhen,
    CacheAuth,
    CacheVia,
    Command,
    CommitBy,
)
from deploy_action.core.settings.schema import Settings
from deploy_action.errors import DeployError, InputError
from deploy_action.rollout.cache import Refresh
from deploy_action.rollout.gates import Gates, Questions
from deploy_action.runtime.http import HttpClient
from deploy_action.runtime.masking import Mask
from deploy_action.runtime.signals import SignalGuard

if TYPE_CHECKING:
    from deploy_action.adapters.cache import Cache
    from deploy_action.adapters.cache.http_endpoint import CacheEndpoint
    from deploy_action.adapters.git import Git
    from deploy_action.adapters.images import Builder
    from deploy_action.adapters.images.registry import Registry
    from deploy_action.core.cache.connection import CacheTarget
    from deploy_action.rollout.image_source import Images
    from deploy_action.rollout.publish import Way
    from deploy_action.rollout.versioning import Versioning

# Never handed on to programs that we start.
_OWN_VARIABLES = ("INPUT_", "ACTIONS_ID_TOKEN_REQUEST", "AZURE_REDIS_CONNECTION_STRING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Makes the adapters of one run.

    Args:
        settings: validated.
        environment: the process environment.
        runner: GitHub's, or none.
        mask: gets every secret before it is used.
        record: what the adapters' users tell.
        signals: the signal handlers.
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

    def sign_in(self) -> SignIn:
        """Sign in to Azure, and say how."""
        settings = self.settings
        found = sign_in(
            client_id=settings.client_id,
            tenant_id=settings.tenant_id,
            subscription_id=settings.subscription_id,
            environment=self.environment,
            on_secret=self.secret,
        )
        self.record.say(f"signed in with {found.how}")
        return found

    def bundle(self, signed_in: SignIn) -> Bundle:
        """Return what every verb receives."""
        settings = self.settings
        app = ContainerApp(
            signed_in.credential,
            subscription=signed_in.subscription,
            resource_group=settings.resource_group,
            name=settings.app,
            operation_timeout_s=settings.operation_timeout,
        )
        probes = HttpProbe(timeout_s=settings.health_timeout)
        return Bundle(
            run=self.runner.run,
            app=app,
            probes=probes,
            gates=Gates(
                app=app,
                probes=probes,
                shell=self._shell(),
                asked=self._questions(),
                record=self.record,
            ),
            refresh=Refresh(
                cache=self._cache(signed_in),
                endpoint=self._endpoint if settings.cache_via is CacheVia.ENDPOINT else None,
                patterns=self._patterns(),
                required=settings.cache_required,
                ttl_s=int(settings.cache_metadata_ttl),
                warming=settings.cache_warm,
                warm_ttl_s=settings.cache_warm_ttl,
                cost_per_miss=settings.cost_per_miss,
                probes=probes,
                record=self.record,
                cancelled=lambda: self.signals.cancelled,
            ),
            signals=self.signals,
            image_exists=lambda image: self._image_exists(image, signed_in),
        )

    def _image_exists(self, image: str, signed_in: SignIn) -> bool:
        from deploy_action.adapters.images.registry import Reference

        reference = Reference.parse(image)
        return self._registry(reference.host, signed_in).digest(reference) is not None

    def _registry(self, host: str, signed_in: SignIn) -> Registry:
        from deploy_action.adapters.images.registry import Registry

        return Registry(
            host,
            http=HttpClient(),
            entra_token=lambda: signed_in.token(REGISTRY_SCOPE),
            on_secret=self.secret,
        )

    def images(self, signed_in: SignIn) -> Images:
        """Return where the image of a deployment comes from."""
        from deploy_action.adapters.images.registry import Reference, host_of
        from deploy_action.rollout.image_source import Images

        settings = self.settings
        host = (
            Reference.parse(settings.image).host if settings.image else host_of(settings.registry)
        )
        registry = self._registry(host, signed_in)
        return Images(
            registry=registry,
            given=settings.image,
            builder=self._builder(signed_in, registry.refresh_token, host),
            repository=settings.repository or settings.app,
            context=str(self._inside("context", settings.context)),
            dockerfile=settings.dockerfile,
            arguments=dict(_pair(item) for item in settings.build_args),
            record=self.record,
        )

    def versioning(self) -> Versioning | None:
        """Return the manifest's versioning, or None where the app has no manifest."""
        settings = self.settings
        if not settings.manifest:
            return None
        from deploy_action.adapters.git import Git
        from deploy_action.adapters.manifest_file import ManifestFile, files_called
        from deploy_action.core.manifest.allowed import NAME
        from deploy_action.core.manifest.rules import Rules
        from deploy_action.rollout.addin_changes import AddIn
        from deploy_action.rollout.versioning import Versioning

        workspace = self.runner.workspace
        if settings.git_token:
            self.secret(settings.git_token)
        rules = Rules(
            mode=settings.url_mode,
            parameter=settings.url_parameter,
            origins=settings.url_origins,
        )
        git = Git(workspace, token=settings.git_token, environment=self._for_programs())
        return Versioning(
            git=git,
            addin=AddIn(
                git=git,
                path=settings.manifest,
                patterns=settings.bump_when_changed,
                rules=rules,
                pushed_from=lambda: self.runner.pushed_from,
            ),
            file=ManifestFile(workspace / settings.manifest, workspace),
            path=settings.manifest,
            # An image that exists cannot carry a version that is raised only now.
            when=BumpWhen.NEVER if settings.image else settings.bump,
            part=settings.bump_part,
            way=self._way(git),
            title=settings.commit_message,
            rules=rules,
            lists=lambda: [
                (path.relative_to(workspace).as_posix(), path.read_bytes())
                for path in files_called(NAME, workspace)
            ],
            strict_list=settings.allowed_list is AllowedList.ERROR,
            run=self.runner.run,
        )

    def _way(self, git: Git) -> Way | None:
        """Return how the version commit reaches the branch."""
        from deploy_action.adapters.git import BOT, Identity
        from deploy_action.rollout.publish import ByApi, ByPush, FirstThatWorks

        settings, env = self.settings, self.environment
        name, _, address = settings.commit_author.rpartition(" <")
        author = Identity(name=name, email=address.rstrip(">")) if name else BOT
        api, repository = env.get("GITHUB_API_URL", ""), env.get("GITHUB_REPOSITORY", "")
        push = ByPush(git=git, path=settings.manifest, author=author)
        at_hand = bool(settings.git_token and api and repository)
        match settings.commit:
            case CommitBy.NONE:
                return None
            case CommitBy.API | CommitBy.PULL_REQUEST if not at_hand:
                raise InputError(
                    f"Input commit: '{settings.commit.value}' needs git-token, and GitHub's API "
                    "and repository in the environment, as in a workflow.",
                    hint="Give git-token, or set commit to push.",
                )
            case CommitBy.PUSH:
                return push
            case CommitBy.AUTO if not at_hand or _executable(git, settings.manifest):
                return push
        from deploy_action.adapters.github_api import GitHub

        by_api = ByApi(
            github=GitHub(api, repository, token=settings.git_token),
            path=settings.manifest,
            topic=f"deploy-action/version-{self.runner.run.id}",
            pull=settings.commit is CommitBy.PULL_REQUEST,
        )
        auto = settings.commit is CommitBy.AUTO
        return FirstThatWorks(first=by_api, second=push) if auto else by_api

    def _builder(
        self, signed_in: SignIn, password: Callable[[], str], host: str
    ) -> Callable[[], Builder]:
        settings = self.settings

        def docker() -> Builder:
            from deploy_action.adapters.images.docker_build import DockerEngine

            return DockerEngine(
                self.environment, password=password, timeout_s=settings.build_timeout
            )

        def acr() -> Builder:
            from deploy_action.adapters.images.acr_build import RemoteBuild

            return RemoteBuild(
                signed_in.credential,
                subscription=signed_in.subscription,
                resource_group=settings.resource_group,
                name=host.partition(".")[0],
                http=HttpClient(),
                timeout_s=settings.build_timeout,
                on_secret=self.secret,
            )

        return docker if settings.builder is BuilderKind.DOCKER else acr

    def _cache(self, signed_in: SignIn) -> Cache | None:
        settings = self.settings
        if not settings.cache_url or settings.cache_via is not CacheVia.REDIS:
            return None
        from deploy_action.adapters.cache import Cache
        from deploy_action.core.cache.connection import parse

        self.secret(settings.cache_url)
        target = parse(settings.cache_url)
        if target.password:
            self.secret(target.password)
        if target.ignored:
            self.record.say(f"cache-url: {', '.join(target.ignored)} mean nothing here")
        ca = str(self._file("cache-ca", settings.cache_ca)) if settings.cache_ca else ""
        return Cache(
            target,
            allow_flush=settings.cache_allow_flush,
            budget_s=settings.cache_budget,
            most_keys=settings.cache_max_keys,
            ca=ca,
            identity=partial(_redis_identity, signed_in, target)
            if settings.cache_auth is CacheAuth.ENTRA
            else None,
            say=self.record.say,
        )

    def _endpoint(self, host: str, serving: str) -> CacheEndpoint:
        from deploy_action.adapters.cache.http_endpoint import CacheEndpoint

        settings = self.settings
        name, _, value = settings.cache_endpoint_header.partition(":")
        if value.strip():
            self.secret(value.strip())
        url = settings.cache_endpoint.replace("{revision-host}", serving)
        return CacheEndpoint(
            url if url.startswith("https://") else f"https://{host}/{url.lstrip('/')}",
            header=(name.strip(), value.strip()),
            body=settings.cache_endpoint_body,
            allow_flush=settings.cache_allow_flush,
            timeout_s=settings.cache_budget,
        )

    def _patterns(self) -> tuple[str, ...]:
        from deploy_action.core.cache.patterns import escaped

        if not self.settings.cache_clear:
            return ()
        prefix = escaped(self.settings.cache_prefix.encode()).decode()
        return tuple(prefix + pattern for pattern in self.settings.cache_patterns)

    def _questions(self) -> Questions:
        settings = self.settings
        # A rollback has no checkout to take a smoke test from, and an older manifest is fine.
        deploying = settings.command is Command.DEPLOY
        return Questions(
            health_path=settings.health_path,
            passes=settings.health_passes,
            interval_s=settings.health_interval,
            timeout_s=settings.gate_timeout,
            identity_path=settings.identity_path,
            manifest_path=settings.served_manifest if deploying else "",
            manifest_sure=bool(settings.manifest_path),
            smoke_test=settings.smoke_test if deploying else "",
        )

    def _shell(self) -> Shell:
        return Shell(
            workspace=self.runner.workspace,
            environment=self._for_programs(),
            on_line=self.record.say,
        )

    def _for_programs(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(_OWN_VARIABLES)
        }

    def _file(self, name: str, relative: str) -> Path:
        """Return a file of the checkout."""
        from deploy_action.errors import InputError

        found = (self.runner.workspace / relative).resolve()
        if not found.is_file():
            raise InputError(
                f"Input {name}: '{relative}' must be a file.",
                hint="Check the path, and that actions/checkout ran before.",
            )
        return found

    def _inside(self, name: str, relative: str) -> Path:
        """Return a folder of the checkout, and none outside it."""
        from deploy_action.errors import InputError

        found = (self.runner.workspace / relative).resolve()
        if not found.is_relative_to(self.runner.workspace) or not found.is_dir():
            raise InputError(
                f"Input {name}: '{relative}' must be a folder inside the checkout.",
                hint="Check the path, and that actions/checkout ran before.",
            )
        return found


def _redis_identity(signed_in: SignIn, target: CacheTarget) -> tuple[str, str]:
    """Return the user and the token that Azure's Redis takes: the object id, and a fresh token.

    Source: Microsoft Learn, "Use Microsoft Entra ID for cache authentication".
    """
    token = signed_in.token(REDIS_SCOPE)
    return target.username or object_id_of(token), token


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value


def _executable(git: Git, path: str) -> bool:
    """Whether a file has a mode that GitHub's API would not keep."""
    try:
        found = git.file_at("HEAD", path)
    except DeployError:
        return False
    return found is not None and found.mode != "100644"
