"""The cache adapter with a real Redis: deleted keys, remaining keys, and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy_action.adapters.cache import Cache, CacheError
from deploy_action.core.cache.connection import parse
from deploy_action.core.cache.patterns import Glob, which_of
from deploy_action.errors import InputError
from deploy_action.sandbox.services import RedisServer


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis server for this module."""
    with asyncio.Runner() as runner:
        server = RedisServer(tmp_path_factory.mktemp("redis"))
        yield runner.run(server.start())
        runner.run(server.close())


@pytest.fixture
def outside(url: str) -> Iterator[redis.Redis]:
    """A second client, on an empty database."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def cache(url: str) -> Iterator[Cache]:
    cache = Cache(parse(url))
    yield cache
    cache.close()


def test_only_matching_keys_are_deleted(cache: Cache, outside: redis.Redis) -> None:
    gone = {f"{kind}:{number}": "x" for kind in ("manifest", "config") for number in range(10_000)}
    kept = {f"session:{number}": "x" for number in range(10_000)} | {"manifest": "x", "": "x"}
    outside.mset({**gone, **kept})

    done = cache.clear(["manifest:*", "config:*", "nothing:*"])

    assert done.complete
    assert [(item.pattern, item.removed) for item in done.patterns] == [
        ("manifest:*", 10_000),
        ("config:*", 10_000),
        ("nothing:*", 0),
    ]
    assert set(cast("list[bytes]", outside.keys("*"))) == {key.encode() for key in kept}


def test_a_clearing_over_its_time_limit_is_incomplete(url: str, outside: redis.Redis) -> None:
    outside.mset({f"config:{number}": "x" for number in range(30_000)})
    cache = Cache(parse(url), budget_s=0)

    done = cache.clear(["config:*"])

    assert not done.complete
    assert 0 < done.patterns[0].removed < 30_000
    assert outside.dbsize() == 30_000 - done.patterns[0].removed
    cache.close()


def test_keys_are_counted_as_a_clearing_would_count_them_and_none_is_removed(
    cache: Cache, outside: redis.Redis
) -> None:
    names = {f"{kind}:{number}" for kind in ("manifest", "config") for number in range(3_000)}
    outside.mset(dict.fromkeys({*names, "session:1", "manifest"}, "x"))

    counted = cache.count(["manifest:*", "*fig:*", "config:1*", "nothing:*"])

    assert counted.complete
    assert counted.patterns == (
        ("manifest:*", 3_000),
        ("*fig:*", 3_000),
        ("config:1*", 0),
        ("nothing:*", 0),
    )
    assert outside.dbsize() == 6_002


def test_a_count_whose_time_is_over_says_so(url: str, outside: redis.Redis) -> None:
    outside.mset({f"config:{number}": "x" for number in range(30_000)})
    cache = Cache(parse(url), budget_s=0)

    counted = cache.count(["config:*"])

    assert not counted.complete
    assert 0 < counted.patterns[0][1] < 30_000
    cache.close()


@pytest.mark.parametrize("pattern", ["*", "**", "?*", "*?"])
def test_a_pattern_that_would_empty_the_database_is_refused(
    cache: Cache, outside: redis.Redis, url: str, pattern: str
) -> None:
    outside.set("session:1", "x")

    with pytest.raises(InputError, match="matches every key"):
        cache.clear(["config:*", pattern])

    assert outside.dbsize() == 1
    allowed = Cache(parse(url), allow_flush=True)
    allowed.clear([pattern])
    allowed.close()
    assert outside.dbsize() == 0


def test_values_and_history_expire(cache: Cache, outside: redis.Redis) -> None:
    cache.put("deployment:current", "now", 60)
    for number in range(5):
        cache.push_history("deployment:history", f"run {number}", keep=3, ttl_s=60)

    assert cache.get("deployment:current") == "now"
    assert cache.get("nothing") is None
    assert outside.lrange("deployment:history", 0, -1) == [b"run 4", b"run 3", b"run 2"]
    assert 0 < outside.ttl("deployment:current") <= 60
    assert 0 < outside.ttl("deployment:history") <= 60


def test_metrics_are_the_server_s_own(cache: Cache, outside: redis.Redis) -> None:
    outside.config_resetstat()
    assert cache.metrics().hit_rate is None
    outside.set("a", "1")
    for key in ("a", "a", "a", "b"):
        outside.get(key)

    result = cache.metrics()

    assert (result.keys, result.hits, result.misses) == (1, 3, 1)
    assert result.hit_rate == 0.75
    assert result.used_memory > 0
    assert cache.ping() > 0


@pytest.mark.parametrize(
    ("given_url", "why"),
    [
        ("redis://:very-secret@127.0.0.1:1/0", "the connection was refused"),
        ("redis://:very-secret@no.such.invalid:1/0", "the name does not resolve"),
        ("redis://:very-secret@HERE", "the user name or password was rejected"),
        ("redis://HERE", "the user name or password was rejected"),
    ],
    ids=["nobody listens", "no such name", "wrong password", "no password"],
)
def test_each_connection_error_has_its_own_message_without_secrets(
    url: str, given_url: str, why: str
) -> None:
    cache = Cache(parse(given_url.replace("HERE", url.rpartition("@")[2])))

    with pytest.raises(CacheError, match=why) as caught:
        cache.clear(["config:*"])

    assert "very-secret" not in f"{caught.value}{caught.value.hint}{caught.value!r}"
    cache.close()


def test_a_read_only_replica_is_reported(
    url: str, cache: Cache, outside: redis.Redis, tmp_path: Path
) -> None:
    outside.set("config:1", "x")
    with asyncio.Runner() as runner:
        server = RedisServer(tmp_path)
        primary = runner.run(server.start())
        outside.config_set("masterauth", parse(primary).password)
        outside.replicaof("127.0.0.1", parse(primary).port)
        try:
            with pytest.raises(CacheError, match="it is a read-only replica"):
                cache.put("a", "b", 60)
        finally:
            outside.replicaof("NO", "ONE")
            runner.run(server.close())


GLYPHS = "ab-]^[*?\\!é"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    patterns=st.lists(st.text(GLYPHS, min_size=1, max_size=8), min_size=20, max_size=20),
    more=st.lists(st.text(GLYPHS, min_size=4, max_size=12), max_size=20),
)
def test_patterns_match_as_on_the_server(
    patterns: list[str], more: list[str], everything: redis.Redis
) -> None:
    """Four thousand random patterns, each against all short keys and some long ones."""
    everything.mset(dict.fromkeys([*more, "none"], "x"))
    keys = cast("list[bytes]", everything.keys("*"))
    pipe = everything.pipeline(transaction=False)
    for pattern in patterns:
        pipe.keys(pattern)
    for pattern, result in zip(patterns, pipe.execute(), strict=True):
        which = which_of([Glob.of(pattern)])
        assert {key for key in keys if which(key) is not None} == set(result), pattern
    everything.unlink(*more, "none")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A server with all short keys that the glyphs make."""
    with asyncio.Runner() as runner:
        server = RedisServer(tmp_path_factory.mktemp("globs"))
        with redis.Redis.from_url(runner.run(server.start())) as client:
            short = [a + b + c for a in GLYPHS for b in ["", *GLYPHS] for c in ["", "a", "-"]]
            client.mset(dict.fromkeys(short, "x"))
            yield client
        runner.run(server.close())
