"""The cache in a deployment: warming, metrics, every kind of access, failures."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import redis

from tests.stage import Stage

INPUTS = {"manifest": "addin/manifest.xml"}
UNREACHABLE = "redis://:hunter2hunter2@127.0.0.1:1/0"
WARM = """\
config:version = {version} @ 48h
manifest:{version} = GET /manifest.xml
GET /taskpane.html
"""
ENDPOINT = '''
    def do_POST(self) -> None:
        """Clear the cache for whoever knows the secret."""
        if self.headers.get("X-Secret") != "open-sesame":
            self._send(401, b"", {})
            return
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        counts = {pattern: 40 + number for number, pattern in enumerate(asked["patterns"])}
        body = json.dumps({"removed": counts}).encode()
        self._send(200, body, {"Content-Type": "application/json"})

    do_HEAD = do_GET'''
SULKING = '''
    def do_POST(self) -> None:
        """Clear nothing."""
        self._send(503, b"", {})

    do_HEAD = do_GET'''


def test_cache_warm_fills_the_cache_after_the_promotion(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**INPUTS, cache_warm=WARM, cache_warm_ttl="2h")

    assert run.exit_code == 0, run.log
    with stage.scene.cache() as cache:
        assert cache.get("config:version") == "1.3.0.3"
        assert 47 * 3600 < cache.ttl("config:version") <= 48 * 3600
        served = stage.scene.session.get(f"{stage.url}/manifest.xml", timeout=30).text
        assert cache.get("manifest:1.3.0.3") == served
        assert 3600 < cache.ttl("manifest:1.3.0.3") <= 7200
        current = json.loads(str(cache.get("deployment:current")))
        cache.delete("config:version", "manifest:1.3.0.3")
    assert run.logged("warmed: 2 pages fetched, 2 keys stored")
    assert current["version"] == "1.3.0.3"
    assert current["digest"] == run.outputs["digest"]
    assert current["environment"] == "prod"
    assert current["run"].startswith("1.1.")
    assert current["time"].endswith("Z")


def test_cache_metrics_are_in_log_and_summary(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**INPUTS, cost_per_miss="0.01")

    assert run.exit_code == 0, run.log
    assert "hit rate" in run.log or "no reads yet" in run.log
    assert "since the start: keys" in run.summary
    assert "circuit breaker closed, 0 calls skipped" in run.summary
    assert "saved " in run.log


def test_status_shows_cache_metrics(stage: Stage) -> None:
    run = stage.run("status")

    assert run.exit_code == 0, run.log
    assert "cache: " in run.log
    assert " connection, ping " in run.log


def test_status_works_without_the_cache(stage: Stage) -> None:
    run = stage.run("status", cache_url=UNREACHABLE)

    assert run.exit_code == 0, run.log
    assert "The cache's metrics cannot be read" in run.log
    assert stage.first in run.log


def test_a_private_cache_is_cleared_through_the_apps_endpoint(stage: Stage) -> None:
    stage.push("addin/app/__main__.py", "\n    do_HEAD = do_GET", ENDPOINT)
    stage.variables["CACHE_HEADER"] = "X-Secret: open-sesame"
    run = stage.run(
        **INPUTS,
        cache_via="endpoint",
        cache_endpoint="/internal/cache",
        cache_endpoint_header="${CACHE_HEADER}",
        cache_patterns="manifest:*\nconfig:*",
    )

    assert run.exit_code == 0, run.log
    assert run.logged("The cache was not cleared (before)"), "the old revision has no such endpoint"
    assert run.logged("cache cleared (after): manifest:* 40, config:* 41")
    shown = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    assert "open-sesame" not in "\n".join(shown)
    assert "open-sesame" not in run.summary


def test_a_required_cache_that_is_not_there_stops_before_anything_changes(stage: Stage) -> None:
    stage.push_healthy()
    before = stage.scene.resource()
    run = stage.run(**INPUTS, cache_url=UNREACHABLE, cache_required="true")

    assert run.exit_code == 3, run.log
    assert "the connection was refused" in run.log
    assert "set cache-via to endpoint" in run.log
    assert stage.scene.resource() == before
    assert stage.checkout_is_clean()


def test_a_required_cache_that_fails_after_the_promotion_restores_everything(
    stage: Stage,
) -> None:
    stage.push("addin/app/__main__.py", "\n    do_HEAD = do_GET", SULKING)
    pushed = stage.branch_head()
    run = stage.run(
        **INPUTS,
        cache_via="endpoint",
        cache_endpoint="/internal/cache",
        cache_clear="after",
        cache_required="true",
        cache_patterns="manifest:*",
    )

    assert run.exit_code == 5, run.log
    assert "The app's cache endpoint returned status 503" in run.log
    assert "Not restored: the cache" in run.log, "the old revision cannot clear it either"
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert stage.branch_head() == pushed
    assert stage.checkout_is_clean()
    assert stage.is_locked(), "the next run clears the cache"


def test_an_endpoint_can_be_called_on_the_serving_revisions_url(stage: Stage) -> None:
    stage.push("addin/app/__main__.py", "\n    do_HEAD = do_GET", ENDPOINT)
    before = stage.requests()[-1]["at"]
    stage.variables["CACHE_HEADER"] = "X-Secret: open-sesame"
    run = stage.run(
        **INPUTS,
        cache_via="endpoint",
        cache_endpoint="https://{revision-host}/internal/cache",
        cache_endpoint_header="${CACHE_HEADER}",
        cache_clear="after",
        cache_patterns="manifest:*",
    )

    assert run.exit_code == 0, run.log
    assert run.logged("cache cleared (after): manifest:* 40")
    posts = [
        item["host"]
        for item in stage.requests(before)
        if item["method"] == "POST" and item["path"] == "/internal/cache"
    ]
    assert posts == [urlsplit(run.outputs["revision-url"]).hostname]


def test_after_several_failures_the_circuit_breaker_skips_the_cache(
    stage: Stage,
) -> None:
    stage.push_healthy()
    run = stage.run(**INPUTS, cache_url=UNREACHABLE, cache_warm="a = b")

    assert run.exit_code == 0, run.log
    assert run.logged("The cache cannot be used now")
    assert run.logged("skipped after 3 failures")
    assert "hunter2" not in run.summary


def test_the_azure_identity_signs_in_to_redis(stage: Stage) -> None:
    """Azure's Redis takes the object id as the user and a token as its password."""
    stage.push_healthy()
    object_id = stage.object_id("https://redis.azure.com")
    plain = stage.scene.environment["AZURE_REDIS_CONNECTION_STRING"]
    with redis.Redis.from_url(plain) as admin:
        admin.execute_command("ACL", "SETUSER", object_id, "on", "nopass", "~*", "+@all")
        admin.set("manifest:1", "x")
    run = stage.run(
        **INPUTS,
        cache_auth="entra",
        cache_url=f"redis://{plain.rpartition('@')[2]}",
        cache_patterns="manifest:*",
    )
    with redis.Redis.from_url(plain) as admin:
        admin.execute_command("ACL", "DELUSER", object_id)

    assert run.exit_code == 0, run.log
    assert run.logged("cache cleared (before): manifest:* 1")


def test_the_prefix_is_added_to_each_pattern(stage: Stage) -> None:
    stage.push_healthy()
    with stage.scene.cache() as cache:
        cache.mset({"app[1]:manifest:1": "x", "manifest:1": "x"})
    run = stage.run(**INPUTS, cache_prefix="app[1]:", cache_patterns="manifest:*")

    assert run.exit_code == 0, run.log
    with stage.scene.cache() as cache:
        assert cache.exists("manifest:1") == 1
        assert cache.exists("app[1]:manifest:1") == 0


def test_l1_an_incomplete_clearing_does_not_satisfy_a_required_cache(stage: Stage) -> None:
    stage.push_healthy()
    with stage.scene.cache() as cache:
        cache.mset({f"manifest:{number}": "old" for number in range(20_000)})

    run = stage.run(
        cache_patterns="manifest:*",
        cache_required="true",
        cache_max_keys="10",
        cache_clear="before",
    )

    assert run.exit_code in {4, 5}, run.log
    assert "was not cleared completely" in run.log
    assert stage.serves()["revision"] == stage.first
    with stage.scene.cache() as cache:
        cache.flushdb()
