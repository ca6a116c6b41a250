"""Every workflow of docs/workflows passes the linters and runs under `act` in the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from deploy_action import __version__
from deploy_action.sandbox import launch
from deploy_action.sandbox.scene import GROUP, REGISTRY
from tests.scenarios.test_sign_in import log_in_with_az
from tests.stage import NEXT_VERSION, VERSION, Stage
from tests.support.act import ACTION, WorkflowRun, act, commit_workflows
from tests.support.other_tools import configure, pin
from tests.support.paths import ROOT
from tests.support.scene import Scene

FOLDER = ROOT / "docs" / "workflows"
SIGN_IN = ROOT / "tests" / "support" / "azure_login"
FILES = sorted(FOLDER.glob("*.yml"))
TOOLS = Path(sys.executable).parent
# The uv that installed the packages of these tests. test_run_in_act.py and test_bootstrap.py do
# without; here, each job would install it.
UV = sorted(Path(sys.prefix).parent.glob("uv-*/bin"))
REFERENCE = f"the-well/deploy-action@v{__version__}"
# The defaults take minutes.
FAST = {
    "resource-group": GROUP,
    "registry": REGISTRY,
    "builder": "acr",
    "context": "addin",
    "health-passes": 2,
    "health-interval": "0.1s",
    "traffic-steps": "50,100",
    "step-interval": "0.2s",
    "bake": "0.2s",
    "drain-time": "0s",
    "analysis": "off",
}


def test_there_is_a_workflow_for_each_common_need() -> None:
    listed = (FOLDER / "README.md").read_text("utf-8")

    assert len(FILES) == 10
    assert [file.name for file in FILES if f"]({file.name})" not in listed] == []


def test_the_linters_find_nothing(tmp_path: Path) -> None:
    # The action's own tags are immutable; everything else must be pinned by commit.
    policies = {"the-well/deploy-action": "ref-pin", "*": "hash-pin"}
    rules = tmp_path / "zizmor.yml"
    rules.write_text(
        yaml.safe_dump({"rules": {"unpinned-uses": {"config": {"policies": policies}}}}), "utf-8"
    )
    zizmor = ["zizmor", "--offline", "--no-progress", "--config", str(rules)]
    for program, *words in (["actionlint"], zizmor):
        done = subprocess.run(
            [TOOLS / program, *words, *FILES], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_passes_only_inputs_that_exist(file: Path) -> None:
    inputs = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]
    text = file.read_text("utf-8")
    steps = [
        step
        for job in yaml.safe_load(text)["jobs"].values()
        for step in job["steps"]
        if step.get("uses") == REFERENCE
    ]

    assert steps
    assert [name for step in steps for name in step["with"] if name not in inputs] == []


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A sandbox that forwards other requests: the action installs its packages."""
    process, environment = launch.start(tmp_path_factory.mktemp("azure"), "--let-through")
    yield environment
    launch.stop(process)


def prepare(
    stage: Stage, *names: str, more: Mapping[str, str] | None = None, **apps: dict[str, str]
) -> None:
    """Put workflows, *more* files and the settings of *apps* by environment into the repository."""
    settings = {"environments": {key: {**FAST, **block} for key, block in apps.items()}}
    files = {
        f".github/workflows/{name}.yml": (FOLDER / f"{name}.yml")
        .read_text("utf-8")
        .replace(REFERENCE, ACTION)
        for name in names
    }
    settings_file = {".github/deploy-action.yml": yaml.safe_dump(settings)}
    commit_workflows(stage, {**files, **settings_file, **(more or {})})


def run(stage: Stage, event: str, *words: str, **environment: str) -> WorkflowRun:
    """Run the workflows with the variables of a GitHub environment."""
    names = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
    variables = {name: stage.scene.environment[name] for name in names}
    variables["AZURE_RESOURCE_GROUP"] = GROUP
    done = act(stage, event, *words, variables=variables, environment=environment, programs=UV)
    assert done.code == 0, done.log
    return done


def second_app(stage: Stage, name: str = "b") -> Scene:
    """Create another app that serves the same image."""
    scene = Scene(stage.scene.environment, stage.scene.directory, f"{stage.scene.app}-{name}")
    scene.create_app(f"{REGISTRY}.azurecr.io/{stage.scene.app}:{VERSION}", VERSION)
    return scene


def images(scene: Scene) -> set[str]:
    """Return the images of the revisions that receive traffic."""
    serving = {name for name, weight in scene.weights().items() if weight}
    listed = scene.arm("GET", f"/containerApps/{scene.app}/revisions")["value"]
    return {
        item["properties"]["template"]["containers"][0]["image"]
        for item in listed
        if item["name"] in serving
    }


@pytest.mark.long
@pytest.mark.slow
def test_a_push_deploys_and_a_dispatch_rolls_back(stage: Stage) -> None:
    app = {"app": stage.scene.app, "manifest": "addin/manifest.xml"}
    prepare(stage, "push-to-main", prod=app)
    run(stage, "push")
    assert stage.serves()["version"] == NEXT_VERSION

    prepare(stage, "rollback", prod=app)
    run(stage, "workflow_dispatch", "--input", "environment=prod")
    assert stage.weights() == {stage.first: 100}


@pytest.mark.long
@pytest.mark.slow
def test_dev_and_prod_get_the_same_image(stage: Stage) -> None:
    dev = second_app(stage)
    prepare(stage, "dev-then-prod", prod={"app": stage.scene.app}, dev={"app": dev.app})

    run(stage, "push")

    assert stage.first not in stage.weights()
    assert len(images(dev)) == 1
    assert images(dev) == images(stage.scene)


@pytest.mark.long
@pytest.mark.slow
def test_a_pull_request_shows_the_plan_and_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    prepare(stage, "pull-request", prod={"app": stage.scene.app})
    event = tmp_path / "event.json"
    head = {"repo": {"fork": False}}
    event.write_text(
        json.dumps({"pull_request": {"number": 7, "head": head, "base": {"ref": "main"}}}), "utf-8"
    )

    done = run(stage, "pull_request", "--eventpath", str(event))

    assert "plan" in done.summary.lower()
    assert stage.active() == [stage.first]


@pytest.mark.long
@pytest.mark.slow
def test_a_matrix_deploys_every_app(stage: Stage) -> None:
    other = second_app(stage)
    prepare(stage, "matrix-of-apps", orders={"app": stage.scene.app}, invoices={"app": other.app})

    run(stage, "push")

    assert stage.first not in stage.weights()
    assert f"{other.app}--first" not in {name for name, weight in other.weights().items() if weight}


@pytest.mark.long
@pytest.mark.slow
def test_a_repair_at_night_finds_nothing_to_do(stage: Stage) -> None:
    other = second_app(stage)
    prepare(stage, "nightly-repair", prod={"app": stage.scene.app}, dev={"app": other.app})

    run(stage, "schedule")

    assert stage.active() == [stage.first]
    assert not stage.is_locked()


CALLER = """
on: push
permissions: {}
jobs:
  deploy:
    uses: ./.github/workflows/reusable.yml
    with: {environment: called}
    permissions: {contents: write, id-token: write}
"""
AZURE_LOGIN = "azure/login@a457da9ea143d694b1b9c7c869ebb04ebe844ef5"


@pytest.mark.slow
def test_a_push_deploys_with_bicep_with_a_worker_and_with_a_reusable_workflow(stage: Stage) -> None:
    """Three workflows start at the same push, and each has its own apps."""
    pin(stage)
    log_in_with_az(stage)
    api, worker, called = (second_app(stage, name) for name in ("api", "worker", "called"))
    configure(worker, activeRevisionsMode="Single", ingress=None)
    apps = {
        "prod": {"app": stage.scene.app},
        "api": {"app": api.app},
        "worker": {"app": worker.app, "smoke-test": 'test -n "$CANDIDATE_REVISION"'},
        "called": {"app": called.app},
    }
    more = {".github/workflows/caller.yml": CALLER}
    prepare(stage, "bicep", "api-and-worker", "reusable", more=more, **apps)

    run(
        stage,
        "push",
        *("--local-repository", f"{AZURE_LOGIN}={SIGN_IN}"),
        AZ_PYTHON=sys.executable,
        AZ_SCRIPT=str(SIGN_IN / "az.py"),
        AZ_APP=stage.scene.app,
        AZURE_CONFIG_DIR=str(stage.scene.directory / ".azure"),
    )

    [(created, weight)] = stage.weights().items()
    assert weight == 100
    assert created != stage.first
    template = stage.scene.revisions()[created]["template"]
    assert {"name": "FROM", "value": "main.bicep"} in template["containers"][0]["env"]
    newest = worker.resource()["properties"]["latestReadyRevisionName"]
    [container] = worker.revisions()[newest]["template"]["containers"]
    assert {container["image"]} == images(api)
    assert f"{called.app}--first" not in {name for name, share in called.weights().items() if share}


@pytest.mark.slow
def test_a_person_deploys_a_tag_to_an_app_in_single_mode(stage: Stage) -> None:
    configure(stage, activeRevisionsMode="Single")
    stage.push_healthy()
    stage.scene.seed_image("chosen")
    prepare(stage, "choose-image-tag", prod={"app": stage.scene.app})

    run(stage, "workflow_dispatch", "--input", "environment=prod", "--input", "tag=chosen")

    properties = stage.scene.resource()["properties"]
    assert properties["configuration"]["activeRevisionsMode"] == "Single"
    assert properties["latestReadyRevisionName"] != stage.first
    greeting = stage.scene.session.get(f"{stage.url}/api/greeting", timeout=30).json()
    assert greeting == {"greeting": "Good morning from the well"}
