"""The app's Redis: clear keys at low load, write metadata, read metrics."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.connection import DefaultParser
from redis.credentials import CredentialProvider
from redis.retry import Retry

from deploy_action.adapters.cache.count import count
from deploy_action.adapters.cache.errors import translate_errors
from deploy_action.adapters.cache.sweep import Budget, sweep
from deploy_action.adapters.cache.trace import traced
from deploy_action.core.cache.connection import CacheTarget
from deploy_action.core.cache.patterns import Glob
from deploy_action.core.cache.stats import (
    SAMPLES,
    Cleared,
    MatchingKeys,
    Metrics,
    PatternCleared,
)
from deploy_action.errors import InputError
from deploy_action.runtime.concurrency import all_of

_CONNECT_S, _ANSWER_S, _RETRIES = 3.0, 5.0, 3
_HURRIED_S = 1.0
_COUNT_S = 10.0
_LONGEST_RESPONSE = 8 << 20


class Cache:
    """One Redis, or one cluster of them; connected when it is first needed.

    Args:
        target: where it is.
        allow_flush: whether a pattern may match every key.
        budget_s: time limit of one clearing, in seconds.
        most_keys: how many keys one clearing may remove.
        ca: file of the authority that signed the server's certificate; empty takes the system's.
        progress_interval_s: interval between progress reports of a long clearing, in seconds.
        identity: returns user and password for each new connection, instead of those of *target*.
        say: receives progress messages.
    """

    def __init__(
        self,
        target: CacheTarget,
        *,
        allow_flush: bool = False,
        budget_s: float = 60.0,
        most_keys: int = 10_000_000,
        ca: str = "",
        progress_interval_s: float = 5.0,
        identity: Callable[[], tuple[str, str]] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._target = target
        self._allow_flush = allow_flush
        self._budget_s = budget_s
        self._most_keys = most_keys
        self._ca = ca
        self._progress_interval_s = progress_interval_s
        self._identity = identity
        self._say = say
        self._connected: Any = None
        self._cluster = False
        self._hurried = False

    def use_shutdown_timeouts(self) -> None:
        """Use time-outs of one second and no retries from now on: the job is being cancelled."""
        self.close()
        self._hurried = True
        self._budget_s = min(self._budget_s, _HURRIED_S)

    def clear(self, patterns: Sequence[str]) -> Cleared:
        """Remove every key that matches one of *patterns*, on all primaries at the same time.

        Raises:
            InputError: a pattern would empty the database, and that was not allowed.
            CacheError: Redis could not be reached, or refused.
        """
        globs = [Glob.of(pattern) for pattern in patterns]
        for glob in globs:
            if glob.matches_everything and not self._allow_flush:
                raise InputError(
                    f"Input cache-patterns: '{glob.text}' matches every key of the database.",
                    hint="Use a narrower pattern, such as manifest:*, or set cache-allow-flush to "
                    "true.",
                )
        with self._translate_errors("be cleared"):
            primaries = self._primaries()
            budget = Budget(
                end=time.monotonic() + self._budget_s,
                keys=self._most_keys // len(primaries),
                progress_interval_s=self._progress_interval_s,
            )
            done = all_of(
                [
                    partial(sweep, primary, globs, budget, apart=self._cluster, say=self._say)
                    for primary in primaries
                ]
            )
        return Cleared(
            patterns=tuple(
                PatternCleared(
                    pattern=glob.text,
                    removed=sum(result.counts[number] for result in done),
                    samples=tuple(s for result in done for s in result.samples[number])[:SAMPLES],
                )
                for number, glob in enumerate(globs)
            ),
            complete=all(result.complete for result in done),
        )

    def count(self, patterns: Sequence[str]) -> MatchingKeys:
        """Count the keys that match *patterns*, on all primaries at the same time; reads only.

        Raises:
            CacheError: Redis could not be reached, or refused.
        """
        globs = [Glob.of(pattern) for pattern in patterns]
        with self._translate_errors("be read"):
            end = time.monotonic() + min(self._budget_s, _COUNT_S)
            done = all_of(
                [partial(count, primary, globs, end=end) for primary in self._primaries()]
            )
        return MatchingKeys(
            patterns=tuple(
                (glob.text, sum(result.counts[number] for result in done))
                for number, glob in enumerate(globs)
            ),
            complete=all(result.complete for result in done),
        )

    def put(self, key: str, value: str, ttl_s: int) -> None:
        """Set *key* for *ttl_s* seconds; raises `CacheError`."""
        with self._translate_errors("be written"):
            self._client().set(key, value, ex=ttl_s)

    def push_history(self, key: str, value: str, keep: int, ttl_s: int) -> None:
        """Prepend *value* to the list at *key*; trim it to *keep* entries and set its TTL.

        Raises:
            CacheError: Redis could not be reached, or refused.
        """
        with self._translate_errors("be written"):
            pipe = self._client().pipeline(transaction=False)
            pipe.lpush(key, value)
            pipe.ltrim(key, 0, keep - 1)
            pipe.expire(key, ttl_s)
            pipe.execute()

    def get(self, key: str) -> str | None:
        """Return the value of *key*, or None; raises `CacheError`."""
        with self._translate_errors("be read"):
            value = self._client().get(key)
        return None if value is None else bytes(value).decode("utf-8", "replace")

    def ping(self) -> float:
        """Return how long one round trip takes, in milliseconds; raises `CacheError`."""
        with self._translate_errors("be reached"):
            client = self._client()
            began = time.perf_counter()
            client.ping()
            return (time.perf_counter() - began) * 1000

    def metrics(self) -> Metrics:
        """Return the server's metrics; raises `CacheError`."""
        with self._translate_errors("be queried"):
            primaries = self._primaries()
            began = time.perf_counter()
            primaries[0].ping()
            ping_ms = (time.perf_counter() - began) * 1000
            infos = [primary.info() for primary in primaries]
            keys = sum(int(primary.dbsize()) for primary in primaries)

        def total(name: str) -> int:
            return sum(int(info.get(name) or 0) for info in infos)

        return Metrics(
            keys=keys,
            hits=total("keyspace_hits"),
            misses=total("keyspace_misses"),
            evictions=total("evicted_keys"),
            used_memory=total("used_memory"),
            clients=total("connected_clients"),
            ping_ms=ping_ms,
        )

    def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    # -- connections ---------------------------------------------------------------------------

    def _client(self) -> Any:
        """Return a cluster client if needed: a plain client reaches only one shard."""
        if self._connected is None:
            target = self._target
            plain = _prepared(redis.Redis(**self._options(), db=target.database))
            self._cluster = _is_cluster(plain)
            if self._cluster:
                plain.close()
                remap = self._use_host_name if target.tls else None
                self._connected = traced(redis.RedisCluster(**self._options(), address_remap=remap))
            else:
                self._connected = plain
        return self._connected

    def _primaries(self) -> list[Any]:
        client = self._client()
        if not self._cluster:
            return [client]
        return [_prepared(client.get_redis_connection(node)) for node in client.get_primaries()]

    def _options(self) -> dict[str, Any]:
        target = self._target
        backoff = ExponentialWithJitterBackoff(cap=1.0, base=0.05)
        who: dict[str, Any] = {
            "username": target.username or None,
            "password": target.password or None,
        }
        if self._identity:
            who = {"credential_provider": _DynamicCredentials(self._identity)}
        secured = {"ssl_ca_certs": self._ca} if target.tls and self._ca else {}
        return {
            **who,
            **secured,
            "host": target.host,
            "port": target.port,
            "ssl": target.tls,
            "socket_connect_timeout": _HURRIED_S if self._hurried else _CONNECT_S,
            "socket_timeout": _HURRIED_S if self._hurried else _ANSWER_S,
            "retry": Retry(backoff, 0 if self._hurried else _RETRIES),
            "protocol": 2,
        }

    def _use_host_name(self, address: tuple[str, int]) -> tuple[str, int]:
        """Map the address of a node to the cache's host name, which its certificate contains."""
        host, port = address
        try:
            addresses = socket.getaddrinfo(self._target.host, None, type=socket.SOCK_STREAM)
        except OSError:
            return address
        same = host in {str(where[0]) for *_, where in addresses}
        return (self._target.host if same else host, port)

    def _translate_errors(self, what: str) -> AbstractContextManager[None]:
        return translate_errors(self._target, what)


class _DynamicCredentials(CredentialProvider):
    """Gives each new connection fresh credentials from *identity*."""

    def __init__(self, identity: Callable[[], tuple[str, str]]) -> None:
        self._identity = identity

    def get_credentials(self) -> tuple[str, str]:
        """Return user and password."""
        return self._identity()


def _is_cluster(client: Any) -> bool:
    """Ask the server. Azure's role Data Contributor allows CLUSTER but not INFO."""
    try:
        return bool(client.info("cluster").get("cluster_enabled"))
    except redis.exceptions.NoPermissionError:
        pass
    except redis.ResponseError as error:
        if "unknown" not in str(error).lower():
            raise
    try:
        client.execute_command("CLUSTER INFO")
    except redis.ResponseError:
        return False  # one endpoint, whatever is behind it
    return True


class _BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]  # one of two, untyped
    """Rejects a response that is larger than any expected one."""

    _reader: Any

    def on_connect(self, connection: Any, **options: Any) -> None:
        """Limit the bytes that the C reader receives."""
        super().on_connect(connection, **options)
        self._reader = _BoundedReader(self._reader)

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read one response."""
        self._reader.received = 0
        return super().read_response(*args, **options)


class _BoundedReader:
    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.received = 0

    def feed(self, data: Any, start: int, length: int) -> None:
        self.received += length
        if self.received > _LONGEST_RESPONSE:
            raise redis.exceptions.InvalidResponse("the response is too large")
        self._reader.feed(data, start, length)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def _prepared(client: Any) -> Any:
    """Limit the responses of a client of one node, and record its commands; return it."""
    if client.connection_pool.connection_kwargs.get("parser_class") is _BoundedParser:
        return client  # a cluster returns the same client again
    client.connection_pool.connection_kwargs["parser_class"] = _BoundedParser
    return traced(client)
