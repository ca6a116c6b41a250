"""Deployments and rollbacks work even if nothing can be reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stage import NEXT_VERSION, Stage


def _without_channels(stage: Stage, directory: Path) -> None:
    stage.variables |= {
        "GITHUB_STEP_SUMMARY": str(directory),
        "GITHUB_OUTPUT": "/dev/full",
        "GITHUB_ACTOR": "caf\udce9",
    }


@pytest.mark.parametrize("log", ["closed", "open"])
def test_r2_a_deployment_succeeds_although_nothing_can_be_reported(
    stage: Stage, tmp_path: Path, log: str
) -> None:
    _without_channels(stage, tmp_path)
    stage.push_healthy()
    process = stage.started()
    assert process.stdout is not None
    if log == "closed":
        process.stdout.close()
    else:
        text, _ = process.communicate()
        assert "The job summary cannot be written: Is a directory." in text
        assert "The outputs cannot be written: No space left on device." in text
        assert "Traceback" not in text

    assert process.wait() == 0
    assert stage.serves()["version"] == NEXT_VERSION


def test_r2_a_failed_deployment_is_rolled_back_although_nothing_can_be_reported(
    stage: Stage, tmp_path: Path
) -> None:
    _without_channels(stage, tmp_path)
    stage.push_unhealthy()
    process = stage.started(gate_timeout="3s")
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait() == 4
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert not [name for name in stage.tags() if name.startswith("deploy-action")]
