"""The sample's image, run by a Docker engine as restricted as a container can be.

The public base cannot be pulled here, so another base without a shell takes its place. The workflow
"Scan the image" makes the same checks with the public one.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests
import yaml
from docker.models.containers import Container

from tests.support.docker_engine import docker_engine
from tests.support.eventually import eventually
from tests.support.paths import ROOT, SAMPLE
from tests.support.python_base import python_base

pytestmark = pytest.mark.xdist_group("docker")
NO_PROXY = {"HTTPS_PROXY": "", "REQUESTS_CA_BUNDLE": ""}
PUBLIC_BASE = "gcr.io/distroless/python3-debian13:nonroot"
SHELLS = ("/bin/sh", "/bin/bash", "/bin/dash", "/bin/busybox", "/usr/bin/sh")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of an engine without images."""
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as directory,
        docker_engine(Path(directory), NO_PROXY, network=True) as address,
    ):
        yield address


@pytest.fixture(scope="module")
def engine(address: str) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=address, version="auto")
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    base = python_base(tmp_path_factory.mktemp("base"))
    engine.images.build(path=str(base), tag="base:1")
    built, _ = engine.images.build(path=str(SAMPLE), buildargs={"BASE": "base:1"})
    return str(built.id)


@pytest.fixture(scope="module")
def container(engine: docker.DockerClient, image: str) -> Iterator[Container]:
    """The sample as a container that may write nowhere and has no privileges."""
    started = engine.containers.run(
        image,
        detach=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=64,
    )
    yield started
    started.remove(force=True)


def test_it_answers_on_a_read_only_file_system(
    container: Container,
) -> None:
    container.reload()
    [network] = container.attrs["NetworkSettings"]["Networks"].values()
    url = f"http://{network['IPAddress']}:8000/health"

    eventually(lambda: b"listens on port" in container.logs(), "it listens")

    assert requests.get(url, timeout=30, proxies={"http": ""}).status_code == 200
    assert container.attrs["HostConfig"]["ReadonlyRootfs"]
    assert container.diff() is None, "nothing was written"


def test_it_runs_as_a_fixed_user_that_owns_none_of_its_files(
    container: Container,
) -> None:
    code = (
        "import os, pathlib; files = [*pathlib.Path('/srv').rglob('*')];"
        "print(os.getuid(), os.getgid(), {file.stat().st_uid for file in files},"
        "any(os.access(file, os.W_OK) for file in files))"
    )
    done = container.exec_run(["python3", "-c", code])

    assert done.output == b"10001 10001 {0} False\n"


def test_it_contains_no_shell(container: Container) -> None:
    code = f"import os; print([name for name in {SHELLS} if os.path.lexists(name)])"
    shell = container.exec_run(["/bin/sh", "-c", "true"])

    assert b"no such file" in shell.output
    assert container.exec_run(["python3", "-c", code]).output == b"[]\n"


def test_the_workflow_accepts_the_image(
    address: str, engine: docker.DockerClient, image: str
) -> None:
    """Its steps before the scan, which needs a current list of vulnerabilities."""
    repository, tag = PUBLIC_BASE.split(":")
    engine.images.get("base:1").tag(repository, tag)
    workflow = yaml.safe_load((ROOT / ".github/workflows/scan.yml").read_text("utf-8"))
    scripts = [step["run"] for step in workflow["jobs"]["scan"]["steps"] if "run" in step]

    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(scripts)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": address},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status": "ok"' in done.stdout
    assert engine.images.get("sample").attrs["Config"]["User"] == "10001:10001"


def test_no_instruction_needs_a_shell(engine: docker.DockerClient, image: str) -> None:
    config = engine.images.get(image).attrs["Config"]
    file = (SAMPLE / "Dockerfile").read_text("utf-8")

    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python3", "-m", "app"]
    assert not config["Cmd"]
    assert "\nRUN " not in file
    assert f"ARG BASE={PUBLIC_BASE}\n" in file
