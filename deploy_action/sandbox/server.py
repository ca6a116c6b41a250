"""Puts the parts of the local Azure together, starts them, and writes what clients need."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import shutil
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deploy_action.sandbox import entra as identity
from deploy_action.sandbox import github_api
from deploy_action.sandbox.acr_tasks import Builder, Tasks
from deploy_action.sandbox.acr_tasks.tasks import name_of
from deploy_action.sandbox.admin import Admin
from deploy_action.sandbox.app_insights import KIND as COMPONENTS
from deploy_action.sandbox.app_insights import AppInsights, Component
from deploy_action.sandbox.arm import Arm
from deploy_action.sandbox.arm.foundations import Foundations, new_domain
from deploy_action.sandbox.arm.polling import Addresses
from deploy_action.sandbox.arm.storages import Storages
from deploy_action.sandbox.certificates import Authority
from deploy_action.sandbox.faults import Faults
from deploy_action.sandbox.front import Front
from deploy_action.sandbox.github_api import GitHubApi
from deploy_action.sandbox.interfaces import Service
from deploy_action.sandbox.live import History, Sampler
from deploy_action.sandbox.log_analytics import LogAnalytics, Workspace
from deploy_action.sandbox.log_analytics.service import AUDIENCE as LOG_ANALYTICS_AUDIENCE
from deploy_action.sandbox.log_analytics.service import HOST as LOG_ANALYTICS
from deploy_action.sandbox.log_analytics.service import KIND as WORKSPACES
from deploy_action.sandbox.logstreams import LogStreams
from deploy_action.sandbox.monitor import GaugeSampler, Metrics, MetricSettings
from deploy_action.sandbox.plane import Plane
from deploy_action.sandbox.receivers import Inbox, Slack, Teams, Webhook, slack
from deploy_action.sandbox.receivers import webhook as signed_webhook
from deploy_action.sandbox.receivers.teams import is_teams
from deploy_action.sandbox.registry import Registry
from deploy_action.sandbox.registry.debian import DebianRegistry
from deploy_action.sandbox.requestlog import RequestLog
from deploy_action.sandbox.runtime import ProcessRuntime
from deploy_action.sandbox.sample import SETTINGS_FILE, simple_settings
from deploy_action.sandbox.services import GitRemote, RedisServer
from deploy_action.sandbox.tenant import Tenant
from deploy_action.sandbox.world import Clock, Environment, World
from deploy_action.sandbox.world.ingress import Ingress

if TYPE_CHECKING:
    from deploy_action.sandbox.runtime.containers import ContainerRuntime

ROOT: Final = Path(__file__).resolve().parents[2]
LOCATION: Final = "East US"
# The two environments of the sample: resource group, its environment's name, its registry.
HOMES: Final = (
    ("TheWell-Infra-East", "well-intake-env", "wellintakeregistry"),
    ("TheWell-Dev-East", "well-intake-env-dev", "wellintakeregistrydev"),
)
# A registry that teams share: in a subscription of its own, with a domain name label.
SHARED_GROUP: Final = "Shared-Images"
SHARED_REGISTRY: Final = "sharedimages-b7c3d9e1f2a4h6j8.azurecr.io"
_RETRY_AFTER_S: Final = 15  # recorded since March 2024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a sandbox.

    Args:
        directory: contains everything that it writes; created, and removed at the end.
        factor: real seconds for one of Azure's.
        retry_after_s: Retry-After of polling responses; None scales Azure's 15 seconds.
        status_url: whether PATCH answers with ``Azure-AsyncOperation`` beside ``Location``.
        silent_suffix: whether a suffix that is taken is accepted and deploys nothing, as in 2023.
        faults: scripted faults; see `faults` for the fields.
        let_through: whether requests to hosts that are not Azure's are passed on.
        metrics_lag_s: the delay of Azure Monitor, in seconds of the sandbox's clock.
        debian_registry: keep images in Debian's docker-registry instead of the embedded store.
        replicas: run replicas as ``processes`` or as ``containers`` of a Docker engine.
        strict_images: refuse images of public registries instead of running a stand-in.
    """

    directory: Path
    factor: float
    retry_after_s: int | None = None
    status_url: bool = True
    silent_suffix: bool = False
    faults: Sequence[Mapping[str, Any]] = ()
    debian_registry: bool = False
    replicas: str = "processes"
    strict_images: bool = False
    let_through: bool = False
    metrics_lag_s: float = 90.0


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[dict[str, str]]:
    """Run a local Azure while the block runs; yield the environment for its clients.

    Raises:
        RuntimeError: a part of it could not start.
        FileExistsError: the directory is there already.
    """
    options.directory.mkdir(mode=0o700, parents=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, options.directory, ignore_errors=True)
        environment = await _started(options, stack)
        # Modules and services stay until the end: garbage collections need not look at them.
        gc.collect()
        gc.freeze()
        yield environment


async def _started(options: Options, stack: contextlib.AsyncExitStack) -> dict[str, str]:
    directory = options.directory
    redis = RedisServer(directory / "redis")
    remote = GitRemote(directory / "git")
    redis_url, _ = await asyncio.gather(redis.start(), _seed(remote))
    stack.push_async_callback(redis.close)

    github = identity.GitHub(subject="repo:the-well/well-intake:environment:prod")
    subscription, shared = str(uuid.uuid4()), str(uuid.uuid4())
    tenant = Tenant(
        github=github,
        subscription=subscription,
        groups=[group for group, _, _ in HOMES],
        registries={f"{name}.azurecr.io": group for group, _, name in HOMES},
        location=_region(LOCATION),
    )
    entra = tenant.entra

    upstream = None
    if options.debian_registry:
        store = DebianRegistry(directory / "registry-store")
        upstream = await store.start()
        stack.push_async_callback(store.close)
    registry = Registry(
        directory=directory / "registry",
        hosts=[*(f"{name}.azurecr.io" for _, _, name in HOMES), SHARED_REGISTRY],
        check_token=lambda token: bool(tenant.registry_caller(token)),
        owner=tenant.registry_caller,
        allows=tenant.registry_rights.allows,
        upstream=upstream,
        strict=options.strict_images,
    )
    stack.push_async_callback(registry.close)
    builder = Builder(registry=registry)
    tasks = Tasks(
        registry=registry,
        directory=directory / "tasks",
        builder=builder,
        groups={
            **{name: _home(subscription, group) for group, _, name in HOMES},
            name_of(SHARED_REGISTRY): _home(shared, SHARED_GROUP),
        },
        location=_region(LOCATION),
        created=tenant.registry_rights.add,
    )
    stack.push_async_callback(tasks.close)

    clock, faults = Clock(options.factor), Faults(options.faults)
    runtime = _runtime(options, registry, clock)
    stack.push_async_callback(runtime.close)
    world = World(
        environments=_environments(subscription),
        images=registry,
        runtime=runtime,
        clock=clock,
        identities=tenant.managed,
        silent_suffix=options.silent_suffix,
    )
    stack.push_async_callback(world.close)
    log = RequestLog()
    ingress = Ingress(world)
    plane = Plane(ingress, faults=faults, clock=clock, on_request=log.add)
    stack.push_async_callback(plane.close)

    sampling = GaugeSampler(world)
    sampling.start()
    stack.push_async_callback(sampling.close)
    streams = LogStreams(world)
    metrics = Metrics(world, MetricSettings(lag_s=options.metrics_lag_s))
    insights = AppInsights(_components(subscription))
    logs = LogAnalytics(
        world,
        _workspaces(subscription),
        allowed=lambda token: entra.accepts(token, LOG_ANALYTICS_AUDIENCE),
    )
    addresses = Addresses()
    foundations = Foundations(
        world=world,
        subscription=subscription,
        addresses=addresses,
        retry_after_s=_retry_after(options),
        connect=logs.connect,
    )
    stack.push_async_callback(foundations.close)
    inbox = Inbox()
    webhook, teams = Webhook(inbox), Teams(inbox)
    arm = Arm(
        world=world,
        subscription=subscription,
        shared_subscription=shared,
        tenant=entra.tenant,
        retry_after_s=_retry_after(options),
        status_url=options.status_url,
        allowed=lambda token: entra.accepts(token, *identity.ARM_AUDIENCES),
        registries=tasks.handle_arm,
        streams=streams,
        monitor=metrics,
        registry_list=tasks.registries,
        authorizer=tenant.authorizer,
        extensions=(
            *tenant.providers,
            Storages(world).handle,
            insights.handle_arm,
            logs.handle_arm,
            foundations.handle,
        ),
        addresses=addresses,
    )
    api = GitHubApi({"the-well/well-intake": remote.path})
    services: dict[str, Service] = {
        github_api.HOST: api,
        "management.azure.com": arm,
        identity.LOGIN: entra,
        "login.windows.net": entra,
        tasks.blob_host: tasks,
        **dict.fromkeys(identity.GITHUB_HOSTS, github),
        **dict.fromkeys(insights.hosts, insights),
        LOG_ANALYTICS: logs,
        slack.HOST: Slack(inbox),
        signed_webhook.HOST: webhook,
    }

    sampler = Sampler(
        History(), world=world, faults=faults, redis_url=redis_url, repository=remote.path
    )
    sampler.start()
    stack.push_async_callback(sampler.close)
    authority = Authority(directory)
    front = Front(
        authority=authority,
        hosts=lambda host: (
            services.get(host)
            or tenant.service(host)
            or (registry if host in registry.hosts else None)
            or (streams if host.endswith(".azurecontainerapps.dev") else None)
            or (teams if is_teams(host) else None)
        ),
        plane=lambda host: plane.protocol() if ingress.serves(host) else None,
        local=Admin(
            world=world,
            log=log,
            faults=faults,
            builder=builder,
            sampler=sampler,
            github=api,
            metrics=metrics.settings,
            inbox=inbox,
            telemetry=insights.telemetry,
            tenant=tenant,
        ),
        on_request=log.add,
        faults=faults,
        clock=clock,
        let_through=options.let_through,
    )
    port = await front.start()
    stack.push_async_callback(front.close)
    return {
        **_on_the_network(f"http://127.0.0.1:{port}", str(_trusted(options, authority.ca_file))),
        "ACTIONS_ID_TOKEN_REQUEST_URL": github.request_url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": github.request_token,
        "AZURE_CLIENT_ID": entra.client,
        "AZURE_TENANT_ID": entra.tenant,
        "AZURE_SUBSCRIPTION_ID": subscription,
        "SANDBOX_SHARED_SUBSCRIPTION": shared,
        "AZURE_REDIS_CONNECTION_STRING": redis_url,
        "SANDBOX_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_GIT_REMOTE": str(remote.path),
        "SANDBOX_DIRECTORY": str(directory),
        "SANDBOX_CLIENT_SECRET": entra.secret,
        "SANDBOX_GITHUB_TOKEN": api.token,
        "SANDBOX_WEBHOOK_SECRET": webhook.secret,
        "SANDBOX_APP_INSIGHTS": next(iter(insights.components.values())).connection_string,
    }


def _trusted(options: Options, ca_file: Path) -> Path:
    """Return the CA file for clients; it includes the public CAs with `let_through`."""
    if not options.let_through:
        return ca_file
    usual = ssl.get_default_verify_paths().cafile
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    known = [Path(file) for file in (*named, usual, "/etc/ssl/certs/ca-certificates.crt") if file]
    both = options.directory / "trusted.pem"
    certificates = [file.read_text("utf-8") for file in dict.fromkeys(known) if file.is_file()]
    both.write_text(ca_file.read_text("utf-8") + "".join(certificates), "utf-8")
    return both


def _on_the_network(proxy: str, ca_file: str) -> dict[str, str]:
    """Return the variables that make requests, curl, OpenSSL, Node and git use the sandbox."""
    local = "localhost,127.0.0.1"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": local,
        "no_proxy": local,
        "REQUESTS_CA_BUNDLE": ca_file,
        "CURL_CA_BUNDLE": ca_file,
        "SSL_CERT_FILE": ca_file,
        "NODE_EXTRA_CA_CERTS": ca_file,
        "GIT_SSL_CAINFO": ca_file,
    }


def write_environment(file: Path, environment: dict[str, str]) -> None:
    """Write ``KEY=VALUE`` lines, readable by this user alone, all at once or not at all."""
    text = "".join(f"{name}={value}\n" for name, value in environment.items())
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    draft.replace(file)


async def _seed(remote: GitRemote) -> None:
    """Put the sample on a remote, for users without a repository of their own."""
    files: dict[str, bytes | Path] = {
        path: ROOT / path for path in ("addin", ".github/workflows") if (ROOT / path).exists()
    }
    if (ROOT / SETTINGS_FILE).exists():
        files[SETTINGS_FILE] = simple_settings().encode()
    await remote.seed(files, "The add-in as it serves today")


def _environments(subscription: str) -> list[Environment]:
    return [
        Environment(
            id=f"{_home(subscription, group)}/providers/Microsoft.App/managedEnvironments/{name}",
            name=name,
            group=group,
            location=LOCATION,
            domain=new_domain(LOCATION),
            created=datetime.now(UTC),
        )
        for group, name, _ in HOMES
    ]


def _workspaces(subscription: str) -> list[Workspace]:
    """Return a workspace of Log Analytics for each environment."""
    workspaces = []
    for group, environment, _ in HOMES:
        name = f"{environment}-logs"
        resource = f"{_home(subscription, group)}/providers/{WORKSPACES}/{name}"
        workspaces.append(Workspace(resource, name, group, _region(LOCATION), environment))
    return workspaces


def _components(subscription: str) -> list[Component]:
    """Return a component of Application Insights for each environment."""
    components = []
    for group, environment, _ in HOMES:
        name = f"{environment}-insights"
        resource = f"{_home(subscription, group)}/providers/{COMPONENTS}/{name}"
        components.append(Component(resource, name, group, _region(LOCATION)))
    return components


def _home(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def _runtime(
    options: Options, registry: Registry, clock: Clock
) -> ProcessRuntime | ContainerRuntime:
    if options.replicas == "containers":
        from deploy_action.sandbox.runtime.containers import ContainerRuntime  # noqa: PLC0415  Docker's client

        return ContainerRuntime(images=registry, now=clock.now)
    directory = options.directory / "runtime"
    return ProcessRuntime(directory=directory, images=registry, now=clock.now)


def _region(location: str) -> str:
    return location.lower().replace(" ", "")


def _retry_after(options: Options) -> int:
    if options.retry_after_s is not None:
        return options.retry_after_s
    # Never 0: clients read that as "no header" and take their own interval, often 30 seconds.
    return max(1, round(_RETRY_AFTER_S * min(options.factor, 1.0)))
