"""`deploy-action init` writes files that work and prints commands that are valid shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy_action.inputs.environment import load
from tests.support.paths import ROOT

TOOLS = Path(sys.executable).parent
NAMES = {
    "--app": "orders-api",
    "--resource-group": "contoso-prod",
    "--registry": "contoso",
    "--repository": "contoso/orders",
}
FILES = [
    ".github/deploy-action.yml",
    ".github/workflows/deploy.yml",
    ".github/workflows/rollback.yml",
]


def init(folder: Path, *flags: str, **options: str) -> subprocess.CompletedProcess[str]:
    arguments = {**NAMES, **{f"--{name.replace('_', '-')}": text for name, text in options.items()}}
    return subprocess.run(
        [
            *(sys.executable, "-m", "deploy_action", "init", "--directory", str(folder), *flags),
            *(f"{name}={text}" for name, text in arguments.items() if text),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_the_files_are_complete_settings_and_workflows(tmp_path: Path) -> None:
    done = init(tmp_path, manifest="addin/manifest.xml", health_path="/up", environment="live")

    assert done.returncode == 0, done.stderr
    assert "Then commit the files above and push to main." in done.stderr
    assert written(tmp_path) == FILES
    settings = load({"INPUT_ENVIRONMENT": "live"}, tmp_path, {})
    assert (settings.app, settings.resource_group) == ("orders-api", "contoso-prod")
    assert (settings.registry, settings.manifest) == ("contoso", "addin/manifest.xml")
    assert settings.health_path == "/up"
    job = yaml.safe_load((tmp_path / FILES[1]).read_text("utf-8"))["jobs"]["deploy"]
    assert job["permissions"] == {"contents": "write", "id-token": "write"}
    assert job["environment"] == {"name": "live", "url": "${{ steps.deploy.outputs.url }}"}
    assert job["steps"][1]["id"] == "deploy"
    assert job["steps"][1]["with"]["environment"] == "live"


def test_an_app_without_a_manifest_gets_no_right_to_push(tmp_path: Path) -> None:
    init(tmp_path)

    job = yaml.safe_load((tmp_path / FILES[1]).read_text("utf-8"))["jobs"]["deploy"]
    assert job["permissions"] == {"contents": "read", "id-token": "write"}


@pytest.mark.parametrize("name", ["on", "1.10", "123", "null", "v1.0"])
def test_names_that_yaml_reads_as_something_else_stay_texts(tmp_path: Path, name: str) -> None:
    done = init(tmp_path, environment=name, app=name, branch=name)

    assert done.returncode == 0, done.stderr
    assert load({"INPUT_ENVIRONMENT": name}, tmp_path, {}).app == name
    workflow = yaml.safe_load((tmp_path / FILES[1]).read_text("utf-8"))
    assert workflow[True]["push"]["branches"] == [name]
    assert workflow["jobs"]["deploy"]["environment"]["name"] == name


def test_linters_accept_the_workflows(tmp_path: Path) -> None:
    init(tmp_path, manifest="addin/manifest.xml")
    (tmp_path / ".git").mkdir()
    # The action's own tags are immutable; everything else must be pinned by commit.
    policies = {"the-well/deploy-action": "ref-pin", "*": "hash-pin"}
    rules = {"rules": {"unpinned-uses": {"config": {"policies": policies}}}}
    (tmp_path / ".github" / "zizmor.yml").write_text(yaml.safe_dump(rules), "utf-8")

    for program, *words in (
        ("actionlint",),
        ("zizmor", "--offline", "--no-progress", "--persona", "regular", ".github/workflows"),
    ):
        done = subprocess.run(
            [TOOLS / program, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    file = tmp_path / FILES[1]
    file.parent.mkdir(parents=True)
    file.write_text("name: Mine\n", "utf-8")

    kept = init(tmp_path)

    assert file.read_text("utf-8") == "name: Mine\n"
    assert f"{FILES[1]} exists and was not changed; --overwrite replaces it" in kept.stderr
    assert written(tmp_path) == FILES
    replaced = init(tmp_path, "--overwrite")
    assert f"Replaced {FILES[1]}" in replaced.stderr
    assert file.read_text("utf-8").startswith("name: Deploy\n")


def test_a_second_environment_is_shown_to_be_added_by_hand(tmp_path: Path) -> None:
    init(tmp_path)
    before = (tmp_path / FILES[0]).read_text("utf-8")

    done = init(tmp_path, environment="dev", app="orders-dev")

    assert (tmp_path / FILES[0]).read_text("utf-8") == before
    assert "  dev:\n    resource-group: contoso-prod\n    app: orders-dev" in done.stderr


def test_the_printed_script_is_valid_and_runs_nothing(tmp_path: Path) -> None:
    done = init(tmp_path)

    checked = subprocess.run(
        [TOOLS / "shellcheck", "-"], input=done.stdout, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert '"subject": "repo:contoso/orders:environment:prod"' in done.stdout
    for role in ("Container Apps Contributor", "Monitoring Reader", "AcrPush", "AcrPull"):
        assert role in done.stdout
    variable = (
        'gh variable set AZURE_CLIENT_ID --env prod --repo contoso/orders --body "$CLIENT_ID"'
    )
    assert variable in done.stdout


def test_a_location_adds_commands_that_create_what_is_missing(tmp_path: Path) -> None:
    created = ("group create", "acr create", "containerapp env create", "containerapp create")

    done = init(tmp_path, location="westeurope", target_port="3000", container_environment="shared")

    checked = subprocess.run(
        [TOOLS / "shellcheck", "-"], input=done.stdout, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    script = done.stdout.replace("\\\n ", "")
    for command in created:
        [line] = [text for text in script.splitlines() if f"az {command} " in text]
        assert line.startswith('[ -n "'), "only if it is not there"
    assert "containerapp env create --name shared " in script
    assert "--target-port 3000 " in script
    assert not any(f"az {command} " in init(tmp_path).stdout for command in created)


def test_ids_of_the_repository_become_part_of_the_subject(tmp_path: Path) -> None:
    done = init(tmp_path, repository_ids="12/345", environment="dev")

    assert '"subject": "repo:contoso@12/orders@345:environment:dev"' in done.stdout


def test_building_on_the_runner_needs_no_right_to_build_in_the_registry(tmp_path: Path) -> None:
    assert "Registry Tasks Contributor" in init(tmp_path).stdout
    assert "Registry Tasks Contributor" not in init(tmp_path, builder="docker").stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("app", "a b"),
        ("app", "a';rm -rf /;'"),
        ("repository", "orders"),
        ("registry", "contoso.azurecr.io"),
        ("environment", "pro$d"),
        ("repository_ids", "12"),
        ("health_path", "health"),
        ("location", "west europe; rm"),
        ("target_port", "http"),
        ("action", "x@y z"),
    ],
)
def test_an_invalid_answer_is_refused_before_anything_is_written(
    tmp_path: Path, option: str, value: str
) -> None:
    done = init(tmp_path, **{option: value})

    assert done.returncode == 2
    assert f"--{option.replace('_', '-')}: '{value}'" in done.stderr
    assert written(tmp_path) == []


def test_a_missing_answer_is_named_where_nobody_can_be_asked(tmp_path: Path) -> None:
    done = init(tmp_path, registry="")

    assert done.returncode == 2
    assert "Missing option '--registry'" in done.stderr


def test_a_failing_az_is_reported_with_its_message(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "az"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'ERROR: Please run az login.' >&2\nexit 1\n", "utf-8")
    program.chmod(0o755)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deploy_action", "init", "--run"),
            *(f"{name}={text}" for name, text in NAMES.items()),
        ],
        env={"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "Please run az login" in done.stderr
    assert "run init again" in done.stderr
