"""The commands rollback, status and repair."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.stage import NEXT_VERSION, VERSION, Run, Stage
from tests.support.paths import ENTRY

MANIFEST = {"manifest": "addin/manifest.xml"}


@pytest.mark.quick
@pytest.mark.xdist_group("quick")
def test_rollback_to_the_previous_revision(stage: Stage) -> None:
    stage.push_healthy()
    deployed = stage.run(**MANIFEST)
    with stage.users().busy() as users:
        run = stage.run("rollback", reason="errors at login")

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "rolled-back"
    assert run.outputs["revision"] == stage.first
    assert run.outputs["previous-revision"] == deployed.outputs["revision"]
    assert stage.weights() == {stage.first: 100}
    assert stage.serves()["version"] == VERSION
    assert users.failures == []
    assert "errors at login" in run.summary
    assert NEXT_VERSION in stage.on_branch("show", "main:addin/manifest.xml"), "never lowered"


def test_rollback_to_a_named_inactive_revision(stage: Stage) -> None:
    for number, word in enumerate(["Hello", "Hi 1"]):
        stage.push("addin/app/greeting.py", word, f"Hi {number + 1}")
        stage.run(**MANIFEST)
    stage.scene.arm("POST", f"/containerApps/{stage.scene.app}/revisions/{stage.first}/deactivate")
    run = stage.run("rollback", revision="first")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.serves()["revision"] == stage.first


def test_an_unknown_revision_is_refused_with_the_known_ones(stage: Stage) -> None:
    run = stage.run("rollback", revision="nonsense")

    assert run.exit_code == 2
    assert f"has no revision '{stage.scene.app}--nonsense'" in run.log
    assert stage.first in run.log
    assert "::error " in run.log


def test_without_a_previous_revision_a_rollback_is_refused(stage: Stage) -> None:
    run = stage.run("rollback")

    assert run.exit_code == 3
    assert "No previous revision is recorded for" in run.log
    assert stage.weights()


def test_status_as_table_and_as_json(stage: Stage) -> None:
    stage.push_healthy()
    deployed = stage.run(**MANIFEST)
    run = stage.run("status")
    env = stage.scene.runner_environment(99)
    group = ["--app", stage.scene.app, "--resource-group", "TheWell-Infra-East"]
    shown = subprocess.run(
        [sys.executable, "-I", str(ENTRY), "status", "--json", *group],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "stable    100 %   ready" in run.log
    assert "previous  0 %     ready" in run.log
    rows = {row["role"]: row for row in json.loads(shown.stdout)["rows"]}
    assert rows["stable"]["revision"] == deployed.outputs["revision"]
    assert rows["stable"]["version"] == NEXT_VERSION
    assert rows["previous"]["revision"] == stage.first
    assert rows["previous"]["rollback"] == {"works": "yes", "reason": ""}
    assert f"{NEXT_VERSION} serves 100 % since " in run.log
    assert "serves 100 % since " in run.summary


def test_status_says_since_when_the_revision_serves(stage: Stage) -> None:
    stage.push_healthy()
    deployed = stage.run(**MANIFEST)
    after_deployment = stage.run("status")
    stage.run("rollback")
    again = stage.run("rollback", revision=stage.first)
    after_rollback = stage.run("status")

    report = json.loads(Path(deployed.outputs["report"]).read_text("utf-8"))
    [promoted] = [item for item in report["traffic-changes"] if item["reason"] == "promoted"]
    began = datetime.fromisoformat(report["started-at"])
    expected = began + timedelta(seconds=promoted["at-s"])
    assert abs(since(after_deployment) - expected) <= timedelta(seconds=2)
    assert f"{NEXT_VERSION} serves 100 % since " in after_deployment.log
    assert again.outputs["result"] == "unchanged"
    assert since(after_rollback) > since(after_deployment)


def test_without_a_record_status_says_how_long_the_app_is_unchanged(stage: Stage) -> None:
    stage.clock(advance=120)
    run = stage.run("status")

    assert " serves 100 % since " not in run.log
    assert "; the app has not changed for " in run.log


def since(run: Run) -> datetime:
    """Return when the serving revision got its traffic, as `status` says."""
    report = json.loads(Path(run.outputs["report"]).read_text("utf-8"))
    return datetime.fromisoformat(report["status"]["serving-since"])


def test_rollback_to_a_version_or_a_commit(stage: Stage) -> None:
    commit = stage.push_healthy()
    deployed = stage.run(**MANIFEST)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    newest = stage.run(**MANIFEST)

    by_version = stage.run("rollback", revision="v1.3.0.3")
    assert by_version.exit_code == 0, by_version.log
    assert stage.weights() == {deployed.outputs["revision"]: 100}
    assert by_version.outputs["version"] == "1.3.0.3"

    forward = stage.run("rollback", revision="1.3.0.4")
    assert stage.weights() == {newest.outputs["revision"]: 100}, forward.log

    by_commit = stage.run("rollback", revision=commit[:8])
    assert by_commit.exit_code == 0, by_commit.log
    assert stage.weights() == {deployed.outputs["revision"]: 100}


def test_an_inactive_target_without_its_image_is_refused_with_the_next_healthy_one(
    stage: Stage,
) -> None:
    stage.push_healthy()
    deployed = stage.run(**MANIFEST)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    newest = stage.run(**MANIFEST)
    path = f"/containerApps/{stage.scene.app}/revisions"
    stage.scene.arm("POST", f"{path}/{deployed.outputs['revision']}/deactivate")
    _delete_image(stage, deployed.outputs["digest"])

    run = stage.run("rollback")

    assert run.exit_code == 3, run.log
    assert "no longer exists in the registry" in run.log
    assert f"rollback to {deployed.outputs['revision']}: no, its image no longer exists" in (
        stage.run("status").log
    )
    assert f"Try {newest.outputs['revision']}" in run.log
    assert stage.weights() == {newest.outputs["revision"]: 100}
    assert deployed.outputs["revision"] not in stage.active()


def _delete_image(stage: Stage, digest: str) -> None:
    """Delete an image, as a retention policy of the registry does."""
    host = "wellintakeregistry.azurecr.io"
    session = stage.scene.session
    form = {
        "grant_type": "access_token",
        "service": host,
        "access_token": stage.scene.token("https://containerregistry.azure.net"),
    }
    refresh = session.post(f"https://{host}/oauth2/exchange", data=form, timeout=30).json()
    form = {
        "grant_type": "refresh_token",
        "service": host,
        "scope": f"repository:{stage.scene.app}:pull,push,delete",
        "refresh_token": refresh["refresh_token"],
    }
    token = session.post(f"https://{host}/oauth2/token", data=form, timeout=30).json()
    reply = session.delete(
        f"https://{host}/v2/{stage.scene.app}/manifests/{digest}",
        headers={"Authorization": f"Bearer {token['access_token']}"},
        timeout=30,
    )
    assert reply.status_code in {200, 202}, reply.text


def test_a_target_that_does_not_start_is_deactivated_again(stage: Stage) -> None:
    stage.push_unhealthy()
    sick = stage.run(**MANIFEST, gate_timeout="2s")
    assert sick.exit_code == 4
    with stage.users().busy() as users:
        target = sick.outputs["attempted-revision"]
        run = stage.run("rollback", revision=target, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert set(users.answers) == {stage.first}
    assert users.failures == []


def test_a_repeated_rollback_clears_the_cache_again(stage: Stage) -> None:
    stage.push_healthy()
    stage.run(**MANIFEST)
    stage.run("rollback")
    stage.scene.fill_cache()
    run = stage.run("rollback", revision="first", cache_patterns="manifest:*")

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "unchanged"
    assert stage.scene.cache().keys("manifest:*") == []


def test_a_rollback_needs_no_checkout_and_no_smoke_test(stage: Stage) -> None:
    stage.push_healthy()
    stage.run(**MANIFEST)
    for path in sorted(stage.scene.workspace.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    run = stage.run(
        "rollback",
        resource_group="TheWell-Infra-East",
        smoke_test="./not/there.sh",
        manifest_path="/manifest.xml",
    )

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}


def test_a_dry_run_of_repair_shows_its_plan(stage: Stage) -> None:
    stage.push_healthy()
    rollout = stage.started(**{**MANIFEST, "step_interval": "60s"})
    while not any(0 < weight < 100 for weight in stage.weights().values()):
        assert rollout.poll() is None
    rollout.kill()
    rollout.communicate()
    before = stage.weights()

    refused = stage.run("repair")
    shown = stage.run("repair", take_over="true", dry_run="true")

    assert refused.exit_code == 6
    assert "lock will be considered stale in" in refused.log
    assert "take-over: true" in refused.log
    assert shown.exit_code == 0
    assert shown.outputs["result"] == "planned"
    assert "Recovery: restore the earlier traffic and deactivate the candidate" in shown.log
    assert stage.weights() == before

    done = stage.run("repair", take_over="true")
    assert done.outputs["result"] == "repaired"
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert stage.run("repair").outputs["result"] == "unchanged"
