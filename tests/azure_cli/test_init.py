"""From a repository without workflows to its first deployment, with `deploy-action init --run`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy_action.sandbox import launch
from tests.stage import NEXT_VERSION, Stage
from tests.support.act import ACTION, act, commit_workflows
from tests.support.paths import ROOT
from tests.support.scene import Scene

pytestmark = pytest.mark.az
PYTHON = ROOT / ".build" / "az-python"
REPOSITORY = "someone/fresh"
# The defaults take minutes; everything else is as `init` wrote it.
FAST = """\
    health-interval: 0.1s
    traffic-steps: 50,100
    step-interval: 0.2s
    bake: 0.2s
    drain-time: 0s
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An app whose repository has no workflows, in a sandbox that forwards other requests."""
    process, environment = launch.start(tmp_path, "--let-through")
    try:
        stage = Stage.set_up(environment, tmp_path, "first-steps")
        commit_workflows(stage, {".github/deploy-action.yml": ""})
        stage.scene.arm(
            "PATCH",
            f"/containerApps/{stage.scene.app}",
            {"properties": {"configuration": {"activeRevisionsMode": "Single"}}},
        )
        stage.wait_until_idle()
        yield stage
    finally:
        launch.stop(process)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stage]:
    """A repository without workflows, and a subscription without its group and registry."""
    process, environment = launch.start(tmp_path, "--let-through")
    try:
        scene = Scene(environment, tmp_path, "orders", group="Contoso-Prod", registry="contosoprod")
        scene.make_repository()
        stage = Stage(scene)
        commit_workflows(stage, {".github/deploy-action.yml": ""})
        yield stage
    finally:
        launch.stop(process)


def signed_in(stage: Stage) -> dict[str, str]:
    """Sign `az` in as the administrator; return its environment."""
    assert PYTHON.exists(), "az is not installed: run 'make test-az'"
    azure = stage.scene.environment
    programs = Path(PYTHON.read_text("utf-8").strip()).parent
    environment = {
        **azure,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(stage.scene.directory),
        "AZURE_CONFIG_DIR": str(stage.scene.directory / "az"),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
    }
    subprocess.run(
        [
            *("az", "login", "--service-principal", "-u", azure["AZURE_CLIENT_ID"], "--tenant"),
            *(azure["AZURE_TENANT_ID"], "--password", azure["SANDBOX_CLIENT_SECRET"]),
        ],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return environment


def init(
    stage: Stage, environment: dict[str, str], *flags: str
) -> subprocess.CompletedProcess[str]:
    """Run `deploy-action init` in the checkout."""
    scene = stage.scene
    return subprocess.run(
        [
            *(sys.executable, "-m", "deploy_action", "init", "--overwrite", "--app", scene.app),
            *("--resource-group", scene.group, "--registry", scene.registry),
            *("--repository", REPOSITORY, "--action", ACTION, "--context", "addin"),
            *("--manifest", "addin/manifest.xml", *flags),
        ],
        cwd=stage.scene.workspace,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def variables_of(output: str) -> dict[str, str]:
    """Read the variables from the `gh variable set` commands."""
    lines = [line.split() for line in output.splitlines() if line.startswith("gh variable set ")]
    return {words[3]: words[-1].strip('"') for words in lines}


def job_variables(stage: Stage, subject: str) -> dict[str, str]:
    """Return what GitHub gives a job with *subject*: the token for its OIDC requests."""
    job = requests.post(
        f"{stage.scene.environment['SANDBOX_URL']}/identities",
        json={"name": "issuer", "subject": subject},
        timeout=30,
        proxies={"http": ""},
    ).json()
    return {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": job["request_token"]}


def commit_files_of_init(stage: Stage) -> None:
    """Commit what `init` wrote, with short waits."""
    names = (
        ".github/deploy-action.yml",
        ".github/workflows/deploy.yml",
        ".github/workflows/rollback.yml",
    )
    files = {name: (stage.scene.workspace / name).read_text("utf-8") for name in names}
    files[".github/deploy-action.yml"] += FAST
    commit_workflows(stage, files)


def run_script(
    text: str, environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a printed script with a `gh` that prints its arguments."""
    gh = folder / "programs" / "gh"
    gh.parent.mkdir()
    gh.write_text('#!/bin/sh\necho "gh $*"\n', "utf-8")
    gh.chmod(0o755)
    return subprocess.run(
        ["sh"],
        input=text,
        env={**environment, "PATH": f"{gh.parent}:{environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_an_empty_subscription_gets_all_that_the_first_deployment_needs(
    empty: Stage, tmp_path: Path
) -> None:
    environment = signed_in(empty)
    flags = ("--location", "westeurope")
    script = init(empty, environment, *flags).stdout

    done = run_script(script, environment, tmp_path)

    assert done.returncode == 0, done.stderr
    variables = variables_of(done.stdout)
    again = init(empty, environment, *flags, "--run")
    assert (again.returncode, variables_of(again.stdout)) == (0, variables), again.stderr
    [environment_made] = empty.scene.arm("GET", "/managedEnvironments")["value"]
    assert environment_made["location"] == "West Europe"
    host = empty.scene.resource()["properties"]["configuration"]["ingress"]["fqdn"]
    empty.url = f"https://{host}"

    commit_files_of_init(empty)
    job = job_variables(empty, f"repo:{REPOSITORY}:environment:prod")
    deployed = act(empty, "push", variables=variables, environment=job)

    assert deployed.code == 0, deployed.log
    assert empty.serves()["version"] == NEXT_VERSION


def test_a_new_repository_deploys_with_what_init_set_up(stage: Stage) -> None:
    environment = signed_in(stage)

    done = init(stage, environment, "--run")

    assert done.returncode == 0, done.stderr
    variables = variables_of(done.stdout)
    assert list(variables) == ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"]
    again = init(stage, environment, "--run")
    assert (again.returncode, variables_of(again.stdout)) == (0, variables), again.stderr

    commit_files_of_init(stage)
    other = job_variables(stage, f"repo:{REPOSITORY}:environment:dev")
    refused = act(stage, "push", variables=variables, environment=other)
    assert refused.code != 0
    assert "AADSTS700213" in refused.log
    assert stage.active() == [stage.first]

    job = job_variables(stage, f"repo:{REPOSITORY}:environment:prod")
    deployed = act(stage, "push", variables=variables, environment=job)

    assert deployed.code == 0, deployed.log
    assert stage.serves()["version"] == NEXT_VERSION
    assert stage.first not in stage.weights()

    stage.scene.check_out()
    back = act(stage, "workflow_dispatch", variables=variables, environment=job)

    assert back.code == 0, back.log
    assert stage.weights() == {stage.first: 100}
