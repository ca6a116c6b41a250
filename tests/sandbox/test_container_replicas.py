"""Replicas as containers behave like processes, with real limits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from deploy_action.sandbox import launch
from deploy_action.sandbox.scene import REGISTRY
from tests.sandbox.changes import changed, revision, template, until
from tests.stage import NEXT_VERSION, VERSION, Stage
from tests.support.docker_engine import docker_engine
from tests.support.python_base import python_base
from tests.support.scene import Scene

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.long]
BASE = f"{REGISTRY}.azurecr.io/base/python:3"
PUBLIC_BASE = "gcr.io/distroless/python3-debian13:nonroot"
SLOW_S = 240  # an engine that copies each image is slow
NO_PROXY = {"HTTPS_PROXY": "", "REQUESTS_CA_BUNDLE": ""}


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as directory,
        docker_engine(Path(directory), NO_PROXY, network=True) as address,
    ):
        yield address


@pytest.fixture(scope="module")
def azure(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    directory = tmp_path_factory.mktemp("azure")
    process, environment = launch.start(
        directory, "--replicas", "containers", "--clock", "0.2", DOCKER_HOST=engine
    )
    yield environment
    launch.stop(process)


@pytest.fixture(scope="module")
def stage(azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sample on a base image that really contains Python."""
    scene = Scene(azure, tmp_path_factory.mktemp("stage"), "contained")
    _build(azure, python_base(tmp_path_factory.mktemp("base")), BASE)
    scene.make_repository()
    scene.push_change("addin/Dockerfile", PUBLIC_BASE, BASE, "Use a base that is there")
    stage = Stage(scene, first=f"{scene.app}--first")
    stage.url = scene.create_app(scene.seed_image(VERSION), VERSION)
    yield stage
    scene.ask("DELETE", scene.path)


def _build(azure: dict[str, str], context: Path, reference: str) -> None:
    body = {"context": str(context), "reference": reference}
    url = f"{azure['SANDBOX_URL']}/images"
    reply = requests.post(url, json=body, timeout=120, proxies={"http": ""})
    assert reply.ok, reply.text


def _containers(engine: str, suffix: str) -> list[dict[str, object]]:
    client = docker.DockerClient(base_url=engine)
    try:
        items = [client.api.inspect_container(str(one.id)) for one in client.containers.list()]
    finally:
        client.close()
    return [
        item
        for item in items
        if f"CONTAINER_APP_REVISION=contained--{suffix}" in item["Config"]["Env"]
    ]


def test_a_replica_has_the_limits_and_the_user_of_its_template(stage: Stage, engine: str) -> None:
    [container] = _containers(engine, "first")

    assert container["HostConfig"]["NanoCpus"] == 500_000_000  # type: ignore[index]
    assert container["HostConfig"]["Memory"] == 2**30  # type: ignore[index]
    assert container["Config"]["User"] == "10001:10001"  # type: ignore[index]


def test_a_deployment_reaches_its_users(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(manifest="addin/manifest.xml")

    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == NEXT_VERSION


def test_a_wrong_port_is_named(stage: Stage) -> None:
    text = "The TargetPort 8000 does not match the listening port 9999."
    changed(stage, template(stage, "wrong", env=[{"name": "PORT", "value": "9999"}]))
    wrong = until(
        lambda: revision(stage, "wrong"), lambda item: "runningStateDetails" in item, SLOW_S
    )

    assert (wrong["runningState"], wrong["runningStateDetails"]) == ("Activating", text)


def test_a_program_that_crashes_fails_its_revision(stage: Stage) -> None:
    changed(stage, template(stage, "crash", command=["python", "-c", "raise SystemExit(3)"]))
    failed = until(
        lambda: revision(stage, "crash"), lambda item: item["runningState"] == "Failed", SLOW_S
    )

    assert failed["provisioningError"] == "Failed:apiContainerCrashing"


def test_side_cars_share_the_network_of_the_first_container(stage: Stage) -> None:
    body = template(stage, "pod")
    [first] = body["properties"]["template"]["containers"]
    resources = {"cpu": 0.25, "memory": "0.5Gi"}
    ask = (
        "import time, urllib.request\n"
        "while True:\n"
        "    try: urllib.request.urlopen('http://localhost:8000/version').read(); break\n"
        "    except OSError: time.sleep(0.1)\n"
        "time.sleep(3600)"
    )
    code = "import os; assert not os.path.exists('/srv/nothing')"
    image = {"image": first["image"], "resources": resources}
    first["resources"] = resources
    body["properties"]["template"] |= {
        "containers": [
            first,
            {"name": "side", "command": ["python", "-c", ask], **image},
        ],
        "initContainers": [{"name": "init", "command": ["python", "-c", code], **image}],
    }
    changed(stage, body)
    healthy = until(
        lambda: revision(stage, "pod"), lambda item: item["healthState"] == "Healthy", SLOW_S
    )
    reply = stage.scene.session.get(f"https://{healthy['fqdn']}/version", timeout=120)

    assert reply.status_code == 200
