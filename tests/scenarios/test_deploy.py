"""The second and every later deployment."""

import json

import pytest
import redis

from tests.stage import Stage

MANIFEST = {"manifest": "addin/manifest.xml"}
PLAIN = """\
environments:
  prod:
    resource-group: TheWell-Infra-East
    registry: wellintakeregistry
    context: addin
"""


def test_a_second_deployment_builds_on_the_first(stage: Stage) -> None:
    stage.push_healthy()
    first = stage.run(**MANIFEST)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    second = stage.run(**MANIFEST)

    assert second.exit_code == 0, second.log
    assert second.outputs["version"] == "1.3.0.4"
    assert second.outputs["previous-revision"] == first.outputs["revision"]
    assert stage.weights() == {second.outputs["revision"]: 100}
    assert stage.on_branch("rev-list", "--count", "main") == "5"


def test_a_retry_reuses_the_same_version(stage: Stage) -> None:
    stage.push_unhealthy()
    stage.variables = {"GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "1"}
    first = stage.run(**MANIFEST, gate_timeout="3s")
    stage.variables = {"GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "2"}
    second = stage.run(**MANIFEST, gate_timeout="3s")
    stage.variables = {"GITHUB_RUN_ID": "4712"}
    other = stage.run(**MANIFEST, gate_timeout="3s")

    assert first.exit_code == second.exit_code == other.exit_code == 4
    assert first.outputs["attempted-version"] == second.outputs["attempted-version"] == "1.3.0.3"
    assert first.outputs["attempted-revision"] != second.outputs["attempted-revision"]
    assert other.outputs["attempted-version"] == "1.3.0.4", (
        "what another run gave out is not given again"
    )


def test_the_version_is_above_the_one_in_the_cache(stage: Stage) -> None:
    """For example if the app was deleted and the branch does not have the version."""
    stage.push_healthy()
    with stage.scene.cache() as cache:
        current = {"version": "1.3.0.40", "run": "99.1", "revision": f"{stage.scene.app}--old"}
        cache.set("deployment:current", json.dumps(current))
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.outputs["version"] == "1.3.0.41"
    assert stage.serves()["version"] == "1.3.0.41"


def test_the_cache_is_cleared_twice_and_gets_the_deployment_metadata(stage: Stage) -> None:
    stage.push_healthy()
    stage.scene.fill_cache()
    url = stage.scene.environment["AZURE_REDIS_CONNECTION_STRING"]

    run = stage.run(**MANIFEST, cache_url=url, cache_patterns="manifest:*\nconfig:*")

    assert run.exit_code == 0, run.log
    with redis.Redis.from_url(url, decode_responses=True) as cache:
        assert cache.keys("manifest:*") == []
        assert cache.keys("config:*") == []
        assert len(cache.keys("session:*")) == 50
        assert run.outputs["revision"] in (cache.get("deployment:current") or "")
        assert 0 < cache.ttl("deployment:current") <= 7 * 24 * 3600
    assert run.logged("cache cleared (before): manifest:* 50, config:* 50")
    assert run.logged("cache cleared (after)")


def test_an_unreachable_cache_is_only_a_warning(stage: Stage) -> None:
    """An optional cache never fails a deployment."""
    stage.push_healthy()
    run = stage.run(
        **MANIFEST, cache_url="redis://:hunter2hunter2@127.0.0.1:1/0", cache_patterns="manifest:*"
    )

    assert run.exit_code == 0, run.log
    assert "The cache was not cleared (before)" in run.log
    assert (
        "hunter2" not in run.log.replace("::add-mask::", "\n::add-mask::").split("::add-mask::")[0]
    )
    assert "hunter2" not in run.summary


def test_only_the_newest_revisions_stay_active(stage: Stage) -> None:
    names = [stage.first]
    for number in range(3):
        stage.push(
            "addin/app/greeting.py", "Hello" if number == 0 else f"Hi {number}", f"Hi {number + 1}"
        )
        run = stage.run(**MANIFEST, keep_revisions="2")
        assert run.exit_code == 0, run.log
        names.append(run.outputs["revision"])

    assert stage.active() == names[-2:]


@pytest.mark.quick
@pytest.mark.xdist_group("quick")
def test_without_a_manifest_nothing_is_bumped_and_nothing_pushed(stage: Stage) -> None:
    pushed = stage.push_healthy()
    (stage.scene.workspace / "plain.yml").write_text(PLAIN, "utf-8")

    run = stage.run(settings_file="plain.yml")

    assert run.exit_code == 0, run.log
    assert stage.branch_head() == pushed
    assert run.outputs["version"] == ""
    assert stage.weights() == {run.outputs["revision"]: 100}


def test_an_image_that_exists_is_deployed_by_its_digest(stage: Stage) -> None:
    stage.push_healthy()
    image = stage.scene.seed_image("ready")
    run = stage.run(image=image)

    assert run.exit_code == 0, run.log
    assert run.outputs["image"].startswith(image.rpartition(":")[0] + "@sha256:")
    assert stage.weights() == {run.outputs["revision"]: 100}
