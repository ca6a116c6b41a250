"""When the add-in's version is bumped, by which part, and how it is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stage import Stage, on_github

MANIFEST = {"manifest": "addin/manifest.xml"}


def _on_github(stage: Stage, *protected: str, exposes_rules: bool = True) -> dict[str, str]:
    return {**MANIFEST, **on_github(stage, *protected, exposes_rules=exposes_rules)}


def _pulls(stage: Stage) -> list[dict[str, Any]]:
    url = f"{stage.scene.environment['SANDBOX_URL']}/github/the-well/{stage.scene.app}"
    response_body: list[dict[str, Any]] = requests.get(
        url, timeout=30, proxies={"http": ""}
    ).json()["pulls"]
    return response_body


def _deployed_once(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**MANIFEST)
    assert run.outputs["version"] == "1.3.0.3", run.log


def test_a_push_outside_the_add_in_does_not_bump_its_version(stage: Stage) -> None:
    _deployed_once(stage)
    pushed = stage.push(".github/deploy-action.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.logged("Add-in changes: none since the deployed commit")
    assert run.outputs["version"] == "1.3.0.3"
    assert stage.serves()["version"] == "1.3.0.3"
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert stage.branch_head() == pushed, "there is nothing to commit"


def test_bump_when_changed_selects_the_add_ins_files(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push(".github/deploy-action.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST, bump_when_changed="addin/**\n.github/*.yml")

    assert run.exit_code == 0, run.log
    assert run.logged("Add-in changes: .github/deploy-action.yml since the deployed commit")
    assert run.outputs["version"] == "1.3.0.4"


@pytest.mark.parametrize("spelling", ["./addin/manifest.xml", "{checkout}/addin//manifest.xml"])
def test_the_version_commit_has_the_manifest_whatever_its_spelling(
    stage: Stage, spelling: str
) -> None:
    stage.push_healthy()
    manifest = spelling.replace("{checkout}", str(stage.scene.workspace))
    run = stage.run(manifest=manifest)

    assert run.exit_code == 0, run.log
    assert stage.branch_head() == run.outputs["commit"]
    assert stage.on_branch("diff", "--name-only", "main^", "main") == "addin/manifest.xml"
    assert "<Version>1.3.0.3</Version>" in stage.on_branch("show", "main:addin/manifest.xml")


def test_a_checkout_below_the_workspace_gets_the_version_commit(stage: Stage) -> None:
    """As with `path:` of actions/checkout."""
    stage.push_healthy()
    stage.variables = {"GITHUB_WORKSPACE": str(stage.scene.workspace.parent)}
    folder = stage.scene.workspace.name
    run = stage.run(
        manifest=f"{folder}/addin/manifest.xml",
        context=f"{folder}/addin",
        settings_file=f"{folder}/.github/deploy-action.yml",
    )

    assert run.exit_code == 0, run.log
    assert run.outputs["version"] == "1.3.0.3"
    assert stage.branch_head() == run.outputs["commit"]


def test_a_pattern_that_matches_no_file_is_reported(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push(".github/deploy-action.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST, bump_when_changed="adin/**\n.github/**/*.yml\n!addin/none/**")

    assert run.exit_code == 0, run.log
    assert run.logged("bump-when-changed: 'adin/**' matches no file of the checkout")
    assert run.logged("'!addin/none/**' matches no file")
    assert not run.logged("'.github/**/*.yml' matches no file")
    assert run.outputs["version"] == "1.3.0.4"


def test_a_pattern_list_that_only_excludes_is_refused(stage: Stage) -> None:
    run = stage.run(**MANIFEST, bump_when_changed="!docs/**")

    assert run.exit_code == 2, run.log
    assert run.logged("bump-when-changed")


def test_metadata_of_another_app_in_a_shared_cache_is_ignored(stage: Stage) -> None:
    stage.push_healthy()
    with stage.scene.cache() as cache:
        current = {"version": "9.9.9.9", "run": "99.1", "revision": "another--v9"}
        cache.set("deployment:current", json.dumps(current))
    run = stage.run(**MANIFEST)

    assert run.outputs["version"] == "1.3.0.3", run.log


def test_bump_always_bumps_an_unchanged_add_in(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push(".github/deploy-action.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST, bump="always")

    assert run.outputs["version"] == "1.3.0.4", run.log


def test_without_provenance_the_changes_of_the_push_decide(stage: Stage, tmp_path: Path) -> None:
    before = stage.branch_head()
    stage.push(".github/deploy-action.yml", "step-interval: 60s", "step-interval: 61s")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"before": before}), "utf-8")
    stage.variables = {"GITHUB_EVENT_PATH": str(event)}
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.logged("Add-in changes: none since the branch before the push")
    assert run.outputs["version"] == "1.3.0.2"


def test_without_any_base_the_version_is_bumped(stage: Stage) -> None:
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.logged("Add-in changes: unknown (no earlier deployment recorded)")
    assert run.outputs["version"] == "1.3.0.3"


def test_changed_permissions_bump_a_higher_part_with_bump_part_auto(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push("addin/manifest.xml", ">ReadItem<", ">ReadWriteItem<")
    run = stage.run(**MANIFEST, bump_part="auto")

    assert run.exit_code == 0, run.log
    assert run.outputs["version"] == "1.4.0.0"


def test_url_parameter_selects_the_query_parameter(stage: Stage) -> None:
    stage.push(
        "addin/manifest.xml", "/commands.html?v=1.3.0.2", "/commands.html?rev=1.3.0.2&amp;v=1"
    )
    run = stage.run(**MANIFEST, url_parameter="rev")
    now = stage.on_branch("show", "main:addin/manifest.xml")

    assert run.exit_code == 0, run.log
    assert "/commands.html?rev=1.3.0.3&amp;v=1" in now
    assert "/taskpane.html?v=1.3.0.2" in now


def test_a_script_url_in_the_allowed_list_is_refused(stage: Stage) -> None:
    stage.push(
        "addin/manifest.xml",
        "  <Permissions>",
        '  <Runtime><Override type="javascript" resid="Commands.Url"/></Runtime>\n  <Permissions>',
    )
    listed = stage.scene.workspace / "public" / ".well-known"
    listed.mkdir(parents=True)
    file = listed / "microsoft-officeaddins-allowed.json"
    url = "https://well-intake-api.example.com/commands.html?v=1.3.0.2"
    file.write_text(json.dumps({"allowed": [url]}), "utf-8")
    before = stage.scene.resource()
    refused = stage.run(**MANIFEST)
    unchanged = stage.scene.resource() == before
    warned = stage.run(**MANIFEST, allowed_list="warn")

    name = "public/.well-known/microsoft-officeaddins-allowed.json"
    assert refused.exit_code == 2, refused.log
    assert refused.logged(f"{name} names a script URL that changes with the version")
    assert f"::error title=Deployment not started (invalid settings),file={name}" in refused.log
    assert unchanged
    assert warned.exit_code == 0, warned.log
    assert warned.logged("single sign-on will fail in older builds of Outlook")


# -- how it reaches the branch -------------------------------------------------------------------


def test_with_a_token_the_commit_is_made_by_githubs_api(stage: Stage) -> None:
    pushed = stage.push_healthy()
    inputs = _on_github(stage)
    run = stage.run(**inputs, commit_message="Version {version} of {revision} [skip ci]")
    commit = run.outputs["commit"]

    assert run.exit_code == 0, run.log
    assert run.logged("version commit will be published by commit to main with GitHub's API")
    assert stage.branch_head() == commit
    assert stage.on_branch("rev-parse", "main^") == pushed
    assert stage.on_branch("diff", "--name-only", "main^", "main") == "addin/manifest.xml"
    subject = f"Version 1.3.0.3 of {run.outputs['revision']} [skip ci]"
    assert stage.on_branch("log", "-1", "--format=%s|%cn") == f"{subject}|GitHub"
    assert "Run-Id: 1.1" in stage.on_branch("log", "-1", "--format=%b")
    shown = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    assert inputs["git_token"] not in "".join(shown) + run.summary


def test_a_moved_branch_keeps_the_commits_of_others(stage: Stage) -> None:
    stage.push_healthy()
    inputs = _on_github(stage)
    with stage.users().busy() as users:
        process = stage.started(**inputs, step_interval="1s")
        while len(users.answers) < 2:
            assert process.poll() is None
        desk = stage.scene.directory / "somebody"
        stage.scene.git("clone", "--quiet", stage.scene.remote.as_uri(), str(desk), cwd=desk.parent)
        manifest = desk / "addin" / "manifest.xml"
        manifest.write_text(manifest.read_text("utf-8").replace("<Id>", "<!-- theirs --><Id>"))
        stage.scene.git("commit", "--quiet", "-am", "Theirs", cwd=desk)
        stage.scene.git("push", "--quiet", "origin", "HEAD:main", cwd=desk)
        run = stage.finished(process)

    assert run.exit_code == 0, run.log
    assert stage.branch_head() == run.outputs["commit"]
    assert stage.on_branch("log", "-1", "--format=%s", "main^") == "Theirs"
    manifest_now = stage.on_branch("show", "main:addin/manifest.xml")
    assert "<!-- theirs --><Id>" in manifest_now
    assert "<Version>1.3.0.3</Version>" in manifest_now


@pytest.mark.parametrize(
    "exposes_rules", [True, False], ids=["by its rules", "only when it refuses"]
)
def test_a_protected_branch_gets_a_pull_request(stage: Stage, exposes_rules: bool) -> None:
    pushed = stage.push_healthy()
    run = stage.run(**_on_github(stage, "main", exposes_rules=exposes_rules))
    [pull] = _pulls(stage)

    assert run.exit_code == 0, run.log
    assert run.logged("as its rules require") is exposes_rules
    assert run.logged(f"opened pull request {pull['html_url']}")
    assert stage.branch_head() == pushed
    assert (pull["base"], pull["title"]) == ("main", "Bump the add-in to 1.3.0.3 [skip ci]")
    topic = stage.on_branch("rev-parse", pull["head"])
    assert topic == run.outputs["commit"]
    assert stage.on_branch("rev-parse", f"{topic}^") == pushed


def test_commit_pull_request_always_opens_a_pull_request(stage: Stage) -> None:
    pushed = stage.push_healthy()
    run = stage.run(**_on_github(stage), commit="pull-request")

    assert run.exit_code == 0, run.log
    assert len(_pulls(stage)) == 1
    assert stage.branch_head() == pushed


def test_a_token_that_is_refused_stops_before_anything_is_built(stage: Stage) -> None:
    stage.push_healthy()
    inputs = {**_on_github(stage), "git_token": "ghs_wrong"}
    before = stage.scene.resource()
    run = stage.run(**inputs, commit="api")

    assert run.exit_code == 3, run.log
    assert "GitHub's API returned status 401: Bad credentials" in run.log
    assert stage.scene.resource() == before


def test_without_the_api_the_commit_is_pushed_with_git(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**{**_on_github(stage), "git_token": "ghs_wrong"})

    assert run.exit_code == 0, run.log
    assert run.logged(
        "version commit will be published by push to main, "
        "because the version commit could not be created"
    )
    assert stage.branch_head() == run.outputs["commit"]


def test_commit_api_without_a_token_is_refused(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**MANIFEST, commit="api")

    assert run.exit_code == 2
    assert "Input commit: 'api' requires git-token" in run.log


def test_commit_author_sets_the_author_of_a_pushed_commit(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**MANIFEST, commit_author="Release Bot <bot@contoso.com>")

    assert run.exit_code == 0, run.log
    assert stage.on_branch("log", "-1", "--format=%an <%ae>") == "Release Bot <bot@contoso.com>"


# -- after a rollback by hand ----------------------------------------------------------------------


def test_a_rollback_keeps_the_manifest_on_the_branch(stage: Stage) -> None:
    _deployed_once(stage)
    before = stage.branch_head()
    run = stage.run("rollback", **MANIFEST)

    assert run.exit_code == 0, run.log
    assert stage.branch_head() == before


@pytest.mark.parametrize("by", ["api", "push"])
def test_a_rollback_can_publish_the_old_manifest_under_a_higher_version(
    stage: Stage, by: str
) -> None:
    _deployed_once(stage)
    stage.push("addin/manifest.xml", ">ReadItem<", ">ReadWriteItem<")
    second = stage.run(**MANIFEST)
    assert second.outputs["version"] == "1.3.0.4", second.log
    inputs = _on_github(stage) if by == "api" else MANIFEST
    run = stage.run("rollback", **inputs, manifest_on_rollback="bump")
    now = stage.on_branch("show", "main:addin/manifest.xml")

    assert run.exit_code == 0, run.log
    assert "<Version>1.3.0.5</Version>" in now
    assert "?v=1.3.0.5" in now
    assert "<Permissions>ReadItem</Permissions>" in now
    assert stage.branch_head() == run.outputs["commit"]
    assert stage.on_branch("diff", "--name-only", "main^", "main") == "addin/manifest.xml"
    assert stage.serves()["version"] == "1.3.0.3"


# -- stale pages -----------------------------------------------------------------------------------

KEEPS_ALL = (
    'return f"public, max-age={A_DAY_S}" if page.type.startswith("image/") else "no-cache"',
    'return f"public, max-age={A_DAY_S}"',
)


def test_a_stale_page_that_browsers_would_cache_is_a_warning(stage: Stage) -> None:
    stage.push("addin/app/__main__.py", *KEEPS_ALL)
    good = stage.run(**MANIFEST, manifest_path="/manifest.xml")
    stage.push_healthy()
    bad = stage.run(**MANIFEST, manifest_path="/manifest.xml")

    assert good.exit_code == bad.exit_code == 0, bad.log
    assert "let browsers cache it" not in good.log, "the old one keeps only its own version"
    warned = f"{good.outputs['revision']} serves /taskpane.html?v=1.3.0.4"
    assert bad.logged(warned)
    assert "users may get the old page" in bad.summary


def test_stale_pages_cut_over_shifts_all_traffic_at_once(stage: Stage) -> None:
    stage.push("addin/app/__main__.py", *KEEPS_ALL)
    stage.run(**MANIFEST, manifest_path="/manifest.xml")
    stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, manifest_path="/manifest.xml", stale_pages="cut-over")

    assert run.exit_code == 0, run.log
    assert run.logged("with headers that let browsers cache it: all traffic shifts at once")
    assert "% to the candidate" not in run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert users.failures == []


def test_d1_a_manifest_with_uncommitted_changes_is_refused_in_the_plan(stage: Stage) -> None:
    stage.push_healthy()
    manifest = stage.scene.workspace / "addin" / "manifest.xml"
    manifest.write_text(manifest.read_text("utf-8") + "<!-- by hand -->\n", "utf-8")

    run = stage.run(manifest="addin/manifest.xml")

    assert run.exit_code == 3, run.log
    assert "has changes in the checkout that are not committed" in run.log
    assert list(stage.scene.revisions()) == [stage.first]
