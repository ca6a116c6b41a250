"""Replicas as containers behave like processes, with real limits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
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
from tests.support.scene import Scene

pytestmark = pytest.mark.xdist_group("docker")
BASE = f"{REGISTRY}.azurecr.io/base/python:3"
UNNEEDED = (
    *("__pycache__", "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages"),
    *("test", "tests", "tkinter", "turtledemo"),
)
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
    _build(azure, _python(tmp_path_factory.mktemp("base")), BASE)
    scene.make_repository()
    scene.push_change("addin/Dockerfile", "python:3.12-slim", BASE, "Use a base with Python")
    stage = Stage(scene, first=f"{scene.app}--first")
    stage.url = scene.create_app(scene.seed_image(VERSION), VERSION)
    yield stage
    scene.ask("DELETE", scene.path)


def _build(azure: dict[str, str], context: Path, reference: str) -> None:
    body = {"context": str(context), "reference": reference}
    url = f"{azure['SANDBOX_URL']}/images"
    reply = requests.post(url, json=body, timeout=120, proxies={"http": ""})
    assert reply.ok, reply.text


def _python(context: Path) -> Path:
    """Make a build context with this machine's Python and the libraries it needs."""
    program = Path(sys.executable).resolve()
    root = context / "root"
    library = root / "python" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    unneeded = shutil.ignore_patterns(*UNNEEDED)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=unneeded)
    (root / "bin").mkdir()
    shutil.copy(program, root / "bin" / "python")
    binaries = [program, *library.glob("lib-dynload/*.so")]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False)
    for found in set(re.findall(r"(/\S+) \(", listed.stdout)):
        target = root / found.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found, target)
    lines = ["FROM scratch", "COPY root /", "ENV PATH=/bin PYTHONHOME=/python"]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n", "utf-8")
    return context


def _containers(engine: str, suffix: str) -> list[dict[str, object]]:
    client = docker.DockerClient(base_url=engine)
    try:
        found = [client.api.inspect_container(str(one.id)) for one in client.containers.list()]
    finally:
        client.close()
    return [
        item
        for item in found
        if f"CONTAINER_APP_REVISION=contained--{suffix}" in item["Config"]["Env"]
    ]


def test_a_replica_has_the_limits_and_the_user_of_its_template(stage: Stage, engine: str) -> None:
    [container] = _containers(engine, "first")

    assert container["HostConfig"]["NanoCpus"] == 500_000_000  # type: ignore[index]
    assert container["HostConfig"]["Memory"] == 2**30  # type: ignore[index]
    assert container["Config"]["User"] == "10001:10001"  # type: ignore[index]


def test_a_deployment_reaches_its_users(stage: Stage) -> None:
    stage.push_better()
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
        "open('/tmp/asked', 'w').close(); time.sleep(3600)"
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
