"""Make the cache's maintenance: through Redis, through the app's own endpoint, or none."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.adapters.credentials import REDIS_SCOPE, SignIn, object_id_of
from deploy_action.core.settings.choices import CacheAuth, CacheVia
from deploy_action.errors import InputError
from deploy_action.rollout.cache import CacheMaintenance
from deploy_action.runtime import credential_hosts

if TYPE_CHECKING:
    from deploy_action.adapters.cache import Cache
    from deploy_action.adapters.cache.http_endpoint import CacheEndpoint
    from deploy_action.core.cache.connection import CacheTarget
    from deploy_action.core.settings.schema import Settings
    from deploy_action.services import Services


def make_cache(services: Services) -> CacheMaintenance:
    """Return the cache maintenance of this run."""
    settings = services.settings
    return CacheMaintenance(
        cache=_redis(services),
        endpoint=partial(_endpoint, services) if settings.cache_via is CacheVia.ENDPOINT else None,
        patterns=_patterns(settings),
        required=settings.cache_required,
        ttl_s=int(settings.cache_metadata_ttl_s),
        warming=settings.cache_warm,
        warm_ttl_s=settings.cache_warm_ttl_s,
        cost_per_miss=settings.cost_per_miss,
        probes=services.probes,
        record=services.record,
        cancelled=lambda: services.signals.cancelled,
    )


def _redis(services: Services) -> Cache | None:
    settings = services.settings
    if not settings.cache_url or settings.cache_via is not CacheVia.REDIS:
        return None
    from deploy_action.adapters.cache import Cache  # noqa: PLC0415  loads the Redis client
    from deploy_action.core.cache.connection import parse  # noqa: PLC0415  only with a cache

    services.secret(settings.cache_url)
    target = parse(settings.cache_url)
    if target.password:
        services.secret(target.password)
    if target.ignored:
        services.record.say(f"cache-url: {', '.join(target.ignored)} are ignored")
    ca = (
        str(cache_file(services.runner.workspace, settings.cache_ca_file))
        if settings.cache_ca_file
        else ""
    )
    entra = settings.cache_auth is CacheAuth.ENTRA
    if entra:
        credential_hosts.require_redis(target.host)
    return Cache(
        target,
        allow_flush=settings.cache_allow_flush,
        budget_s=settings.cache_timeout_s,
        most_keys=settings.cache_max_keys,
        ca=ca,
        identity=partial(_identity, services.signed_in, target) if entra else None,
        say=services.record.say,
    )


def _endpoint(services: Services, host: str, serving: str) -> CacheEndpoint:
    from deploy_action.adapters.cache.http_endpoint import (  # noqa: PLC0415  only with an endpoint
        CacheEndpoint,
    )

    settings = services.settings
    name, _, value = settings.cache_endpoint_header.partition(":")
    if value.strip():
        services.secret(value.strip())
    url = settings.cache_endpoint.replace("{revision-host}", serving)
    return CacheEndpoint(
        url if url.startswith("https://") else f"https://{host}/{url.lstrip('/')}",
        header=(name.strip(), value.strip()),
        body=settings.cache_endpoint_body,
        allow_flush=settings.cache_allow_flush,
        timeout_s=settings.cache_timeout_s,
    )


def _patterns(settings: Settings) -> tuple[str, ...]:
    from deploy_action.core.cache.patterns import escaped  # noqa: PLC0415  only with a cache

    if not settings.cache_clear:
        return ()
    prefix = escaped(settings.cache_prefix.encode()).decode()
    return tuple(prefix + pattern for pattern in settings.cache_patterns)


def cache_file(workspace: Path, relative: str) -> Path:
    """Return a file of the checkout."""
    file = (workspace / relative).resolve()
    if not file.is_file():
        raise InputError(
            f"cache-ca-file: '{relative}' must be a file.",
            hint="Check the path, and that actions/checkout ran before.",
        )
    return file


def _identity(signed_in: SignIn, target: CacheTarget) -> tuple[str, str]:
    """Return the user name and password for Azure's Redis: the object id and a fresh token.

    Source: Microsoft Learn, "Use Microsoft Entra ID for cache authentication".
    """
    token = signed_in.token(REDIS_SCOPE)
    return target.username or object_id_of(token), token
