"""The service described in settings: template, secrets and tags, from the plan to the app."""

import copy
from typing import Any

from tests.stage import Stage

OURS = "DEPLOY_ACTION_"


def template(stage: Stage, revision: str) -> dict[str, Any]:
    """Return a revision's template without what every deployment changes."""
    result = copy.deepcopy(stage.scene.revisions()[revision]["template"])
    result.pop("revisionSuffix", None)
    for container in result["containers"]:
        container.pop("image")
        container["env"] = [
            item for item in container.get("env") or [] if not item["name"].startswith(OURS)
        ]
    return dict(result)


def test_the_candidate_has_what_the_settings_name_and_nothing_else_is_new(stage: Stage) -> None:
    settings = """
template:
  resources: {cpu: 1, memory: 2Gi}
  scale: {min: 2, max: 4, cpu: 70}
  probes: {readiness: {path: /health/ready, period: 5s}}
  env: {GREETING: hello}
  volumes: {cache: {type: empty-dir}}
  mounts: {cache: /cache}
"""
    stage.push_healthy()
    first = stage.run(settings=settings)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    second = stage.run(settings=settings)

    assert first.exit_code == second.exit_code == 0, first.log + second.log
    before, after = (template(stage, name) for name in (stage.first, first.outputs["revision"]))
    container = after["containers"][0]
    assert container["resources"]["cpu"] == 1
    assert container["resources"]["memory"] == "2Gi"
    assert {"name": "GREETING", "value": "hello"} in container["env"]
    assert container["probes"][-1]["httpGet"]["path"] == "/health/ready"
    assert (after["scale"]["minReplicas"], after["scale"]["maxReplicas"]) == (2, 4)
    assert container["volumeMounts"] == [{"volumeName": "cache", "mountPath": "/cache"}]
    assert {key for key in after if after[key] != before.get(key)} == {
        "containers",
        "scale",
        "volumes",
    }
    assert template(stage, second.outputs["revision"]) == after, "the second run changes no more"


def test_a_volume_whose_storage_does_not_exist_is_refused_by_the_plan(stage: Stage) -> None:
    volume = f"{{type: azure-file, storage: share-{stage.scene.app}}}"
    settings = f"template: {{volumes: {{files: {volume}}}, mounts: {{files: /files}}}}\n"
    missing = stage.run(settings=settings, dry_run="true")
    environment = stage.scene.resource()["properties"]["environmentId"]
    about = {"azureFile": {"accountName": "a", "accountKey": "k", "shareName": "s"}}
    storage = f"{environment}/storages/share-{stage.scene.app}"
    assert stage.scene.ask("PUT", storage, {"properties": about}).ok
    there = stage.run(settings=settings, dry_run="true")

    assert missing.exit_code == 3, missing.log
    assert "the storage 'share-" in missing.log
    assert there.exit_code == 0, there.log


def test_a_template_that_azure_would_refuse_is_refused_by_the_plan(stage: Stage) -> None:
    run = stage.run(
        settings="template: {resources: {cpu: 1, memory: 3Gi}, env: {KEY: {secret: nowhere}}}\n",
        dry_run="true",
    )

    assert run.exit_code == 3, run.log
    assert "1 CPU and 3 Gi in total is not a valid size for a replica" in run.log
    assert "names secret 'nowhere', which the app does not have" in run.log
