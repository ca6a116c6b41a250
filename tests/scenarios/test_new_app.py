"""An app that does not exist yet: created from the settings, or not left behind."""

from __future__ import annotations

import pytest

from tests.stage import Run, Stage
from tests.support.eventually import eventually
from tests.support.vaults import make_reader, reader_of, vault_of

INPUTS = {"manifest": "addin/manifest.xml", "identity_path": "/version"}


@pytest.fixture
def without_app(stage: Stage) -> Stage:
    """A stage whose app is gone; its repository and registry are there."""
    stage.scene.ask("DELETE", stage.scene.path)
    _until_gone(stage)
    return stage


def _until_gone(stage: Stage) -> None:
    eventually(
        lambda: stage.scene.ask("GET", stage.scene.path).status_code == 404, "the app is deleted"
    )


def test_a_missing_app_is_created_with_the_setting_create(without_app: Stage) -> None:
    stage = without_app
    stage.push_healthy()
    [environment] = stage.scene.arm("GET", "/managedEnvironments")["value"]
    run = stage.run(**INPUTS, create="true", managed_environment=environment["name"])

    assert run.exit_code == 0, run.log
    assert stage.weights() == {run.outputs["revision"]: 100}
    served = stage.scene.session.get(f"{run.outputs['url']}/version", timeout=30).json()
    assert served["version"] == run.outputs["version"] == "1.3.0.3"
    assert "1.3.0.3" in stage.on_branch("show", "main:addin/manifest.xml")

    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    again = stage.run(**INPUTS, create="true", managed_environment=environment["id"])
    assert again.exit_code == 0, again.log
    assert again.outputs["previous-revision"] == run.outputs["revision"]


def test_a_new_app_with_an_unhealthy_revision_is_deleted(without_app: Stage) -> None:
    stage = without_app
    pushed = stage.push_unhealthy()
    [environment] = stage.scene.arm("GET", "/managedEnvironments")["value"]
    run = stage.run(
        **INPUTS, create="true", managed_environment=environment["name"], gate_timeout="3s"
    )

    assert run.exit_code == 4, run.log
    assert run.outputs["traffic"] == run.outputs["url"] == "", "nothing serves"
    assert run.outputs["revision"] == ""
    _until_gone(stage)
    assert stage.branch_head() == pushed
    assert stage.checkout_is_clean()


def test_the_failure_of_a_first_revision_is_explained_before_the_app_is_deleted(
    without_app: Stage,
) -> None:
    without_app.push(
        "addin/app/__main__.py", "import os", "raise KeyError('DATABASE_URL')\nimport os"
    )
    [environment] = without_app.scene.arm("GET", "/managedEnvironments")["value"]
    run = without_app.run(
        **INPUTS, create="true", managed_environment=environment["name"], gate_timeout="20s"
    )

    assert run.exit_code == 4, run.log
    assert "likely cause: The program exited with code 1: KeyError" in run.log, run.log
    assert "Last lines of the container" in run.summary
    _until_gone(without_app)


def test_an_environment_that_does_not_exist_is_named(without_app: Stage) -> None:
    without_app.push_healthy()
    run = without_app.run(**INPUTS, create="true", managed_environment="nowhere")

    assert run.exit_code == 2
    assert "managed-environment: 'nowhere' does not exist" in run.log


BLOCKS = """
ingress-transport: http
secrets:
  db: "${{DB}}"
  api-key: {{key-vault: "keyvault:{vault}/api-key", identity: {reader}}}
tags: {{cost-centre: well-intake}}
template:
  resources: {{cpu: 1, memory: 2Gi}}
  scale: {{min: 1, max: 4, cpu: 70}}
  probes: {{readiness: /health/ready, liveness: /health/live}}
  env: {{DB: {{secret: db}}, KEY: {{secret: api-key}}, LOG_LEVEL: info}}
containers:
  migrate: {{image: same, init: true, command: [python, -c, "print()"]}}
"""


def create_from_blocks(stage: Stage, *, may_read: bool = True, **inputs: str) -> Run:
    """Run the action on an app that does not exist, with every block of the settings."""
    reader = make_reader(stage, may_read=may_read, api_key="the-api-key")
    stage.variables |= {"DB": "the-db-value"}
    [environment] = stage.scene.arm("GET", "/managedEnvironments")["value"]
    settings = BLOCKS.format(vault=vault_of(stage), reader=reader)
    settings += f"managed-environment: {environment['name']}\ncreate: true\n"
    return stage.run(**INPUTS, settings=settings, **inputs)


def test_a_new_app_gets_everything_that_the_settings_describe(without_app: Stage) -> None:
    stage = without_app
    stage.push_healthy()
    run = create_from_blocks(stage)

    assert run.exit_code == 0, run.log
    resource = stage.scene.resource()
    properties, configuration = resource["properties"], resource["properties"]["configuration"]
    assert resource["tags"] == {"cost-centre": "well-intake"}
    assert list(resource["identity"]["userAssignedIdentities"]) == [reader_of(stage)]
    assert configuration["ingress"]["transport"].lower() == "http"
    listed = stage.scene.ask("POST", f"{stage.scene.path}/listSecrets").json()["value"]
    secrets = {item["name"]: item.get("value") or item["keyVaultUrl"] for item in listed}
    assert secrets == {
        "db": "the-db-value",
        "api-key": f"https://{vault_of(stage)}.vault.azure.net/secrets/api-key",
    }
    template = properties["template"]
    [container], [sidecar] = template["containers"], template["initContainers"]
    assert (container["resources"]["cpu"], container["resources"]["memory"]) == (1.0, "2Gi")
    assert {probe["type"] for probe in container["probes"]} == {"Readiness", "Liveness"}
    references = {item["name"]: item.get("secretRef") for item in container["env"]}
    assert (references["DB"], references["KEY"]) == ("db", "api-key")
    assert sidecar["image"] == container["image"] == run.outputs["image"]
    assert (template["scale"]["minReplicas"], template["scale"]["maxReplicas"]) == (1, 4)
    assert "the-db-value" not in without_masks(run)


def test_deploying_to_the_created_app_again_changes_no_setting(without_app: Stage) -> None:
    stage = without_app
    stage.push_healthy()
    assert create_from_blocks(stage).exit_code == 0
    again = create_from_blocks(stage, dry_run="true")

    assert again.exit_code == 0, again.log
    changed = [line.split()[1] for line in again.log.splitlines() if line.startswith("      ~ ")]
    changed += [line.split()[1] for line in again.log.splitlines() if line.startswith("      + ")]
    assert {path.rpartition(".")[2] for path in changed if "line" not in path} <= {"image:"}


def test_a_dry_run_shows_the_new_app_and_creates_nothing(without_app: Stage) -> None:
    stage = without_app
    stage.push_healthy()
    run = create_from_blocks(stage, dry_run="true")

    assert run.exit_code == 0, run.log
    assert run.outputs["result"] == "planned"
    assert '+ containers.app.env.LOG_LEVEL: "info"' in run.log
    assert '+ secrets.db: "a value"' in run.log
    assert '+ tags.cost-centre: "well-intake"' in run.summary
    assert stage.scene.ask("GET", stage.scene.path).status_code == 404


def test_validate_checks_an_app_that_is_to_be_created(without_app: Stage) -> None:
    [environment] = without_app.scene.arm("GET", "/managedEnvironments")["value"]
    good, bad = (
        without_app.run("validate", **INPUTS, full="true", create="true", managed_environment=name)
        for name in (environment["name"], "nowhere")
    )

    assert good.exit_code == 0, good.log
    assert "will be created in" in good.log
    assert "a deployment would create" in good.log
    assert bad.exit_code == 2, bad.log
    assert "'nowhere' does not exist" in bad.log


def test_a_vault_that_the_new_app_may_not_read_is_explained_and_the_app_deleted(
    without_app: Stage,
) -> None:
    stage = without_app
    pushed = stage.push_healthy()
    run = create_from_blocks(stage, may_read=False)

    assert run.exit_code == 4, run.log
    assert "Unable to get value using Managed identity" in run.log
    assert "Key Vault Secrets User" in run.log
    _until_gone(stage)
    assert stage.branch_head() == pushed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("secrets: {a: keyvault:some-vault/a}", "is created together with the app"),
        ("template: {env: {DB: {secret: nothing}}}", "names secret 'nothing'"),
        ("template: {resources: {cpu: 3, memory: 1Gi}}", "is not a valid size for a replica"),
        ("containers: {extra: {cpu: 1}}", "containers.extra"),
    ],
)
def test_what_azure_would_refuse_is_refused_before_anything_is_built(
    without_app: Stage, settings: str, message: str
) -> None:
    [environment] = without_app.scene.arm("GET", "/managedEnvironments")["value"]
    where = f"managed-environment: {environment['name']}\ncreate: true\n"
    run = without_app.run(**INPUTS, settings=f"{settings}\n{where}")

    assert run.exit_code in {2, 3}, run.log
    assert message in run.log
    assert without_app.scene.ask("GET", without_app.scene.path).status_code == 404


def without_masks(run: Run) -> str:
    """Return everything that a run shows, without the runner's own commands to mask."""
    lines = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    return "\n".join((*lines, run.summary, *map(str, run.outputs.values())))
