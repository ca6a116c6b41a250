"""Secrets and tags of the app: applied with a deployment, restored with an abort."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.interruption_points import Point, halted
from tests.stage import Run, Stage, assert_lock_released

SETTINGS = """
secrets: {db: "${DB}", api-key: "${API_KEY}"}
tags: {cost-centre: well-intake, old: null}
template: {env: {DB: {secret: db}}}
"""


def secrets(stage: Stage) -> dict[str, str]:
    """Return the app's secrets with their values, as Azure has them."""
    response_body = stage.scene.ask("POST", f"{stage.scene.path}/listSecrets").json()["value"]
    return {item["name"]: item.get("value", "") for item in response_body}


@pytest.fixture
def configured(stage: Stage) -> Stage:
    """An app with a secret and two tags, and a runner with new values."""
    body: dict[str, Any] = {
        "properties": {"configuration": {"secrets": [{"name": "db", "value": "old-db-value"}]}},
        "tags": {"cost-centre": "none", "old": "yes", "owner": "dana"},
    }
    assert stage.scene.ask("PATCH", stage.scene.path, body).ok
    stage.wait_until_idle()
    stage.variables |= {"DB": "new-db-value", "API_KEY": "the-api-key"}
    return stage


def unchanged(stage: Stage) -> None:
    """Check that secrets and tags are as they were, and that nothing else is left."""
    assert_lock_released(stage)
    assert secrets(stage) == {"db": "old-db-value"}
    assert stage.tags() == {"cost-centre": "none", "old": "yes", "owner": "dana"}


def shows_no_values(run: Run) -> bool:
    """Whether no value is in log, outputs or summary, but for the runner's own masks."""
    lines = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    text = "\n".join((*lines, run.summary, *run.outputs.values()))
    return not any(value in text for value in ("db-value", "the-api-key"))


def test_secrets_and_tags_are_applied_once(configured: Stage) -> None:
    stage = configured
    stage.push_healthy()
    first = stage.run(settings=SETTINGS)
    second = stage.run(settings=SETTINGS, dry_run="true")

    assert first.exit_code == second.exit_code == 0, first.log + second.log
    assert_lock_released(stage)
    assert secrets(stage) == {"db": "new-db-value", "api-key": "the-api-key"}
    assert stage.tags() == {"cost-centre": "well-intake", "owner": "dana"}
    assert '~ secrets.db: "a value" → "another value"' in first.log
    assert '+ secrets.api-key: "a value"' in first.log
    assert '- tags.old: "yes"' in first.log
    assert (
        f"replicas of {stage.first} get the new secret values after their next restart" in first.log
    )
    assert "get the new secret values after their next restart." in first.summary
    assert "app-wide:" not in second.log
    assert shows_no_values(first)


def test_an_abort_restores_secrets_and_tags(configured: Stage) -> None:
    stage = configured
    stage.push_unhealthy()

    run = stage.run(settings=SETTINGS, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    unchanged(stage)
    assert shows_no_values(run)


KILLED = [
    Point(name="secrets", method="PATCH", nth=2),
    Point(name="secrets", method="PATCH", nth=2, after=True),
    Point(name="candidate", method="PATCH", nth=3, after=True),
    Point(name="first step", method="PATCH", nth=4, after=True, shifted=True),
]


def kill_at(stage: Stage, point: Point, command: str = "deploy") -> None:
    """Kill a run in the middle of one of its requests."""
    with halted(stage, point, command, settings=SETTINGS) as process:
        process.kill()
        process.wait()
    stage.wait_until_idle()
    process.communicate()


@pytest.mark.parametrize("point", KILLED, ids=str)
@pytest.mark.parametrize("command", ["repair", "rollback"])
def test_t3_the_next_run_restores_secrets_and_tags_after_a_kill(
    configured: Stage, point: Point, command: str
) -> None:
    stage = configured
    stage.push_healthy()
    kill_at(stage, point)

    run = stage.run(command, take_over="true")

    assert run.exit_code == 0, run.log
    unchanged(stage)


def test_j1_a_rollback_that_is_killed_leaves_secrets_and_tags_to_the_next_run(
    configured: Stage,
) -> None:
    stage = configured
    stage.push_healthy()
    kill_at(stage, KILLED[-1])
    kill_at(stage, Point(name="the traffic", method="PATCH", after=True), "rollback")

    run = stage.run("repair", take_over="true")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}
    unchanged(stage)


def test_a_secret_in_use_is_not_removed(configured: Stage) -> None:
    stage = configured
    stage.push_healthy()
    assert stage.run(settings="template: {env: {DB: {secret: db}}}\n").exit_code == 0

    settings = "secrets: {db: null}\n"
    used = stage.run(settings=settings)
    assert secrets(stage) == {"db": "old-db-value"}
    settings += "template: {env: {DB: null}}\n"
    runs = [stage.run(settings=settings, keep_revisions="1") for _ in range(2)]

    assert [run.exit_code for run in (used, *runs)] == [0, 0, 0], used.log
    assert "Secret db is still in use and was not removed." in used.log
    assert_lock_released(stage)
    assert secrets(stage) == {}


def test_a_reference_whose_identity_the_app_lacks_is_refused(configured: Stage) -> None:
    stage = configured
    stage.push_healthy()
    before = stage.scene.resource()

    runs = [
        stage.run(settings="secrets: {key: keyvault:some-vault/key}\n", dry_run=dry_run)
        for dry_run in ("true", "false")
    ]

    assert [run.exit_code for run in runs] == [3, 3], runs[0].log
    assert "does not have the identity that reads a key vault: system (secret key)" in runs[0].log
    assert stage.scene.resource() == before


@pytest.mark.parametrize(("others", "exit_code"), [(39, 0), (40, 3)])
def test_an_app_without_room_for_the_tags_of_a_deployment_is_refused(
    stage: Stage, others: int, exit_code: int
) -> None:
    tags = {f"team-{number}": "core" for number in range(others)}
    assert stage.scene.ask("PATCH", stage.scene.path, {"tags": tags}).ok
    stage.wait_until_idle()
    stage.push_healthy()

    planned, deployed = (stage.run(dry_run=dry_run) for dry_run in ("true", "false"))

    assert planned.exit_code == deployed.exit_code == exit_code, planned.log + deployed.log
    assert stage.tags() == tags
