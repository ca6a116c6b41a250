"""`builder: docker`: BuildKit builds, and the engine pushes to a real registry.

The registry is Debian's docker-registry behind the sign-in of Azure's registries.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
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
    """The address of an engine without images."""
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as directory,
        docker_engine(Path(directory), azure, network=True) as address,
    ):
        yield address


@pytest.fixture
def images(engine: str) -> Iterator[docker.DockerClient]:
    """A client of the engine."""
    client = docker.DockerClient(base_url=engine, version="auto")
    yield client
    client.close()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def _running(command: str) -> bool:
    """Whether a process of this machine, in a container or not, has this command line."""
    command_line = command.replace(" ", "\0").encode() + b"\0"
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes() == command_line:
                return True
    return False


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
    """Push a base image to the registry and delete it locally."""
    repository, _, tag = BASE.partition(":")
    files = {"etc/base": b"1", **_programs("dash", "cat", "wc", "sleep", "touch")}
    images.api.import_image_from_data(image_of(files).read(), repository, tag)
    login = {"username": DOCKER_USER, "password": _registry_password(stage)}
    pushed = list(images.api.push(BASE, stream=True, decode=True, auth_config=login))
    assert not any("error" in line for line in pushed), pushed
    images.images.remove(BASE)


def _programs(*names: str) -> dict[str, bytes]:
    """Return programs of this machine with their libraries, and a shell."""
    files = {}
    for name in names:
        program = shutil.which(name)
        assert program
        files[f"bin/{name}"] = Path(program).read_bytes()
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        for library in re.findall(r"(/\S+) \(", listed.stdout):
            files[library.lstrip("/")] = Path(library).read_bytes()
    files["bin/sh"] = files["bin/dash"]
    return files


def _push_dockerfile(stage: Stage, *steps: str) -> str:
    """Replace the sample's Dockerfile; its last stage must not be built."""
    lines = [
        "ARG BASE",
        "FROM --platform=$BUILDPLATFORM ${BASE} AS files",
        "WORKDIR /srv",
        "COPY --chmod=0644 . .",
        *steps,
        "FROM ${BASE} AS live",
        "WORKDIR /srv",
        "COPY --from=files /srv /srv",
        'ENTRYPOINT ["python", "-m", "app"]',
        "FROM scratch AS unwanted",
    ]
    file = stage.scene.workspace / "addin/Dockerfile"
    return stage.push("addin/Dockerfile", file.read_text("utf-8"), "\n".join(lines) + "\n")


def _files(images: docker.DockerClient, image: str) -> dict[str, bytes]:
    """Return the files below /srv of an image."""
    container = images.containers.create(image, "never started")
    try:
        stream, _ = container.get_archive("/srv")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            return {
                entry.name.partition("/")[2]: content.read()
                for entry in archive
                if (content := archive.extractfile(entry) if entry.isfile() else None)
            }
    finally:
        container.remove()


def test_a_push_is_built_by_the_engine_and_deployed_by_digest(
    stage: Stage, engine: str, images: docker.DockerClient
) -> None:
    """The base image is in the same private registry, and nobody ran `docker login`."""
    _keep_base(stage, images)
    commit = stage.push_healthy()
    stage.variables |= {"DOCKER_HOST": engine, "RUNNER_DEBUG": "1"}

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
    assert run.logged("] COPY app app"), "the client's output is in the log"
    assert not (stage.scene.directory / ".docker").exists(), "no password was left in a file"
    assert re.search(r"docker engine GET /version: done, \d+ ms", run.log)
    assert re.search(r"docker engine POST /v[\d.]+/images/.+/push: 200, \d+ ms", run.log)


def test_a_step_that_fails_is_named_and_nothing_has_changed(stage: Stage, engine: str) -> None:
    stage.push("addin/Dockerfile", "COPY app app", "COPY appp app")
    stage.variables["DOCKER_HOST"] = engine
    before = stage.weights()

    run = stage.run(builder="docker", build_args="BASE=scratch")

    assert run.exit_code == 4
    assert run.logged("The image could not be built")
    assert run.logged("appp")
    assert stage.weights() == before
    assert stage.active() == [stage.first]
    assert stage.checkout_is_clean()
    assert stage.on_branch("rev-list", "--count", "main") == "2"


def test_a_dockerfile_for_buildkit_is_built_with_secrets_and_caches(
    stage: Stage, engine: str, images: docker.DockerClient
) -> None:
    _keep_base(stage, images)
    _push_dockerfile(
        stage,
        "RUN --mount=type=secret,id=token --mount=type=secret,id=other"
        " --mount=type=secret,id=npmrc --mount=type=cache,target=/cache"
        " cat /run/secrets/token /run/secrets/other /run/secrets/npmrc | wc -c > length",
    )
    (stage.scene.workspace / ".npmrc").write_text("from a file")
    stage.variables |= {"DOCKER_HOST": engine, "OTHER_SECRET": "from-the-environment"}

    run = stage.run(
        builder="docker",
        build_args=f"BASE={BASE}",
        build_secrets="token=typed-in-secret\nid=other,env=OTHER_SECRET\nid=npmrc,src=.npmrc",
        target="live",
    )

    assert run.exit_code == 0, run.log
    files = _files(images, run.outputs["image"])
    secrets = "typed-in-secret", "from-the-environment", "from a file"
    assert int(files["length"]) == len("".join(secrets))
    history = str(images.images.get(run.outputs["image"]).history())
    # A line that masks a secret is a command, which the runner does not show.
    shown = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    for secret in secrets:
        assert secret not in "\n".join(shown)
        assert secret not in history


def test_gits_folder_and_ignored_files_are_not_in_the_image(
    stage: Stage, engine: str, images: docker.DockerClient
) -> None:
    """The context is the whole checkout, whose .git has a token after actions/checkout."""
    _keep_base(stage, images)
    _push_dockerfile(stage)
    workspace = stage.scene.workspace
    (workspace / ".dockerignore").write_bytes(b"\xef\xbb\xbfpassword.txt\n")
    (workspace / "password.txt").write_text("hunter2")
    stage.variables["DOCKER_HOST"] = engine

    run = stage.run(
        builder="docker",
        context=".",
        dockerfile="addin/Dockerfile",
        build_args=f"BASE={BASE}",
        target="files",
        gate_timeout="1s",  # the image has no program to start
    )

    digest = re.search(r"digest: (sha256:\w+)", run.log)
    assert digest, run.log
    files = _files(images, f"{HOST}/{stage.scene.app}@{digest[1]}")
    assert "addin/app/greeting.py" in files
    assert not [name for name in files if name.startswith(".git/") or name == "password.txt"]
    assert (workspace / ".dockerignore").read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_build_that_is_cancelled_stops_in_the_engine(
    stage: Stage, engine: str, images: docker.DockerClient
) -> None:
    _keep_base(stage, images)
    _push_dockerfile(stage, "RUN cat /proc/self/cgroup && sleep 4711")
    stage.variables["DOCKER_HOST"] = engine
    process = stage.started(builder="docker", build_args=f"BASE={BASE}", target="live")
    wait_for(lambda: _running("sleep 4711"), "the step runs")

    process.send_signal(signal.SIGINT)
    run = stage.finished(process)

    assert run.exit_code == 130, run.log
    wait_for(lambda: not _running("sleep 4711"), "the step is stopped")
    assert stage.active() == [stage.first]


def test_two_jobs_of_one_run_deploy_their_own_images(
    stage: Stage,
    azure: dict[str, str],
    tmp_path: Path,
    engine: str,
    images: docker.DockerClient,
) -> None:
    """A matrix of two apps: same run, attempt, commit and repository, other build arguments."""
    _keep_base(stage, images)
    other = Stage.set_up(azure, tmp_path / "other", f"{stage.scene.app}b")
    jobs = {"mild": stage, "hot": other}
    processes = {}
    for flavour, job in jobs.items():
        _push_dockerfile(job, "ARG FLAVOUR", "RUN touch flavour-${FLAVOUR} && sleep 2")
        job.variables |= {"DOCKER_HOST": engine, "GITHUB_SHA": "0" * 40}
        processes[flavour] = job.started(
            builder="docker",
            build_args=f"BASE={BASE}\nFLAVOUR={flavour}",
            target="live",
            repository="shared",
            bump="never",
        )

    runs = {flavour: jobs[flavour].finished(process) for flavour, process in processes.items()}

    for flavour, run in runs.items():
        assert run.exit_code == 0, run.log
        assert f"flavour-{flavour}" in _files(images, run.outputs["image"])
        [container] = jobs[flavour].scene.resource()["properties"]["template"]["containers"]
        assert container["image"] == run.outputs["image"]
    tags = {tag for image in images.images.list(f"{HOST}/shared") for tag in image.tags}
    assert len(tags) == 2


def test_a_client_without_buildkit_is_refused_before_anything_changes(
    stage: Stage, engine: str, tmp_path: Path
) -> None:
    stage.push_healthy()
    programs = tmp_path / "bin"
    programs.mkdir()
    docker_program = programs / "docker"
    docker_program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28.2.2, build e6534b4" && exit\n'
        "exit 1\n"
    )
    docker_program.chmod(0o755)
    git = Path(shutil.which("git") or "")
    (programs / "git").symlink_to(git)
    before = stage.scene.resource()
    stage.variables |= {"DOCKER_HOST": engine, "PATH": str(programs)}

    run = stage.run(builder="docker")

    assert run.exit_code == 3, run.log
    assert run.logged(f"{docker_program} (version 28.2.2) has no buildx plugin")
    assert stage.scene.resource() == before


def test_a_missing_engine_is_reported_before_anything_changes(stage: Stage, tmp_path: Path) -> None:
    stage.push_healthy()
    stage.scene.fill_cache()
    before = stage.scene.resource()
    stage.variables["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"

    run = stage.run(builder="docker", cache_patterns="manifest:*")

    assert run.exit_code == 3
    assert run.logged("No Docker engine responds on this runner, but builder is 'docker'")
    assert stage.scene.resource() == before
    assert stage.scene.cache().dbsize() > 0
    assert stage.checkout_is_clean()
