"""`builder: docker`: a real engine builds and pushes to a real registry behind Azure's sign-in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy_action.sandbox import launch
from deploy_action.sandbox.scene import REGISTRY
from tests.stage import NEXT_VERSION, Stage
from tests.support.docker_engine import docker_engine, image_of

pytestmark = pytest.mark.xdist_group("docker")
HOST = f"{REGISTRY}.azurecr.io"
BASE = f"{HOST}/base/python:3.12"
DOCKER_USER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A local Azure whose images are kept by Debian's docker-registry."""
    process, environment = launch.start(
        tmp_path_factory.mktemp("azure"), "--clock", "instant", "--registry", "debian"
    )
    yield environment
    launch.stop(process)


@pytest.fixture(scope="module")
def engine(azure: dict[str, str]) -> Iterator[str]:
    """The address of an engine that has no image at all."""
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as directory,
        docker_engine(Path(directory), azure) as address,
    ):
        yield address


@pytest.fixture
def images(engine: str) -> Iterator[docker.DockerClient]:
    """The engine's own view, before and after."""
    client = docker.DockerClient(base_url=engine, version="auto")
    yield client
    client.close()


def _registry_password(stage: Stage) -> str:
    """Sign in to the registry as `az acr login --expose-token` does."""
    form = {
        "grant_type": "access_token",
        "service": HOST,
        "access_token": stage.scene.token("https://containerregistry.azure.net"),
    }
    reply = stage.scene.session.post(f"https://{HOST}/oauth2/exchange", data=form, timeout=30)
    return str(reply.json()["refresh_token"])


def _keep_base(stage: Stage, images: docker.DockerClient) -> None:
    """Push a base image to the registry, and forget it; the local Azure brings its own Python."""
    repository, _, tag = BASE.partition(":")
    images.api.import_image_from_data(image_of({"etc/base": b"1"}).read(), repository, tag)
    login = {"username": DOCKER_USER, "password": _registry_password(stage)}
    pushed = list(images.api.push(BASE, stream=True, decode=True, auth_config=login))
    assert not any("error" in line for line in pushed), pushed
    images.images.remove(BASE)


def test_a_push_is_built_by_the_engine_and_deployed_by_digest(
    stage: Stage, engine: str, images: docker.DockerClient
) -> None:
    """The base image is in the same private registry, and nobody ran `docker login`."""
    _keep_base(stage, images)
    commit = stage.push_better()
    stage.variables["DOCKER_HOST"] = engine

    with stage.users().busy() as users:
        run = stage.run(builder="docker", build_args=f"BASE={BASE}")

    assert run.exit_code == 0, run.log
    assert users.failures == []
    assert stage.serves()["version"] == NEXT_VERSION
    image = run.outputs["image"]
    assert image == f"{HOST}/{stage.scene.app}@{run.outputs['digest']}"
    [container] = stage.scene.resource()["properties"]["template"]["containers"]
    assert container["image"] == image
    built = images.images.get(image)
    assert built.labels["org.opencontainers.image.revision"] == commit
    assert built.labels["org.opencontainers.image.version"] == NEXT_VERSION
    assert run.said("] COPY app app"), "the client's output is in the log"
    assert not (stage.scene.directory / ".docker").exists(), "no password was left in a file"


def test_a_step_that_fails_is_named_and_nothing_has_changed(stage: Stage, engine: str) -> None:
    stage.push("addin/Dockerfile", "COPY app app", "COPY appp app")
    stage.variables["DOCKER_HOST"] = engine
    before = stage.weights()

    run = stage.run(builder="docker", build_args="BASE=scratch")

    assert run.exit_code == 4
    assert run.said("The image could not be built")
    assert run.said("appp")
    assert stage.weights() == before
    assert stage.active() == [stage.first]
    assert stage.checkout_is_clean()
    assert stage.on_branch("rev-list", "--count", "main") == "2"


def test_no_engine_is_said_before_anything_changes(stage: Stage, tmp_path: Path) -> None:
    stage.push_better()
    stage.scene.fill_cache()
    before = stage.scene.resource()
    stage.variables["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"

    run = stage.run(builder="docker", cache_patterns="*")

    assert run.exit_code == 3
    assert run.said("No Docker engine answers on this runner, but builder is 'docker'")
    assert stage.scene.resource() == before
    assert stage.scene.cache().dbsize() > 0
    assert stage.checkout_is_clean()
