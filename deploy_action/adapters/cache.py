"""The app's Redis: cleared gently, told what serves, asked how it does.

Clearing is one cursor scan over each primary for all patterns together; the keys that match are
unlinked in the same round trip that asks for the next ones. A scan may miss keys that come while it
runs; a deployment therefore clears once more after the users have moved.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from deploy_action.core.cache_target import CacheTarget
from deploy_action.core.glob import Glob, common_prefix, escaped
from deploy_action.errors import DeployError, InputError

_CONNECT_S, _ANSWER_S, _RETRIES = 3.0, 5.0, 3
_FEWEST, _FIRST, _MOST = 500, 5000, 10_000
_SLOW_S, _QUICK_S = 0.04, 0.01


class CacheError(DeployError):
    """Redis could not do what was asked; the message names it and what to check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternCleared:
    """How many keys one pattern removed; a key counts for the first pattern that matches it."""

    pattern: str
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """How a clearing went; not *complete* when its time was over first."""

    patterns: tuple[PatternCleared, ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What the server says of itself, summed over primaries; memory in bytes."""

    keys: int
    hits: int
    misses: int
    evictions: int
    used_memory: int
    clients: int

    @property
    def hit_rate(self) -> float | None:
        """The share of reads that found something, or None before the first read."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else None


class Cache:
    """One Redis, or one cluster of them; connected when it is first needed.

    Args:
        target: where it is.
        allow_flush: whether a pattern may match every key.
        budget_s: how long one clearing may take, in seconds.
    """

    def __init__(
        self, target: CacheTarget, *, allow_flush: bool = False, budget_s: float = 60.0
    ) -> None:
        self._target = target
        self._allow_flush = allow_flush
        self._budget_s = budget_s
        self._connected: Any = None
        self._cluster = False

    def clear(self, patterns: Sequence[str]) -> Cleared:
        """Remove every key that matches one of *patterns*.

        Raises:
            InputError: a pattern would empty the database, and that was not allowed.
            CacheError: Redis could not be reached, or refused.
        """
        globs = [Glob.of(pattern) for pattern in patterns]
        for glob in globs:
            if glob.matches_everything and not self._allow_flush:
                raise InputError(
                    f"Input cache-patterns: '{glob.text}' matches every key of the database.",
                    hint="Name what is to go, such as manifest:*, or set cache-allow-flush to "
                    "true.",
                )
        counts = [0] * len(globs)
        end = time.monotonic() + self._budget_s
        with self._told("be cleared"):
            sweeps = [self._sweep(primary, globs, counts, end) for primary in self._primaries()]
        return Cleared(
            patterns=tuple(
                PatternCleared(pattern=glob.text, removed=count)
                for glob, count in zip(globs, counts, strict=True)
            ),
            complete=all(sweeps),
        )

    def put(self, key: str, value: str, ttl_s: int) -> None:
        """Set *key* for *ttl_s* seconds; raises `CacheError`."""
        with self._told("be written"):
            self._client().set(key, value, ex=ttl_s)

    def push_history(self, key: str, value: str, keep: int, ttl_s: int) -> None:
        """Put *value* in front of the list at *key*, of which *keep* are kept for *ttl_s* seconds.

        Raises:
            CacheError: Redis could not be reached, or refused.
        """
        with self._told("be written"):
            pipe = self._client().pipeline(transaction=False)
            pipe.lpush(key, value)
            pipe.ltrim(key, 0, keep - 1)
            pipe.expire(key, ttl_s)
            pipe.execute()

    def get(self, key: str) -> str | None:
        """Return what is at *key*, or None; raises `CacheError`."""
        with self._told("be read"):
            found = self._client().get(key)
        return None if found is None else bytes(found).decode("utf-8", "replace")

    def ping(self) -> float:
        """Return how long one round trip takes, in milliseconds; raises `CacheError`."""
        with self._told("be reached"):
            client = self._client()
            began = time.perf_counter()
            client.ping()
            return (time.perf_counter() - began) * 1000

    def metrics(self) -> Metrics:
        """Return what the server says of itself; raises `CacheError`."""
        with self._told("be asked"):
            primaries = self._primaries()
            told = [primary.info() for primary in primaries]
            keys = sum(int(primary.dbsize()) for primary in primaries)

        def total(name: str) -> int:
            return sum(int(one.get(name) or 0) for one in told)

        return Metrics(
            keys=keys,
            hits=total("keyspace_hits"),
            misses=total("keyspace_misses"),
            evictions=total("evicted_keys"),
            used_memory=total("used_memory"),
            clients=total("connected_clients"),
        )

    def close(self) -> None:
        """Let go of the connections."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    # -- connections ---------------------------------------------------------------------------

    def _client(self) -> Any:
        """Return a client that fits the server: a plain one sees one shard of a cluster only."""
        if self._connected is None:
            plain = redis.Redis(**self._options(), db=self._target.database)
            self._cluster = _is_cluster(plain)
            if self._cluster:
                plain.close()
                self._connected = redis.RedisCluster(**self._options())
            else:
                self._connected = plain
        return self._connected

    def _primaries(self) -> list[Any]:
        client = self._client()
        if not self._cluster:
            return [client]
        return [client.get_redis_connection(node) for node in client.get_primaries()]

    def _options(self) -> dict[str, Any]:
        target = self._target
        backoff = ExponentialWithJitterBackoff(cap=1.0, base=0.05)
        return {
            "host": target.host,
            "port": target.port,
            "username": target.username or None,
            "password": target.password or None,
            "ssl": target.tls,
            "socket_connect_timeout": _CONNECT_S,
            "socket_timeout": _ANSWER_S,
            "retry": Retry(backoff, _RETRIES),
            "protocol": 2,
        }

    # -- clearing ------------------------------------------------------------------------------

    def _sweep(self, primary: Any, globs: list[Glob], counts: list[int], end: float) -> bool:
        """Scan one primary to its end; False when the time was over first."""
        prefix = escaped(common_prefix(globs))
        remove = _Remover(primary, counts, apart=self._cluster)
        cursor, size = 0, _FIRST
        while True:
            began = time.monotonic()
            cursor, keys = remove.and_then(
                lambda pipe: pipe.scan(cursor, match=prefix + b"*", count=size)  # noqa: B023  now
            )
            took = time.monotonic() - began
            size = _next_size(size, took)
            for key in keys:
                for number, glob in enumerate(globs):
                    if glob.matches(key):
                        remove.add(number, key)
                        break
            if not cursor:
                remove.rest()
                return True
            if time.monotonic() > end:
                remove.rest()
                return False

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn the library's exceptions into sentences without a secret."""
        try:
            yield
        except (redis.RedisError, OSError) as error:
            why, hint = _why(error)
            raise CacheError(
                f"Redis at {self._target} could not {what}: {why}.", hint=hint
            ) from None


class _Remover:
    """Unlinks keys in the round trip of the next question.

    Args:
        client: of one node.
        counts: where removed keys are counted, by pattern.
        apart: one command a key, as a cluster's nodes want it.
    """

    def __init__(self, client: Any, counts: list[int], *, apart: bool) -> None:
        self._client = client
        self._counts = counts
        self._apart = apart
        self._by_pattern: dict[int, list[bytes]] = {}

    def add(self, number: int, key: bytes) -> None:
        """Remove *key*, which pattern *number* matched, next time."""
        self._by_pattern.setdefault(number, []).append(key)

    def and_then(self, ask: Callable[[Any], Any]) -> Any:
        """Remove what was added, ask, and return the answer."""
        pipe = self._client.pipeline(transaction=False)
        numbers = []
        for number, keys in self._by_pattern.items():
            for group in [[key] for key in keys] if self._apart else [keys]:
                pipe.unlink(*group)
                numbers.append(number)
        self._by_pattern = {}
        ask(pipe)
        *removed, answer = pipe.execute()
        for number, count in zip(numbers, removed, strict=True):
            self._counts[number] += int(count)
        return answer

    def rest(self) -> None:
        """Remove what was added last."""
        if self._by_pattern:
            self.and_then(lambda pipe: pipe.ping())


def _next_size(size: int, took: float) -> int:
    """Ask for less when the server was held up, for more when it was quick."""
    if took > _SLOW_S:
        return max(_FEWEST, size // 2)
    return min(_MOST, size * 2) if took < _QUICK_S else size


def _is_cluster(client: Any) -> bool:
    """Ask the server; one that may not be asked looks like a single node to its clients."""
    try:
        return bool(client.info("cluster").get("cluster_enabled"))
    except redis.ResponseError as error:
        if "NOPERM" in str(error) or "unknown" in str(error).lower():
            return False
        raise


def _why(error: BaseException) -> tuple[str, str]:
    """Return what went wrong, and what to look at; nothing of the library's own text."""
    chain: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None and seen not in chain:
        chain.append(seen)
        seen = seen.__cause__ or seen.__context__
    where = "Check host, port and TLS in cache-url, and whether this runner may reach it."
    text = str(error).upper()
    for kinds, why, hint in (
        ((socket.gaierror,), "the name does not resolve", where),
        (
            (ssl.SSLError,),
            "TLS failed",
            "Check port and scheme: 6380 and 10000 speak TLS.",
        ),
        ((ConnectionRefusedError,), "the connection was refused", where),
        ((redis.AuthenticationError,), "user or password were refused", "Renew the access key."),
        ((redis.ReadOnlyError,), "it is a replica and cannot be written", "Name the primary."),
        ((redis.OutOfMemoryError,), "its memory is full", "Raise its size or its eviction policy."),
        ((redis.BusyLoadingError,), "it is still loading its data", "Wait, then run again."),
        (
            (redis.exceptions.NoPermissionError,),
            "this user may not do that",
            "Grant scan, unlink and set.",
        ),
        ((redis.TimeoutError, TimeoutError), "it did not answer in time", where),
    ):
        if any(isinstance(one, kinds) for one in chain):
            return why, hint
    if "NOAUTH" in text or "WRONGPASS" in text:
        return "user or password were refused", "Renew the access key."
    return f"{type(error).__name__}", where
