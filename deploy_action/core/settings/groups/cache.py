"""The cache."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers, warmup
from deploy_action.core.settings.choices import CacheAuth, CacheVia, Moment
from deploy_action.core.settings.spec import setting
from deploy_action.core.settings.warmup import WarmupEntry


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Access to the cache, clearing and warming."""

    cache_url: str = setting(
        parsers.text,
        "",
        "Redis, as a rediss:// URL or as a connection string from the Azure portal. Leave "
        "empty if there is no cache.",
        secret=True,
        is_input=True,
    )
    cache_patterns: tuple[str, ...] = setting(
        parsers.key_patterns, "", "Keys to clear, one Redis pattern per line, such as manifest:*."
    )
    cache_clear: tuple[Moment, ...] = setting(
        parsers.subset_of(Moment),
        "before,after",
        "When to clear: before (the deployment), after (the promotion), both, or none.",
    )
    cache_required: bool = setting(
        parsers.boolean,
        "false",
        "Whether a cache that cannot be cleared fails the deployment.",
    )
    cache_allow_flush: bool = setting(
        parsers.boolean, "false", "Whether a pattern may match every key of the database."
    )
    cache_metadata_ttl_s: float = setting(
        parsers.duration, "168h", "Lifetime of the deployment's metadata in the cache."
    )
    cache_via: CacheVia = setting(
        parsers.one_of(CacheVia),
        "redis",
        "How to reach the cache: redis, endpoint (the app clears it itself, for a Redis without a "
        "public address) or none.",
    )
    cache_auth: CacheAuth = setting(
        parsers.one_of(CacheAuth),
        "key",
        "How to authenticate to Redis: key (from cache-url) or entra (the identity that signs in "
        "to Azure).",
    )
    cache_ca_file: str = setting(
        parsers.text,
        "",
        "CA certificate file for Redis, relative to working-directory. Defaults to the system's.",
    )
    cache_prefix: str = setting(
        parsers.text, "", "Prefix of all keys of the app. It is added to each pattern."
    )
    cache_timeout_s: float = setting(
        parsers.duration, "60s", "Timeout of each clearing of the cache."
    )
    cache_max_keys: int = setting(
        parsers.integer(1, 999_999_999),
        "10000000",
        "Maximum number of keys to remove each time the cache is cleared.",
    )
    cache_endpoint: str = setting(
        parsers.text,
        "",
        "For cache-via: endpoint, a path of the app or a full https:// URL. {revision-host} is "
        "replaced by the host name of the serving revision.",
    )
    cache_endpoint_header: str = setting(
        parsers.header,
        "",
        "For cache-via: endpoint, a secret header, as NAME: VALUE.",
        secret=True,
    )
    cache_endpoint_body: str = setting(
        parsers.text,
        '{"patterns": {patterns}}',
        "For cache-via: endpoint, the request body. {patterns} is replaced by a JSON list.",
    )
    cache_warm: tuple[WarmupEntry, ...] = setting(
        parsers.list_of(warmup.parse),
        "",
        "Cache entries to warm after promotion, one per line: KEY = TEXT @ 24h, KEY = GET /path, "
        "or GET /path. {version}, {revision} and other values are replaced.",
    )
    cache_warm_ttl_s: float = setting(parsers.duration, "24h", "Default lifetime of warmed keys.")
    cost_per_miss: float = setting(
        parsers.decimal, "0", "Cost of one cache miss, for the savings estimate."
    )
