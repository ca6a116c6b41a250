"""A checkout in a subfolder of the workspace, and several apps in one repository."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stage import Stage

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version"}
SETTINGS = """\
environments:
  prod:
    resource-group: TheWell-Infra-East
    registry: wellintakeregistry
    builder: acr
    context: addin
    manifest: addin/manifest.xml
    identity-path: /version
    bump-when-changed: [addin/**, "!addin/Dockerfile"]
    smoke-test: test -f deploy.yml
"""


def push(stage: Stage, change: Callable[[Path], None]) -> None:
    """Push one commit with *change*, and check it out."""
    desk = stage.scene.directory / "monorepo-desk"
    shutil.rmtree(desk, ignore_errors=True)
    stage.scene.git("clone", "--quiet", str(stage.scene.remote), str(desk), cwd=desk.parent)
    change(desk)
    stage.scene.git("add", "--all", ".", cwd=desk)
    stage.scene.git("commit", "--quiet", "-m", "Change the monorepo", cwd=desk)
    stage.scene.git("push", "--quiet", "origin", "HEAD:main", cwd=desk)
    stage.scene.check_out()


def edit_greeting(app: str, old: str, new: str) -> Callable[[Path], None]:
    """Return a change of one app's greeting."""

    def change(desk: Path) -> None:
        file = desk / "apps" / app / "addin/app/greeting.py"
        file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")

    return change


@pytest.fixture
def monorepo(stage: Stage) -> Stage:
    """A repository with two apps, each with its own settings file."""

    def split(desk: Path) -> None:
        for app in ("intake", "billing"):
            shutil.copytree(desk / "addin", desk / "apps" / app / "addin")
            (desk / "apps" / app / "deploy.yml").write_text(SETTINGS, "utf-8")
        shutil.rmtree(desk / "addin")
        shutil.rmtree(desk / ".github")

    push(stage, split)
    return stage


def of(app: str) -> dict[str, str]:
    """Return the inputs of one app of the monorepo."""
    return {"working_directory": f"apps/{app}", "settings_file": "deploy.yml", "bump": "auto"}


def test_a_checkout_in_a_subfolder_is_deployed_and_published(stage: Stage) -> None:
    stage.push_healthy()
    workspace = stage.scene.workspace
    moved = workspace.rename(workspace.parent / "moved")
    workspace.mkdir()
    moved.rename(workspace / "src")

    run = stage.run(**INPUTS, working_directory="./src/")

    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == run.outputs["version"] == "1.3.0.3"
    assert "1.3.0.3" in stage.on_branch("show", "main:addin/manifest.xml")


def test_two_apps_of_a_monorepo_have_their_own_settings_images_and_versions(
    monorepo: Stage,
) -> None:
    stage = monorepo
    push(stage, edit_greeting("intake", "Hello", "Welcome"))
    intake = stage.run(**of("intake"))
    [environment] = stage.scene.arm("GET", "/managedEnvironments")["value"]
    new = {"create": "true", "managed_environment": environment["name"]}
    other = f"{stage.scene.app}-b"
    stage.scene.check_out()
    billing = stage.run(**of("billing"), **new, app=other, repository=other)

    assert intake.exit_code == billing.exit_code == 0, intake.log + billing.log
    assert "Welcome" in stage.scene.session.get(f"{stage.url}/api/greeting", timeout=30).text
    url = billing.outputs["url"]
    assert "Hello" in stage.scene.session.get(f"{url}/api/greeting", timeout=30).text
    touched = [stage.on_branch("show", "--format=", "--name-only", f"main~{n}") for n in (0, 1)]
    assert touched == ["apps/billing/addin/manifest.xml", "apps/intake/addin/manifest.xml"]

    push(stage, edit_greeting("billing", "Hello", "Dear customer"))
    plans = {
        name: stage.run(**of(name), app=app, dry_run="true")
        for name, app in (("intake", stage.scene.app), ("billing", other))
    }
    stage.scene.ask("DELETE", stage.scene.path.replace(stage.scene.app, other))
    assert [plan.exit_code for plan in plans.values()] == [0, 0], plans["billing"].log
    assert plans["intake"].outputs["attempted-version"] == intake.outputs["version"]
    assert plans["billing"].outputs["attempted-version"] == "1.3.0.4"


def test_the_repository_may_be_the_build_context_of_an_app_in_it(monorepo: Stage) -> None:
    inputs = {**of("intake"), "context": "../..", "dockerfile": "addin/Dockerfile"}
    checked = monorepo.run("validate", **inputs)
    outside = monorepo.run("validate", **{**inputs, "context": "../../.."})

    assert checked.exit_code == 0, checked.log
    assert "apps/intake/addin/Dockerfile and its ignore file" in checked.log
    assert outside.exit_code == 2, outside.log
    assert "Input context: '../../..' is outside the checkout" in outside.log


def test_the_allowed_list_of_an_app_is_found_and_annotated_in_its_own_folder(
    monorepo: Stage,
) -> None:
    name = "addin/public/.well-known/microsoft-officeaddins-allowed.json"
    url = "https://well-intake-api.example.com/commands.html?v=1.3.0.2"
    script = '  <Runtime><Override type="javascript" resid="Commands.Url"/></Runtime>\n'

    def list_a_script(desk: Path) -> None:
        for app in ("intake", "billing"):
            manifest = desk / "apps" / app / "addin/manifest.xml"
            text = manifest.read_text("utf-8").replace(
                "  <Permissions>", f"{script}  <Permissions>"
            )
            manifest.write_text(text, "utf-8")
        file = desk / "apps/intake" / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"allowed": [url]}), "utf-8")

    push(monorepo, list_a_script)
    refused = monorepo.run(**of("intake"), dry_run="true")
    other = monorepo.run(**of("billing"), dry_run="true")

    assert refused.exit_code == 2, refused.log
    assert refused.logged(f"{name} names a script URL that changes with the version")
    assert (
        f"::error title=Deployment not started (invalid settings),file=apps/intake/{name}"
        in refused.log
    )
    assert other.exit_code == 0, other.log


def test_a_fault_in_the_settings_file_is_annotated_at_its_path_in_the_repository(
    monorepo: Stage,
) -> None:
    file = monorepo.scene.workspace / "apps/intake/deploy.yml"
    file.write_text(file.read_text("utf-8") + "    health-pathh: /x\n", "utf-8")

    run = monorepo.run("validate", **of("intake"))

    assert run.exit_code == 2, run.log
    assert "file=apps/intake/deploy.yml,line=11" in run.log


def test_a_rollback_needs_no_checkout_in_the_working_directory(stage: Stage) -> None:
    stage.push_healthy()
    assert stage.run(**INPUTS).exit_code == 0
    shutil.rmtree(stage.scene.workspace)
    stage.scene.workspace.mkdir()

    group = {"resource_group": stage.scene.group}
    run = stage.run("rollback", **group, working_directory="apps/intake")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}


@pytest.mark.parametrize("folder", ["nowhere", "..", "/etc", "README.md"])
def test_a_working_directory_that_is_no_folder_of_the_checkout_is_refused(
    stage: Stage, folder: str
) -> None:
    run = stage.run("validate", working_directory=folder)

    assert run.exit_code == 2, run.log
    assert f"Input working-directory: '{folder}' must be a folder of the checkout" in run.log
