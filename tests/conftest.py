"""Fixtures of all tests: one sandbox per worker, and one app in it per test."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from deploy_action.sandbox import launch
from tests.stage import Stage
from tests.support.golden import Golden

# Whole deployments, killed runs, Docker, browsers. `make quick` leaves them out, and all other
# tests with an app in the sandbox, except for those with the marker `quick`.
SLOW_FOLDERS = {"faults", "sample", "sandbox", "scenarios"}

# How long an example takes depends on the machine.
hypothesis.settings.register_profile(
    "default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("default")
hypothesis.settings.register_profile("quick", max_examples=20)
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of these tests."""
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the reviewed texts in tests/golden"
    )
    parser.addoption(
        "--kill-rounds",
        type=int,
        default=6,
        help="how many runs each game of tests/faults/test_random_kills.py kills",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and let the longest tests start first."""
    folder = Path(__file__).parent
    for item in items:
        in_sandbox = "azure" in getattr(item, "fixturenames", ())
        slow = in_sandbox or item.path.relative_to(folder).parts[0] in SLOW_FOLDERS
        if slow and not item.get_closest_marker("quick"):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Exempt thousands of tests from each garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Golden:
    """The comparison with the golden files in tests/golden."""
    return Golden(update=bool(pytestconfig.getoption("--update-golden")))


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that clients of this worker's sandbox need."""
    process, environment = launch.start(tmp_path_factory.mktemp("azure"), "--clock", "instant")
    yield environment
    launch.stop(process)


@pytest.fixture
def stage(azure: dict[str, str], tmp_path: Path) -> Iterator[Stage]:
    """An app that serves 1.3.0.2 from the newest commit of its repository."""
    stage = Stage.set_up(azure, tmp_path, f"api-{next(_numbers)}")
    yield stage
    stage.tear_down()
