"""Secrets of the app that are references to a key vault, from the settings to the process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stage import Run, Stage, assert_lock_released
from tests.support.vaults import make_reader, vault_of

SETTINGS = """
secrets:
  greeting: {{key-vault: "keyvault:{vault}/{name}", identity: {reader}}}
  plain: "${{PLAIN}}"
template: {{env: {{GREETING: {{secret: greeting}}}}}}
"""


@pytest.fixture
def greeting(stage: Stage) -> Stage:
    """An app that will greet with what a variable holds, and a secret that is not in a vault."""
    stage.push("addin/app/greeting.py", '"Hello', 'os.environ["GREETING"] + "')
    stage.push("addin/app/greeting.py", "GREETING =", "import os\n\nGREETING =")
    configuration = {"secrets": [{"name": "plain", "value": "before"}]}
    assert stage.scene.ask(
        "PATCH", stage.scene.path, {"properties": {"configuration": configuration}}
    ).ok
    stage.wait_until_idle()
    stage.variables |= {"PLAIN": "after"}
    return stage


def assign(stage: Stage, identity: str) -> None:
    """Assign a user-assigned identity to the app."""
    block = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    assert stage.scene.ask("PATCH", stage.scene.path, {"identity": block}).ok
    stage.wait_until_idle()


def deploy(stage: Stage, reader: str, name: str = "greeting", **inputs: str) -> Run:
    """Deploy with a reference to the secret *name* of the stage's vault."""
    settings = SETTINGS.format(vault=vault_of(stage), name=name, reader=reader)
    return stage.run(settings=settings, **inputs)


def listed(stage: Stage) -> list[dict[str, Any]]:
    """Return the app's secrets as Azure lists them."""
    response_body = stage.scene.ask("POST", f"{stage.scene.path}/listSecrets").json()["value"]
    return sorted(response_body, key=lambda item: str(item["name"]))


def test_a_reference_reaches_the_process_and_is_written_once(greeting: Stage) -> None:
    stage = greeting
    reader = make_reader(stage, greeting="Good day from the vault")
    assign(stage, reader)

    first = deploy(stage, reader)
    second = deploy(stage, reader, dry_run="true")

    assert first.exit_code == second.exit_code == 0, first.log + second.log
    body = stage.scene.session.get(f"{stage.url}/api/greeting", timeout=30).json()
    assert body["greeting"].startswith("Good day from the vault")
    url = f"https://{vault_of(stage)}.vault.azure.net/secrets/greeting"
    assert listed(stage) == [
        {"name": "greeting", "keyVaultUrl": url, "identity": reader},
        {"name": "plain", "value": "after"},
    ]
    assert f'+ secrets.greeting: "{url} (identity {reader})"' in first.log
    assert "app-wide:" not in second.log
    assert_lock_released(stage)


@pytest.mark.parametrize(("may_read", "name"), [(False, "greeting"), (True, "nothing")])
def test_a_reference_that_azure_cannot_resolve_changes_nothing(
    greeting: Stage, may_read: bool, name: str
) -> None:
    stage = greeting
    reader = make_reader(stage, may_read=may_read, greeting="unused")
    assign(stage, reader)

    run = deploy(stage, reader, name)

    assert run.exit_code == 4, run.log
    assert f"Unable to get value using Managed identity {reader} for secret greeting" in run.log
    assert stage.weights() == {stage.first: 100}
    assert listed(stage) == [{"name": "plain", "value": "before"}]
    assert_lock_released(stage)


def test_an_identity_that_loses_its_role_does_not_stop_a_deployment(greeting: Stage) -> None:
    stage = greeting
    reader = make_reader(stage, greeting="Good day")
    assign(stage, reader)
    assert deploy(stage, reader).exit_code == 0
    make_reader(stage, may_read=False, greeting="Good day")
    stage.push("addin/app/greeting.py", "from the well", "from here")

    run = deploy(stage, reader)

    assert run.exit_code == 0, run.log
    body = stage.scene.session.get(f"{stage.url}/api/greeting", timeout=30).json()
    assert body["greeting"] == "Good day from here"


def test_an_abort_restores_the_reference_that_was_there(greeting: Stage) -> None:
    stage = greeting
    reader = make_reader(stage, greeting="Good day", other="Good night")
    assign(stage, reader)
    assert deploy(stage, reader).exit_code == 0
    before = listed(stage)
    stage.push_unhealthy()

    run = deploy(stage, reader, "other", gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert "secrets/other" in run.log
    assert listed(stage) == before
    assert_lock_released(stage)
