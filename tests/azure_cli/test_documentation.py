"""The command blocks of the documentation that need the Azure CLI, in a fresh clone.

They lead from a new repository to its first deployment, as docs/sandbox.md describes it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.paths import ROOT
from tests.support.scene import Scene

pytestmark = pytest.mark.az
PYTHON = ROOT / ".build" / "az-python"
PAGE = ROOT / "docs" / "sandbox.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
BLOCK = re.compile(r"^ *```sh az\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
APP = """\
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/", "/health") else 404)
        self.end_headers()
        self.wfile.write(b"orders")


http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
DOCKERFILE = 'FROM python:3.13-slim\nCOPY app.py /\nCMD ["python", "/app.py"]\n'


def test_every_block_with_az_is_on_the_page_that_is_tried() -> None:
    assert [page.name for page in PAGES for _ in BLOCK.findall(page.read_text("utf-8"))] == [
        PAGE.name,
        PAGE.name,
    ]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a terminal: `az` is the only program that was added."""
    assert PYTHON.exists(), "az is not installed: run 'make test-az'"
    az = tmp_path / "programs" / "az"
    az.parent.mkdir()
    program = Path(PYTHON.read_text("utf-8").strip()).parent / "az"
    az.write_text(f'#!/bin/sh\nexec {program} "$@"\n', "utf-8")
    az.chmod(0o755)
    sources = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    return {
        **sources,
        "PATH": f"{az.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        **{f"GIT_{who}_NAME": "Dana Developer" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "dana@example.com" for who in ("AUTHOR", "COMMITTER")},
    }


@pytest.fixture
def clone(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A fresh clone in which `sandbox up` runs."""
    folder = tmp_path / "deploy-action"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    [command] = re.findall(
        r"^tools/deploy-action sandbox up .*$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    process = subprocess.Popen(["sh", "-c", f"exec {command}"], cwd=folder, env=environment)
    try:
        file = folder / "sandbox.env"
        eventually(lambda: file.exists() and "SANDBOX_URL" in file.read_text("utf-8"), "it is up")
        yield folder
    finally:
        process.terminate()
        process.wait()


def test_a_new_repository_reaches_its_first_deployment(
    tmp_path: Path, clone: Path, environment: dict[str, str]
) -> None:
    repository = tmp_path / "orders"
    repository.mkdir()
    (repository / "app.py").write_text(APP, "utf-8")
    (repository / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "The app"]):
        subprocess.run(["git", *words], cwd=repository, env=environment, check=True)
    connect, deploy = BLOCK.findall(PAGE.read_text("utf-8"))

    done = subprocess.run(
        ["sh", "-e", "-c", f"{connect}\ncd {repository}\n{deploy}"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    lines = (clone / "sandbox.env").read_text("utf-8").splitlines()
    azure = dict(line.split("=", 1) for line in lines)
    scene = Scene(azure, tmp_path, "orders-api", group="contoso-prod", registry="contoso")
    url = f"https://{scene.resource()['properties']['configuration']['ingress']['fqdn']}"
    assert scene.session.get(url, timeout=60).text == "orders"
    assert len([weight for weight in scene.weights().values() if weight]) == 1
