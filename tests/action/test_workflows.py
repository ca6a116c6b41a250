"""The repository's workflows: least privilege, pinned actions, no untrusted text in scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy_action.core.settings.choices import Command
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.inputs.environment import load
from tests.support.paths import ROOT

FOLDER = ROOT / ".github" / "workflows"
TOOLS = Path(sys.executable).parent
NAMES = ("ci", "deploy", "release", "rollback", "scan")
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow as data; PyYAML reads the key ``on`` as true."""
    result = yaml.safe_load((FOLDER / f"{name}.yml").read_text("utf-8"))
    assert isinstance(result, dict)
    return {("on" if key is True else key): value for key, value in result.items()}


def jobs(name: str) -> list[dict[str, Any]]:
    """Return the jobs of a workflow."""
    return list(workflow(name)["jobs"].values())


def steps(name: str) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in jobs(name) for step in job["steps"]]


def job(name: str) -> dict[str, Any]:
    """Return the only job of a workflow."""
    (result,) = jobs(name)
    return result


def own_step(name: str) -> dict[str, Any]:
    """Return the step that uses this action."""
    (result,) = (step for step in job(name)["steps"] if step.get("uses") == "./")
    assert isinstance(result, dict)
    return result


def settings(environment: str, **more: str) -> Settings:
    """Return what the repository's settings file says for *environment*."""
    return load({"INPUT_ENVIRONMENT": environment}, ROOT, more)


def test_the_list_of_workflows_is_complete() -> None:
    assert sorted(file.name for file in FOLDER.iterdir()) == [f"{name}.yml" for name in NAMES]


def test_ci_runs_the_oldest_and_the_newest_supported_python() -> None:
    checks = jobs("ci")[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = [
        text.rpartition(" ")[2] for text in project["classifiers"] if "Python :: 3." in text
    ]

    assert project["requires-python"] == f">={supported[0]}"
    assert checks["strategy"]["matrix"]["python"] == [supported[0], supported[-1]]


# --- rights ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rights"),
    [
        ("ci", {"contents": "read"}),
        ("deploy", {"contents": "write", "id-token": "write"}),
        (
            "release",
            {
                "actions": "read",
                "attestations": "write",
                "contents": "write",
                "id-token": "write",
            },
        ),
        ("rollback", {"contents": "read", "id-token": "write"}),
        ("scan", {"contents": "read"}),
    ],
)
def test_permissions_are_set_per_job_and_minimal(name: str, rights: dict[str, str]) -> None:
    assert workflow(name)["permissions"] == {}
    assert [job["permissions"] for job in jobs(name)] == [rights] * len(jobs(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_third_party_action_is_pinned_by_commit_with_a_version_comment(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text("utf-8")
    foreign = [line.strip(" -") for line in text.splitlines() if "uses:" in line]
    foreign = [line for line in foreign if line != "uses: ./"]

    assert foreign
    assert [line for line in foreign if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_checkout_leaves_no_token_behind(name: str) -> None:
    checkouts = [s for s in steps(name) if s.get("uses", "").startswith("actions/checkout@")]

    assert len(checkouts) == len(jobs(name))
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("name", NAMES)
def test_scripts_contain_no_expressions(name: str) -> None:
    scripts = [step["run"] for step in steps(name) if "run" in step]

    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("name", NAMES)
def test_only_the_action_receives_secrets(name: str) -> None:
    whole = workflow(name)
    text = yaml.safe_dump(whole)
    inputs = own_step(name)["with"].values() if name in {"deploy", "rollback"} else ()

    assert text.count("secrets.") == sum("secrets." in str(value) for value in inputs)


def test_the_settings_file_contains_no_secret() -> None:
    secret = {setting.name for setting in setting_specs() if setting.secret} - {"secrets"}
    environments = yaml.safe_load((ROOT / ".github" / "deploy-action.yml").read_text("utf-8"))
    blocks = environments["environments"].values()
    written = {name for block in blocks for name in block}

    assert secret
    assert all(
        text.startswith("keyvault:") for block in blocks for text in block["secrets"].values()
    )
    assert written & (secret | {"client-id", "tenant-id", "subscription-id"}) == set()


# --- triggers and concurrency ------------------------------------------------------------------


def test_a_push_to_main_and_nothing_else_deploys() -> None:
    assert workflow("deploy")["on"] == {"push": {"branches": ["main"]}}


def test_a_rollback_is_started_by_hand_with_environment_revision_and_reason() -> None:
    (event,) = workflow("rollback")["on"]
    dispatch_inputs = workflow("rollback")["on"][event]["inputs"]

    assert event == "workflow_dispatch"
    assert list(dispatch_inputs) == ["environment", "revision", "reason"]
    assert (dispatch_inputs["environment"]["type"], dispatch_inputs["environment"]["default"]) == (
        "choice",
        "prod",
    )
    assert dispatch_inputs["environment"]["options"] == ["prod", "dev"]
    assert not any(dispatch_inputs[name].get("required") for name in ("revision", "reason"))


def test_a_rollout_in_progress_is_never_cancelled_by_the_next() -> None:
    assert workflow("deploy")["concurrency"] == {
        "group": "deploy-prod",
        "cancel-in-progress": False,
    }


def test_a_rollback_waits_for_other_rollbacks_of_its_environment_only() -> None:
    assert workflow("rollback")["concurrency"] == {
        "group": "rollback-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_job_has_a_time_limit_and_the_actions_step_has_none(name: str) -> None:
    """A limit on the action's step would cut off its second step as well."""
    assert all(0 < job["timeout-minutes"] <= 60 for job in jobs(name))
    assert [step for step in steps(name) if "timeout-minutes" in step] == []


def test_the_job_runs_in_the_environment_that_it_changes() -> None:
    environment = {"name": "prod", "url": "${{ steps.deploy.outputs.url }}"}
    assert job("deploy")["environment"] == environment
    assert own_step("deploy")["with"]["environment"] == "prod"
    assert job("rollback")["environment"] == "${{ inputs.environment }}"
    assert own_step("rollback")["with"]["environment"] == "${{ inputs.environment }}"


def test_the_scan_fails_on_every_vulnerability_with_a_fix_and_on_no_other() -> None:
    (scan,) = [step for step in steps("scan") if "anchore/scan-action" in step.get("uses", "")]

    assert scan["with"].get("fail-build", True) is True
    assert scan["with"]["only-fixed"] is True
    assert scan["with"]["severity-cutoff"] == "negligible"


# --- the action's inputs and settings ----------------------------------------------------------


@pytest.mark.parametrize("name", ["deploy", "rollback"])
def test_a_workflow_gives_only_inputs_that_exist(name: str) -> None:
    assert set(own_step(name)["with"]) <= {setting.name for setting in setting_specs()}


def test_dispatch_inputs_reach_the_rollback() -> None:
    inputs = own_step("rollback")["with"]

    assert inputs["command"] == Command.ROLLBACK.value
    for name in ("environment", "revision", "reason"):
        assert inputs[name] == f"${{{{ inputs.{name} }}}}"


def test_a_step_reads_only_outputs_that_the_action_has() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    text = (FOLDER / "deploy.yml").read_text("utf-8")
    read = re.findall(r"steps\.(\w+)\.outputs\.([\w-]+)", text)

    assert read
    assert {step for step, _ in read} == {own_step("deploy")["id"]}
    assert {output for _, output in read} <= set(action["outputs"])


def test_the_environments_are_the_two_that_can_be_chosen() -> None:
    written = yaml.safe_load((ROOT / ".github" / "deploy-action.yml").read_text("utf-8"))

    assert list(written["environments"]) == ["prod", "dev"]


@pytest.mark.parametrize("name", ["deploy", "rollback", "status", "repair"])
@pytest.mark.parametrize(
    ("environment", "group", "app", "registry"),
    [
        ("prod", "TheWell-Infra-East", "well-intake-api", "wellintakeregistry"),
        ("dev", "TheWell-Dev-East", "well-intake-api-dev", "wellintakeregistrydev"),
    ],
)
def test_the_settings_file_is_enough_for_every_command(
    name: str, environment: str, group: str, app: str, registry: str
) -> None:
    result = settings(environment, command=name)

    assert (result.resource_group, result.app, result.registry) == (group, app, registry)
    assert result.cache_patterns == ("manifest:*", "config:*", "email:pattern:*")
    assert (result.identity_path, result.manifest_path) == ("/version", "/manifest.xml")
    assert (ROOT / result.context / "Dockerfile").is_file()
    assert (ROOT / result.manifest).is_file()


# --- the linters -------------------------------------------------------------------------------


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["--offline", "--strict-collection", "--persona", "pedantic", "--no-progress"]
    return lint("zizmor", *words, str(folder / ".github"), str(folder / "action.yml"), cwd=folder)


def lint(program: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / program), *words], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the workflows and the action, to be broken by tests."""
    (tmp_path / ".git").mkdir()  # actionlint looks for the project's root
    shutil.copytree(FOLDER, tmp_path / ".github" / "workflows")
    for name in ("action.yml", ".github/dependabot.yml", ".github/zizmor.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_security_linter_finds_nothing() -> None:
    result = zizmor(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_syntax_linter_finds_nothing() -> None:
    result = lint("actionlint", cwd=ROOT)

    assert result.returncode == 0, result.stdout


def test_the_linters_detect_faults_in_these_files(copy: Path) -> None:
    assert zizmor(copy).returncode == 0
    assert lint("actionlint", cwd=copy).returncode == 0
    file = copy / ".github" / "workflows" / "rollback.yml"
    text = file.read_text("utf-8")

    file.write_text(f"{text}      - run: echo ${{{{ inputs.reason }}}}\n", "utf-8")
    assert "template-injection" in zizmor(copy).stdout

    file.write_text(text.replace("inputs.reason", "inputs.raeson"), "utf-8")
    assert "raeson" in lint("actionlint", cwd=copy).stdout
