"""What other tools, such as Bicep, azd or Terraform, do to the app of a stage."""

from __future__ import annotations

from typing import Any

from tests.stage import Stage
from tests.support.eventually import eventually
from tests.support.scene import Scene


def configure(
    stage: Stage | Scene, *, properties: dict[str, Any] | None = None, **configuration: Any
) -> None:
    """Change the app's configuration, and further *properties* in the same request."""
    scene = stage.scene if isinstance(stage, Stage) else stage
    body = {"properties": {"configuration": configuration, **(properties or {})}}
    scene.arm("PATCH", f"/containerApps/{scene.app}", body)
    eventually(
        lambda: scene.resource()["properties"]["provisioningState"] != "InProgress",
        "no operation runs on the app",
    )


def pin(stage: Stage) -> None:
    """Name the serving revision in the traffic, as a template for several revisions does."""
    traffic = [{"revisionName": stage.first, "weight": 100}]
    configuration = {"ingress": {"traffic": traffic}}
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": configuration}},
    )
    stage.wait_until_idle()


def create_revision(stage: Stage, suffix: str = "bicep", **variables: str) -> str:
    """Create a revision as Bicep, azd or Terraform does, and return its name."""
    template = stage.scene.resource()["properties"]["template"]
    [container] = template["containers"]
    kept = [item for item in container["env"] if item["name"] not in variables]
    container["env"] = [*kept, *({"name": k, "value": v} for k, v in variables.items())]
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"template": {**template, "revisionSuffix": suffix}}},
    )
    stage.wait_until_idle()
    return f"{stage.scene.app}--{suffix}"
