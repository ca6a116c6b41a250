"""Every kind of Redis that Azure offers, and its failures, with Debian's redis-server."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from deploy_action.adapters.cache import Cache, CacheError
from deploy_action.core.cache.connection import parse
from deploy_action.runtime.request_trace import TRACE
from tests.support.redis_kinds import Delay, certificate, cluster, free_ports, servers

pytestmark = pytest.mark.slow  # starts servers and clusters


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[int]:
    """The port of a server that anybody may use."""
    [port] = free_ports(1)
    with servers(tmp_path, [port]):
        yield port


@contextmanager
def commands() -> Iterator[list[str]]:
    """Collect the commands that are sent in the block, as debugging shows them."""
    lines: list[str] = []
    TRACE.listener = lines.append
    yield lines
    TRACE.listener = None


def test_tls_with_an_authority_of_its_own_and_an_acl_user(tmp_path: Path) -> None:
    result = certificate(tmp_path)
    [port] = free_ports(1)
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser deploy on >pa/ss=word ~* +@all\n", "utf-8")
    with servers(tmp_path, [port], *result.options, "--aclfile", str(users)):
        target = parse(f"rediss://deploy:pa%2Fss%3Dword@127.0.0.1:{port}/0")
        cache = Cache(target, ca=str(result.authority))
        cache.put("manifest:1", "x", 60)
        assert cache.clear(["manifest:*"]).patterns[0].removed == 1
        cache.close()

        untrusting = Cache(target)
        with pytest.raises(CacheError, match="TLS failed") as refused:
            untrusting.ping()
        assert "pa/ss" not in str(refused.value)
        untrusting.close()

        other = Cache(parse(f"rediss://default:x@127.0.0.1:{port}"), ca=str(result.authority))
        with pytest.raises(CacheError, match="the user name or password was rejected"):
            other.ping()
        other.close()


def test_each_new_connection_gets_a_fresh_entra_token(tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser 0b1d on >the-token ~* +@all\n", "utf-8")
    [port] = free_ports(1)
    tokens: list[int] = []

    def identity() -> tuple[str, str]:
        tokens.append(1)
        return "0b1d", "the-token"

    with servers(tmp_path, [port], "--aclfile", str(users)):
        cache = Cache(parse(f"redis://127.0.0.1:{port}"), identity=identity)
        assert cache.ping() > 0
        assert tokens
        cache.close()


def test_a_cluster_is_noticed_and_all_its_primaries_are_counted_and_cleared(tmp_path: Path) -> None:
    with cluster(tmp_path) as port, redis.RedisCluster(host="127.0.0.1", port=port) as outside:
        for number in range(900):
            outside.set(f"manifest:{number}", "x")
            outside.set(f"session:{number}", "x")
        cache = Cache(parse(f"redis://127.0.0.1:{port}"))
        with commands() as recorded:
            counted = cache.count(["manifest:*", "config:*"])
        done = cache.clear(["manifest:*", "config:*"])
        remaining = sum(
            len(outside.get_redis_connection(node).keys("manifest:*"))
            for node in outside.get_primaries()
        )

        scans = [line for line in recorded if line.startswith("redis SCAN MATCH * COUNT 5000: ")]
        assert sum(int(line.split(": ")[1].split()[0]) for line in scans) == 1800
        assert len(scans) == len(outside.get_primaries())
        assert counted.patterns == (("manifest:*", 900), ("config:*", 0))
        assert done.complete
        assert [item.removed for item in done.patterns] == [900, 0]
        assert remaining == 0
        assert cache.metrics().keys == 900
        cache.close()


def test_a_role_that_may_not_ask_info_still_clears_a_whole_cluster(tmp_path: Path) -> None:
    """As Azure's Data Contributor."""
    with cluster(tmp_path) as port, redis.RedisCluster(host="127.0.0.1", port=port) as outside:
        for node in outside.get_nodes():
            client = outside.get_redis_connection(node)
            client.execute_command(
                "ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info", "-config"
            )
        for number in range(300):
            outside.set(f"manifest:{number}", "x")
        cache = Cache(parse(f"redis://worker:pw@127.0.0.1:{port}"))

        assert cache.clear(["manifest:*"]).patterns[0].removed == 300
        with pytest.raises(CacheError, match="this user lacks permission"):
            cache.metrics()
        cache.close()


def test_active_active_redis_is_cleared_key_by_key(tmp_path: Path) -> None:
    """As active-active Azure Redis: it does not look like a cluster and refuses CROSSSLOT."""
    [port] = free_ports(1)
    with (
        servers(tmp_path, [port], "--cluster-enabled", "yes"),
        redis.Redis(port=port, decode_responses=True) as outside,
    ):
        outside.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while "ok" not in str(outside.execute_command("CLUSTER INFO"))[:40]:
            pass
        outside.execute_command(
            "ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info", "-cluster"
        )
        for number in range(700):
            outside.set(f"manifest:{number}", "x")
            outside.set(f"config:{number}", "x")
            outside.set(f"session:{number}", "x")
        outside.delete("config:0")
        cache = Cache(parse(f"redis://worker:pw@127.0.0.1:{port}"))
        done = cache.clear(["manifest:*", "config:*"])

        assert [item.removed for item in done.patterns] == [700, 699]
        assert outside.dbsize() == 700
        cache.close()


def test_a_cluster_s_nodes_are_trusted_by_the_name_of_the_cache(tmp_path: Path) -> None:
    """Azure's nodes announce addresses, its certificates carry the cache's name alone.

    In upper case, because the client library treats localhost as an IP address.
    """
    result = certificate(tmp_path, "localhost")
    with cluster(tmp_path, result) as port:
        cache = Cache(parse(f"LOCALHOST:{port},ssl=True"), ca=str(result.authority))
        for number in range(60):
            cache.put(f"manifest:{number}", "x", 600)

        assert cache.clear(["manifest:*"]).patterns[0].removed == 60
        cache.close()


def test_over_a_slow_link_a_clearing_takes_few_round_trips(plain: int) -> None:
    with redis.Redis(port=plain) as outside, Delay(plain, 0.05).opened() as far:
        outside.mset({f"manifest:{number}": "x" for number in range(30_000)})
        outside.mset({f"session:{number}": "x" for number in range(10_000)})
        cache = Cache(parse(f"redis://127.0.0.1:{far.port}"))
        done = cache.clear(["manifest:*", "config:*"])

        assert done.patterns[0].removed == 30_000
        assert outside.dbsize() == 10_000
        assert far.trips < 20, "one for thousands of keys"
        cache.close()


def test_a_server_that_stops_during_a_scan_raises_an_error(tmp_path: Path, plain: int) -> None:
    with redis.Redis(port=plain) as outside:
        outside.mset({f"manifest:{number}": "x" for number in range(200_000)})
        pid = int(outside.info("server")["process_id"])
    cache = Cache(parse(f"redis://127.0.0.1:{plain}"))
    cache.ping()
    errors: list[BaseException] = []

    def clear() -> None:
        try:
            cache.clear(["manifest:*"])
        except CacheError as error:
            errors.append(error)

    with redis.Redis(port=plain) as watch:
        work = threading.Thread(target=clear)
        work.start()
        while watch.dbsize() > 190_000:
            assert work.is_alive()
        os.kill(pid, signal.SIGKILL)
    work.join(60)

    assert len(errors) == 1
    assert "could not be cleared" in str(errors[0])
    cache.close()


def test_a_full_server_is_reported(plain: int) -> None:
    with redis.Redis(port=plain) as outside:
        outside.set("manifest:1", "x" * 2_000_000)
        outside.config_set("maxmemory", "1mb")
    cache = Cache(parse(f"redis://127.0.0.1:{plain}"))

    with pytest.raises(CacheError, match="its memory is full"):
        cache.put("deployment:current", "x", 60)

    assert cache.clear(["manifest:*"]).patterns[0].removed == 1, "clearing still works"
    cache.close()


def test_a_clearing_stops_at_its_limit_of_keys_and_is_incomplete(plain: int) -> None:
    with redis.Redis(port=plain) as outside:
        outside.mset({f"manifest:{number}": "a secret value" for number in range(50_000)})
        lines: list[str] = []
        cache = Cache(
            parse(f"redis://127.0.0.1:{plain}"),
            most_keys=5_000,
            say=lines.append,
            progress_interval_s=0,
        )
        done = cache.clear(["manifest:*"])

        assert not done.complete
        assert 5_000 <= done.patterns[0].removed < 30_000
        assert outside.dbsize() == 50_000 - done.patterns[0].removed
        assert len(done.patterns[0].samples) == 3
        assert all(name.startswith("manifest:") for name in done.patterns[0].samples)
        assert lines[0].startswith("clearing: 0 of ")
        assert "secret" not in "".join([*done.patterns[0].samples, *lines])
        cache.close()
