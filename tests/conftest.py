"""One local Azure for each worker; every test has an app, a remote and a checkout of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.sandbox import launch
from tests.stage import Stage

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A local Azure with the environment that its clients need."""
    process, environment = launch.start(tmp_path_factory.mktemp("azure"), "--clock", "instant")
    yield environment
    launch.stop(process)


@pytest.fixture
def stage(azure: dict[str, str], tmp_path: Path) -> Iterator[Stage]:
    """An app that serves 1.3.0.2 from the newest commit of its repository."""
    stage = Stage.set_up(azure, tmp_path, f"api-{next(_numbers)}")
    yield stage
    stage.scene.ask("DELETE", stage.scene.path)
