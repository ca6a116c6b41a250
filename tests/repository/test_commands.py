"""Every command block of the documentation runs as written in a fresh clone.

A block with ``sh azure`` needs a real Azure or GitHub, one with ``sh az`` the Azure CLI, which
tests/azure_cli runs. For `make`, only targets are checked: other tests run their commands.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from deploy_action import __version__
from deploy_action.adapters.notify.signature import key_of
from deploy_action.sandbox.scene import GROUP
from tests.stage import Stage
from tests.support.eventually import eventually
from tests.support.paths import ROOT

pytestmark = [pytest.mark.xdist_group("commands"), pytest.mark.long]
EXAMPLES = ROOT / "docs" / "result-examples.md"  # generated: what runs printed
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted({*(ROOT / "docs").rglob("*.md")} - {EXAMPLES}),
]
BLOCK = re.compile(r"^ *```(?:sh|shell|bash|console)( \w+)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
CLONE = "git clone https://github.com/the-well/deploy-action ../deploy-action\n"


def blocks() -> list[str]:
    """Return the blocks that need no real Azure."""
    matches = [match for page in PAGES for match in BLOCK.findall(page.read_text("utf-8"))]
    return [text for mark, text in matches if mark not in {" azure", " az"}]


def block(text: str) -> str:
    """Return the block that contains *text*."""
    (result,) = [item for item in blocks() if text in item]
    return result


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of this checkout's commit, whose first command installs what it needs."""
    folder = tmp_path_factory.mktemp("clone") / "deploy-action"
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(folder)], check=True)
    assert shell("tools/deploy-action --version", folder).stdout == f"{__version__}\n"
    return folder


def shell(
    text: str, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a block; fail if one of its commands does."""
    sources = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **sources}
    done = subprocess.run(
        ["sh", "-e", "-c", text],
        cwd=folder,
        env={**kept, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_no_block_is_forgotten() -> None:
    """A new block needs a test here, or a marker such as ``sh azure``."""
    run_here = ("tools/deploy-action ", "make ", "openssl ")
    forgotten = [text for text in blocks() if not any(word in text for word in run_here)]

    assert forgotten == []
    assert sum("tools/deploy-action " in text for text in blocks()) == 4


def test_the_documented_command_makes_a_secret_for_webhooks() -> None:
    secret = shell(block("openssl "), ROOT).stdout

    assert len(key_of(secret)) == 32


def test_every_target_of_make_exists() -> None:
    lines = [line for text in blocks() for line in text.splitlines() if line.startswith("make ")]

    assert len(lines) > 5
    for line in lines:
        target = line.split()[1]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), line


@pytest.mark.slow
def test_the_version_from_another_folder(clone: Path) -> None:
    done = shell("deploy-action/tools/deploy-action --version", clone.parent)

    assert done.stdout == f"{__version__}\n"


@pytest.mark.slow
def test_init_as_the_set_up_page_shows_it(clone: Path) -> None:
    text = block(CLONE).replace(CLONE, "")  # the clone is there
    repository = clone.parent / "orders"
    repository.mkdir()

    printed = shell(text, repository).stdout

    assert printed.startswith("#!/bin/sh\n")
    assert (repository / ".github" / "workflows" / "deploy.yml").is_file()


@pytest.mark.slow
def test_bump_as_the_page_on_versions_shows_it(clone: Path) -> None:
    shell(block("deploy-action bump"), clone)

    assert "1.4.0.0" in (clone / "addin" / "manifest.xml").read_text("utf-8")


@pytest.mark.slow
def test_status_and_rollback_as_the_page_on_rollbacks_shows_them(clone: Path, stage: Stage) -> None:
    stage.push_healthy()
    assert stage.run().exit_code == 0
    text = block("deploy-action status").replace("APP", stage.scene.app).replace("GROUP", GROUP)

    azure = stage.scene.environment
    # Instead of a session of az, and of health checks that take ten seconds.
    inputs = {
        "INPUT_CLIENT_ID": azure["AZURE_CLIENT_ID"],
        "INPUT_TENANT_ID": azure["AZURE_TENANT_ID"],
        "INPUT_SUBSCRIPTION_ID": azure["AZURE_SUBSCRIPTION_ID"],
        "INPUT_SETTINGS": "{health-passes: 2, health-interval: 0.1s, bake: 0.2s}",
    }

    shell(text, clone, {**azure, **inputs})

    assert stage.weights() == {stage.first: 100}


@pytest.mark.slow
def test_the_sandbox_starts_as_its_page_shows_it(clone: Path) -> None:
    process = subprocess.Popen(
        ["sh", "-c", f"exec {block('sandbox up').partition('#')[0]}"],
        cwd=clone,
        stdout=subprocess.DEVNULL,
    )
    try:
        file = clone / "sandbox.env"
        eventually(lambda: file.exists() and "SANDBOX_URL" in file.read_text("utf-8"), "it is up")
    finally:
        process.terminate()
        process.wait()
