"""Without the setting health-path, the revision's readiness probe names the path."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.stage import Stage
from tests.support.eventually import eventually


def _serve_with_probes(stage: Stage, probes: list[dict[str, Any]]) -> None:
    """Deploy a revision with *probes* and route traffic to it."""
    template = copy.deepcopy(stage.scene.resource()["properties"]["template"])
    template["revisionSuffix"] = "probed"
    template["containers"][0]["probes"] = probes
    app = f"/containerApps/{stage.scene.app}"
    stage.scene.arm("PATCH", app, {"properties": {"template": template}})
    name = f"{stage.scene.app}--probed"
    eventually(
        lambda: stage.scene.resource()["properties"]["latestReadyRevisionName"] == name,
        what="the revision with other probes is ready",
    )
    split = [{"revisionName": name, "weight": 100}]
    ingress = {"configuration": {"ingress": {"traffic": split}}}
    stage.scene.arm("PATCH", app, {"properties": ingress})
    stage.wait_until_idle()


@pytest.mark.parametrize(
    ("probes", "path"),
    [
        (
            [{"type": "Readiness", "httpGet": {"path": "/health/live", "port": 8000}}],
            "/health/live",
        ),
        ([{"type": "Liveness", "httpGet": {"path": "/health/live", "port": 8000}}], "/health"),
        ([{"type": "Readiness", "tcpSocket": {"port": 8000}}], "/health"),
        ([], "/health"),
    ],
    ids=["http readiness", "http liveness", "tcp readiness", "none"],
)
def test_the_health_gate_requests_the_path_of_the_readiness_probe(
    stage: Stage, probes: list[dict[str, Any]], path: str
) -> None:
    _serve_with_probes(stage, probes)
    stage.push_healthy()
    run = stage.run(manifest="addin/manifest.xml")

    assert run.exit_code == 0, run.log
    assert f"{path} returned 200" in run.log
    assert "/health/ready" not in run.log


def test_a_configured_path_overrides_the_readiness_probe(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(manifest="addin/manifest.xml", health_path="/health/live")

    assert run.exit_code == 0, run.log
    assert "/health/live returned 200" in run.log
    assert "/health/ready" not in run.log
