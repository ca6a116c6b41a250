"""What other tools, such as Bicep, azd or Terraform, do to the app of a stage."""

from __future__ import annotations

from typing import Any

from tests.stage import Stage


def configure(
    stage: Stage, *, properties: dict[str, Any] | None = None, **configuration: Any
) -> None:
    """Change the app's configuration, and further *properties* in the same request."""
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": configuration, **(properties or {})}},
    )
    stage.settle()


def pin(stage: Stage) -> None:
    """Name the serving revision in the traffic, as a template for several revisions does."""
    traffic = [{"revisionName": stage.first, "weight": 100}]
    configuration = {"ingress": {"traffic": traffic}}
    stage.scene.arm(
        "PATCH",
        f"/containerApps/{stage.scene.app}",
        {"properties": {"configuration": configuration}},
    )
    stage.settle()


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
    stage.settle()
    return f"{stage.scene.app}--{suffix}"
