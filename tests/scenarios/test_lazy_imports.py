"""A command imports only what it uses: a rollback loads neither Docker, Redis nor git."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.stage import Stage
from tests.support.paths import ENTRY

UNUSED = {"docker", "redis", "yaml", "defusedxml", "azure.cli.core", "aiohttp"}


def _loaded(stage: Stage, *words: str, **inputs: str) -> tuple[int, set[str]]:
    """Run the action's entry and return its exit code and every module that it imported."""
    env = stage.scene.runner_environment(99, **inputs)
    env["AZURE_REDIS_CONNECTION_STRING"] = ""  # a team without a cache
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-I", str(ENTRY), *words],
        cwd=stage.scene.workspace,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    matches = re.findall(r"^import time:[^|]*\|[^|]*\|\s*(\S+)$", done.stderr, re.MULTILINE)
    return done.returncode, set(matches)


def test_a_rollback_loads_nothing_that_it_does_not_use(stage: Stage) -> None:
    stage.push_healthy()
    assert stage.run().exit_code == 0
    (stage.scene.workspace / ".github" / "deploy-action.yml").unlink()  # not needed

    code, loaded = _loaded(stage, "action", command="rollback", resource_group="TheWell-Infra-East")

    assert code == 0
    assert "azure.mgmt.appcontainers" in loaded
    assert loaded & UNUSED == set()
    assert stage.weights() == {stage.first: 100}


def test_an_offline_validation_loads_nothing_of_azure(stage: Stage) -> None:
    code, loaded = _loaded(stage, "validate", manifest="addin/manifest.xml")

    assert code == 0
    assert "deploy_action.services.offline_checks" in loaded
    assert loaded & {"azure.core", "azure.mgmt.appcontainers", "docker", "redis"} == set()


def test_help_loads_no_client_at_all(stage: Stage) -> None:
    code, loaded = _loaded(stage, "--help")

    assert code == 0
    assert loaded & (UNUSED | {"azure.core", "azure.mgmt.appcontainers", "requests"}) == set()
