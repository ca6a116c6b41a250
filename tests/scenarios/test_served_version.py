"""No deployment lowers the served version, and its provenance is that of its content."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import requests

from tests.stage import Run, Stage, on_github

MANIFEST = {"manifest": "addin/manifest.xml"}


def push_something_else(stage: Stage) -> str:
    """Push a change outside the add-in."""
    file = ".github/deploy-action.yml"
    text = stage.on_branch("show", f"main:{file}")
    return stage.push(file, text, f"{text}\n# {time.monotonic_ns()}\n")


def deployed(stage: Stage, **inputs: str) -> Run:
    """Deploy a change of the add-in; 1.3.0.3 serves."""
    stage.push_healthy()
    run = stage.run(**{**MANIFEST, **inputs})
    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == "1.3.0.3"
    return run


def pull_requests(stage: Stage) -> list[dict[str, Any]]:
    url = f"{stage.scene.environment['SANDBOX_URL']}/github/the-well/{stage.scene.app}"
    response_body: list[dict[str, Any]] = requests.get(
        url, timeout=30, proxies={"http": ""}
    ).json()["pulls"]
    return response_body


def hook(stage: Stage, script: str) -> Path:
    """Let the remote run *script* before it accepts a push."""
    file = stage.scene.remote / "hooks" / "pre-receive"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def branch_version(stage: Stage) -> str:
    text = stage.on_branch("show", "main:addin/manifest.xml")
    return text.partition("<Version>")[2].partition("</Version>")[0]


# -- a pending version commit ----------------------------------------------------------------------


def test_with_an_open_pull_request_the_served_version_stays(stage: Stage) -> None:
    inputs = on_github(stage, "main")
    first = deployed(stage, **inputs)
    push_something_else(stage)
    second = stage.run(**MANIFEST, **inputs)

    [pull] = pull_requests(stage)
    assert first.outputs["pull-request"] == pull["html_url"]
    assert first.outputs["pending"] == "1.3.0.3"
    assert second.exit_code == 0, second.log
    assert stage.serves()["version"] == second.outputs["version"] == "1.3.0.3"
    assert second.outputs["pull-request"] == pull["html_url"]
    assert second.outputs["pending"] == "1.3.0.3"
    assert second.logged(
        f"The version commit of 1.3.0.3 is pending in pull request {pull['html_url']}"
    )
    for run in (first, second):
        assert "its version commit is pending in pull request #1" in run.summary.splitlines()[0]
        assert pull["html_url"] in run.summary


def test_after_a_merge_nothing_is_pending(stage: Stage) -> None:
    inputs = on_github(stage, "main")
    deployed(stage, **inputs)
    [pull] = pull_requests(stage)
    stage.on_branch("update-ref", "refs/heads/main", f"refs/heads/{pull['head']}")
    stage.scene.check_out()
    run = stage.run(**MANIFEST, **inputs)

    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == "1.3.0.3"
    assert (run.outputs["pending"], run.outputs["pull-request"]) == ("", "")
    assert "version commit" not in run.summary.splitlines()[0]


def test_after_a_denied_push_the_next_deployment_publishes_the_served_version(
    stage: Stage,
) -> None:
    stage.push_healthy()
    refuse = hook(stage, "exit 1")
    first = stage.run(**MANIFEST)
    refuse.unlink()
    push_something_else(stage)
    second = stage.run(**MANIFEST)

    assert first.outputs["pending"] == "1.3.0.3"
    assert second.exit_code == 0, second.log
    assert stage.serves()["version"] == second.outputs["version"] == "1.3.0.3"
    assert second.logged(
        "Version 1.3.0.3 is deployed, but its version commit is not in the checkout"
    )
    assert second.outputs["commit"] == stage.branch_head()
    assert second.outputs["pending"] == ""
    assert branch_version(stage) == "1.3.0.3"


def test_without_publishing_the_served_version_stays(stage: Stage) -> None:
    first = deployed(stage, commit="none")
    push_something_else(stage)
    second = stage.run(**MANIFEST, commit="none")

    assert second.exit_code == 0, second.log
    assert stage.serves()["version"] == second.outputs["version"] == "1.3.0.3"
    assert first.outputs["pending"] == second.outputs["pending"] == "1.3.0.3"
    assert "the version commit of 1.3.0.3 is not on the branch yet" in second.summary
    assert branch_version(stage) == "1.3.0.2"


def test_after_a_kill_while_publishing_the_served_version_stays(
    stage: Stage, tmp_path: Path
) -> None:
    reached = tmp_path / "reached"
    stage.push_healthy()
    block = hook(stage, f'touch {reached}; while [ -e "$0" ]; do sleep 0.1; done; exit 1')
    run = stage.started(**MANIFEST)
    while not reached.exists():
        assert run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.wait()
    block.unlink()
    assert run.stdout
    run.stdout.close()
    push_something_else(stage)
    second = stage.run(**MANIFEST)

    assert second.exit_code == 0, second.log
    assert stage.serves()["version"] == second.outputs["version"] == "1.3.0.3"
    assert branch_version(stage) == "1.3.0.3"


def test_a_lower_version_that_may_not_be_bumped_is_refused_with_nothing_changed(
    stage: Stage,
) -> None:
    deployed(stage, commit="none")
    push_something_else(stage)
    before = stage.scene.resource()
    run = stage.run(**MANIFEST, bump="never")

    assert run.exit_code == 3, run.log
    assert run.logged("Version 1.3.0.2 is lower than version 1.3.0.3, which revision")
    assert stage.scene.resource() == before


def test_the_version_of_an_app_deployed_by_other_means_counts(stage: Stage) -> None:
    stage.push("addin/manifest.xml", "<Version>1.3.0.2<", "<Version>1.3.0.1<")
    refused = stage.run(**MANIFEST, bump="never")
    run = stage.run(**MANIFEST, bump="always")

    assert refused.exit_code == 3, refused.log
    assert refused.logged("1.3.0.1 is lower than version 1.3.0.2")
    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == run.outputs["version"]
    assert run.outputs["version"] >= "1.3.0.2"


# -- the checkout decides --------------------------------------------------------------------------


def check_out(stage: Stage, branch: str) -> str:
    """Check another branch out, as with `ref:` of actions/checkout; return its commit."""
    git, work = stage.scene.git, stage.scene.workspace
    git("fetch", "--quiet", "--depth=1", "origin", branch, cwd=work)
    git("checkout", "--quiet", "-B", branch, "FETCH_HEAD", cwd=work)
    return git("rev-parse", "HEAD", cwd=work)


def test_the_version_commit_goes_to_the_branch_that_is_checked_out(stage: Stage) -> None:
    stage.on_branch("branch", "release", "main")
    dispatched = stage.push_healthy()
    release = check_out(stage, "release")
    stage.variables = {"GITHUB_SHA": dispatched, "GITHUB_REF_NAME": "main"}
    run = stage.run(**MANIFEST, bump="always")

    assert run.exit_code == 0, run.log
    assert stage.branch_head() == dispatched, "main is not touched"
    assert stage.on_branch("rev-parse", "release") == run.outputs["commit"]
    assert stage.on_branch("rev-parse", "release^") == release
    revision = stage.scene.revisions()[run.outputs["revision"]]
    env = {item["name"]: item["value"] for item in revision["template"]["containers"][0]["env"]}
    assert env["DEPLOY_ACTION_COMMIT"] == release
    assert run.logged(
        f"The checkout is at {release[:10]} (branch release), but the workflow run is for "
        f"{dispatched[:10]} (branch main)"
    )


def test_a_detached_checkout_of_another_commit_has_no_branch_to_publish_to(stage: Stage) -> None:
    old = stage.branch_head()
    dispatched = stage.push_healthy()
    git, work = stage.scene.git, stage.scene.workspace
    git("fetch", "--quiet", "--depth=1", "origin", old, cwd=work)
    git("checkout", "--quiet", "--detach", old, cwd=work)
    stage.variables = {"GITHUB_SHA": dispatched}
    run = stage.run(**MANIFEST, bump="always")

    assert run.exit_code == 3, run.log
    assert run.logged("The checkout is not on a branch")


def test_a_checkout_of_the_run_s_own_commit_is_not_a_disagreement(stage: Stage) -> None:
    stage.push_healthy()
    stage.scene.git("checkout", "--quiet", "--detach", cwd=stage.scene.workspace)
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert not run.logged("but the workflow run is for")
    assert stage.branch_head() == run.outputs["commit"]


# -- provenance ------------------------------------------------------------------------------------


def patch(stage: Stage, suffix: str, **env: str) -> str:
    """Copy the newest revision with more variables, and route all traffic to the copy."""
    template = stage.scene.resource()["properties"]["template"]
    container = template["containers"][0]
    kept = [item for item in container["env"] if item["name"] not in env]
    container["env"] = kept + [{"name": name, "value": value} for name, value in env.items()]
    template["revisionSuffix"] = suffix
    app = f"/containerApps/{stage.scene.app}"
    stage.scene.arm("PATCH", app, {"properties": {"template": template}})
    stage.wait_until_idle()
    name = f"{stage.scene.app}--{suffix}"
    traffic = [{"revisionName": name, "weight": 100}]
    configuration = {"ingress": {"traffic": traffic}}
    stage.scene.arm("PATCH", app, {"properties": {"configuration": configuration}})
    stage.wait_until_idle()
    return name


def test_a_user_variable_is_not_a_version(stage: Stage) -> None:
    patch(stage, "own", DEPLOY_VERSION="7.4", VERSION="8.1")
    run = deployed(stage)

    assert run.outputs["version"] == "1.3.0.3"
    assert branch_version(stage) == "1.3.0.3"


def test_a_copy_by_hand_is_not_a_deployment_but_can_be_rolled_back_to(stage: Stage) -> None:
    first = deployed(stage)
    copy = patch(stage, "by-hand", LOG_LEVEL="debug")
    push_something_else(stage)
    second = stage.run(**MANIFEST)
    back = stage.run("rollback")

    assert second.outputs["previous-revision"] == copy
    assert second.outputs["version"] == stage.serves()["version"] == "1.3.0.3", second.log
    assert back.exit_code == 0, back.log
    assert stage.weights() == {copy: 100}
    again = stage.run("rollback")
    assert again.exit_code == 3, "a copy does not know what came before it"
    named = stage.run("rollback", revision=first.outputs["revision"])
    assert named.exit_code == 0, named.log
    assert stage.weights() == {first.outputs["revision"]: 100}


# -- an image from another commit ------------------------------------------------------------------


def built(stage: Stage) -> tuple[str, str, str]:
    """Build an image in a deployment that fails afterwards; return it, its version and commit."""
    commit = stage.push_healthy()
    run = stage.run(**MANIFEST, smoke_test="exit 1")
    assert run.exit_code == 4, run.log
    revision = stage.scene.revisions()[run.outputs["attempted-revision"]]
    image = revision["template"]["containers"][0]["image"]
    return image, run.outputs["attempted-version"], commit


def env_of(stage: Stage, revision: str) -> dict[str, str]:
    container = stage.scene.revisions()[revision]["template"]["containers"][0]
    return {item["name"]: item.get("value", "") for item in container["env"]}


def test_an_image_from_another_commit_has_its_own_version_and_commit(stage: Stage) -> None:
    image, version, commit = built(stage)
    push_something_else(stage)
    head = stage.branch_head()
    run = stage.run(**MANIFEST, image=image)

    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == run.outputs["version"] == version == "1.3.0.3"
    env = env_of(stage, run.outputs["revision"])
    assert (env["DEPLOY_ACTION_VERSION"], env["DEPLOY_ACTION_COMMIT"]) == (version, commit)
    assert stage.branch_head() == head, "the manifest on the branch is not this deployment's"
    assert stage.checkout_is_clean()


def test_an_image_with_a_lower_version_is_refused(stage: Stage) -> None:
    image, _, _ = built(stage)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    higher = stage.run(**MANIFEST)
    assert higher.outputs["version"] == "1.3.0.4", higher.log
    stage.wait_until_idle()  # a run releases its lock without waiting for Azure
    before = stage.scene.resource()
    run = stage.run(**MANIFEST, image=image)

    assert run.exit_code == 3, run.log
    assert run.logged("Version 1.3.0.3 is lower than version 1.3.0.4")
    assert stage.scene.resource() == before


def test_an_image_without_a_label_has_the_version_that_it_serves(stage: Stage) -> None:
    image = stage.scene.seed_image("other")
    push_something_else(stage)
    run = stage.run(**MANIFEST, image=image)

    assert run.exit_code == 0, run.log
    assert run.outputs["version"] == stage.serves()["version"] == "1.3.0.2"


def test_an_image_without_a_label_that_serves_a_lower_version_is_aborted(stage: Stage) -> None:
    image = stage.scene.seed_image("other")
    first = deployed(stage)
    run = stage.run(**MANIFEST, image=image)

    assert run.exit_code == 4, run.log
    assert run.logged("Version 1.3.0.2 is lower than version 1.3.0.3")
    assert stage.weights() == {first.outputs["revision"]: 100}


def test_a_manifest_can_be_disabled_for_one_run(stage: Stage) -> None:
    image, _, _ = built(stage)
    run = stage.run(manifest="none", image=image, bump="always")

    assert run.exit_code == 0, run.log
    assert run.outputs["commit"] == ""
