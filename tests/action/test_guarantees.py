"""The guarantees through the real action.yml: jobs of a workflow under `act` in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.sandbox import launch
from tests.scenarios.test_credential_hosts import ForeignRegistry, listener_for
from tests.scenarios.test_served_version import patch, push_something_else
from tests.stage import Stage, assert_lock_released
from tests.support.act import commit_workflows
from tests.support.jobs import Job, run_jobs, run_step

pytestmark = pytest.mark.slow

MANIFEST = {"manifest": "addin/manifest.xml"}


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A sandbox that forwards requests to other hosts, because the action installs its packages."""
    words = ("--clock", "instant", "--let-through")
    process, environment = launch.start(tmp_path_factory.mktemp("azure"), *words)
    yield environment
    launch.stop(process)


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """A stage whose repository contains the action."""
    commit_workflows(stage, {})
    return stage


@pytest.fixture
def unchanged(stage: Stage) -> Iterator[Stage]:
    """A stage whose app, cache and branch must not be changed by the test."""
    stage.push_healthy()
    stage.scene.fill_cache()
    before = (stage.scene.resource(), stage.stale_keys(), stage.branch_head())
    yield stage
    assert (stage.scene.resource(), stage.stale_keys(), stage.branch_head()) == before


def test_v1_a_pending_version_is_not_lowered_by_the_next_deployment(stage: Stage) -> None:
    stage.push_healthy()
    first = run_step(stage, **MANIFEST, commit="none")
    push_something_else(stage)
    second = run_step(stage, **MANIFEST, commit="none")

    assert first.exit_code == second.exit_code == 0, second.log
    assert first.outputs["pending"] == second.outputs["pending"] == "1.3.0.3"
    assert stage.serves()["version"] == second.outputs["version"] == "1.3.0.3"


def test_o1_two_jobs_of_one_run_deploy_their_own_images(
    stage: Stage, azure: dict[str, str], tmp_path: Path
) -> None:
    """Same run, attempt, commit and image repository, but another Dockerfile."""
    other = Stage.set_up(azure, tmp_path / "other", f"{stage.scene.app}b")
    dockerfile = stage.on_branch("show", "main:addin/Dockerfile")
    manifest = stage.on_branch("show", "main:addin/manifest.xml")
    hot = {
        "addin/hot/Dockerfile": dockerfile.replace("COPY manifest.xml", "COPY hot/manifest.xml"),
        "addin/hot/manifest.xml": manifest.replace("<Version>1.3.0.2<", "<Version>2.0.0.0<"),
    }
    commit_workflows(stage, hot)
    shared = {"repository": "shared", "context": "addin", "manifest": "none"}
    own = {**shared, "app": other.scene.app, "dockerfile": "hot/Dockerfile"}

    runs = run_jobs(stage, Job(steps={"mild": shared}), Job(steps={"hot": own}))

    for job, run in ((stage, runs["mild"]), (other, runs["hot"])):
        assert run.exit_code == 0, run.log
        [container] = job.scene.resource()["properties"]["template"]["containers"]
        assert container["image"] == run.outputs["image"]
        assert run.outputs["digest"] in container["image"]
    assert runs["mild"].outputs["digest"] != runs["hot"].outputs["digest"]
    assert stage.serves()["version"] == "1.3.0.2"
    assert other.serves()["version"] == "2.0.0.0"


def test_j1_a_second_job_of_the_same_run_leaves_the_first_one_alone(stage: Stage) -> None:
    stage.push_healthy()
    folder = stage.scene.directory
    wait = "while [ ! -e '{}' ]; do sleep 0.05; done"
    held, finish = folder / "held", folder / "finish"
    smoke_test = f"touch '{held}'; {wait.format(finish)}"
    first = {**MANIFEST, "smoke_test": smoke_test, "gate_timeout": "30m"}

    runs = run_jobs(
        stage,
        Job(steps={"first": first}),
        Job(steps={"second": MANIFEST}, before=wait.format(held), after=f"touch '{finish}'"),
    )

    assert runs["second"].exit_code == 6, runs["second"].log
    assert runs["second"].outputs["result"] == "superseded"
    assert runs["first"].exit_code == 0, runs["first"].log
    assert stage.weights() == {runs["first"].outputs["revision"]: 100}
    assert_lock_released(stage)


def test_x1_a_registry_outside_azure_gets_no_azure_token(stage: Stage, tmp_path: Path) -> None:
    registry = ForeignRegistry("ghcr.io", private=True)
    steps = {
        "pushed": {"registry": "ghcr.io", "repository": "well/api", "builder": "docker"},
        "taken": {"image": "ghcr.io/well/api:1"},
    }

    with listener_for(stage, tmp_path, {"ghcr.io": registry}) as listener:
        runs = run_jobs(stage, Job(steps=steps, variables=listener.variables))

    assert [run.exit_code for run in runs.values()] == [3, 3]
    assert runs["taken"].logged("the runner has no login for it"), runs["taken"].log
    assert [request for request in listener.requests if request.host == "ghcr.io"]


def test_g1_the_version_commit_goes_to_the_branch_that_is_checked_out(stage: Stage) -> None:
    stage.on_branch("branch", "release", "main")
    dispatched = stage.push_healthy()
    release = stage.on_branch("rev-parse", "release")

    script = "git fetch -q origin release && git checkout -q -B release FETCH_HEAD"

    job = Job(steps={"run": {**MANIFEST, "bump": "always"}}, before=script)
    run = run_jobs(stage, job)["run"]

    assert run.exit_code == 0, run.log
    assert stage.branch_head() == dispatched, "main is not touched"
    assert stage.on_branch("rev-parse", "release") == run.outputs["commit"]
    assert stage.on_branch("rev-parse", "release^") == release
    assert run.logged(f"The checkout is at {release[:10]} (branch release)")


def test_v1_a_variable_of_the_user_is_not_a_version(stage: Stage) -> None:
    patch(stage, "own", DEPLOY_VERSION="7.4", VERSION="8.1")
    stage.push_healthy()

    run = run_step(stage, **MANIFEST)

    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == run.outputs["version"] == "1.3.0.3"


def test_o1_a_failure_after_the_commit_point_is_a_warning(stage: Stage) -> None:
    stage.push_healthy()
    hook = stage.scene.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'the branch is closed' >&2\nexit 1\n")
    hook.chmod(0o755)

    run = run_step(stage, **MANIFEST, commit="push")

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "deployed"
    assert run.outputs["pending"] == stage.serves()["version"] == "1.3.0.3"


def test_d1_what_cannot_work_is_refused_before_anything_changes(unchanged: Stage) -> None:
    wrong = {
        "health": {"health_path": "/nowhere"},
        "container": {"container": "nobody"},
        "registry": {"registry": "nowhere"},
        "repository": {"repository": "UPPER//case"},
    }
    before = unchanged.requests()[-1]["at"]

    runs = run_jobs(
        unchanged, Job(steps={name: {**MANIFEST, **inputs} for name, inputs in wrong.items()})
    )

    for name, inputs in wrong.items():
        run = runs[name]
        assert (run.exit_code, run.outputs["result"]) in {(2, "invalid"), (3, "refused")}, run.log
        [value] = inputs.values()
        assert value in run.outputs["reason"]
    mine = [call for call in unchanged.requests() if call["at"] > before]
    assert mine
    assert not [call for call in mine if call["path"].endswith("/scheduleRun")]
