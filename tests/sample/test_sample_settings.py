"""The sample's own settings, deployed to the two environments of the sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.stage import VERSION, Stage
from tests.support.eventually import eventually
from tests.support.identities import admin
from tests.support.paths import ROOT
from tests.support.scene import Scene

SETTINGS = ROOT / ".github" / "deploy-action.yml"
HOMES = {
    "prod": ("well-intake-api", "TheWell-Infra-East", "wellintakeregistry", "well-intake-kv"),
    "dev": (
        "well-intake-api-dev",
        "TheWell-Dev-East",
        "wellintakeregistrydev",
        "well-intake-kv-dev",
    ),
}
PROBES = [
    ("Startup", "/health", {"periodSeconds": 5, "failureThreshold": 10}),
    ("Readiness", "/health/ready", {"periodSeconds": 10}),
    ("Liveness", "/health/live", {"periodSeconds": 30}),
]
HTTP = {"metadata": {"concurrentRequests": "50"}}
CPU = {"type": "cpu", "metadata": {"type": "Utilization", "value": "70"}}
OFFICE_HOURS = {
    "type": "cron",
    "metadata": {
        "timezone": "America/New_York",
        "start": "0 8 * * 1-5",
        "end": "0 18 * * 1-5",
        "desiredReplicas": "1",
    },
}
EXPECTED: dict[str, dict[str, Any]] = {
    "prod": {
        "resources": (2, "4Gi"),
        "replicas": (2, 10),
        "rules": {"cpu": CPU},
        "tags": {"environment": "production"},
    },
    "dev": {
        "resources": (0.5, "1Gi"),
        "replicas": (0, 2),
        "rules": {"http": HTTP, "office-hours": OFFICE_HOURS},
        "tags": {"environment": "development"},
    },
}


def make_stage(azure: Mapping[str, str], directory: Path, environment: str) -> Stage:
    """Create an app of the sample with the identity and the vault that its settings name."""
    app, group, registry, vault = HOMES[environment]
    stage = Stage(Scene(azure, directory, app, group, registry))
    stage.scene.make_repository()
    shutil.copy(SETTINGS, stage.scene.workspace / ".github")
    stage.scene.git("commit", "--quiet", "--all", "-m", "Settings", cwd=stage.scene.workspace)
    stage.scene.git("push", "--quiet", "origin", "HEAD:main", cwd=stage.scene.workspace)
    stage.url = stage.scene.create_app(stage.scene.seed_image(VERSION), VERSION)
    stage.first = f"{app}--first"
    assigned = {"identity": {"type": "SystemAssigned"}, "tags": {"owner": "dana"}}
    assert stage.scene.ask("PATCH", stage.scene.path, assigned).ok
    stage.wait_until_idle()
    reader = stage.scene.resource()["identity"]["principalId"]
    secrets = {"redis-url": "rediss://cache.example"}
    admin(azure, "POST", "/vaults", {"name": vault, "secrets": secrets, "readers": [reader]})
    return stage


@pytest.fixture(params=HOMES)
def sample(
    request: pytest.FixtureRequest, azure: dict[str, str], tmp_path: Path
) -> Iterator[tuple[str, Stage]]:
    """Each environment with its app."""
    stage = make_stage(azure, tmp_path, request.param)
    yield request.param, stage
    stage.tear_down()


def test_the_sample_is_deployed_with_everything_that_its_settings_describe(
    sample: tuple[str, Stage],
) -> None:
    environment, stage = sample
    expected = EXPECTED[environment]
    checked = stage.run("validate", environment=environment)
    run = stage.run(environment=environment)
    again = stage.run(environment=environment, dry_run="true")

    assert [item.exit_code for item in (checked, run, again)] == [0, 0, 0], run.log + again.log
    assert stage.serves()["version"] == run.outputs["version"]
    template = stage.scene.revisions()[run.outputs["revision"]]["template"]
    [container], scale = template["containers"], template["scale"]
    resources = container["resources"]
    assert (resources["cpu"], resources["memory"]) == expected["resources"]
    assert (scale["minReplicas"], scale["maxReplicas"]) == expected["replicas"]
    rules = {item["name"]: item.get("custom") or item["http"] for item in scale["rules"]}
    assert {
        name: {key: rule[key] for key in ("type", "metadata") if key in rule}
        for name, rule in rules.items()
    } == expected["rules"]
    probes = {item["type"]: item for item in container["probes"]}
    assert sorted(probes) == sorted(kind for kind, _, _ in PROBES)
    for kind, path, fields in PROBES:
        probe = probes[kind]
        assert (probe["httpGet"]["path"], probe["httpGet"]["port"]) == (path, 8000)
        assert {name: probe[name] for name in fields} == fields
    variables = {item["name"]: item for item in container["env"]}
    assert variables["REDIS_URL"] == {"name": "REDIS_URL", "secretRef": "redis-url"}
    assert variables["ACCESS_LOG"]["value"] == "1"
    [secret] = stage.scene.ask("POST", f"{stage.scene.path}/listSecrets").json()["value"]
    vault = HOMES[environment][-1]
    assert secret["keyVaultUrl"] == f"https://{vault}.vault.azure.net/secrets/redis-url"
    assert stage.tags() == {
        "owner": "dana",
        "application": "well-intake",
        "cost-centre": "well-intake",
        **expected["tags"],
    }
    lines = again.log.splitlines()
    changed = [line.strip() for line in lines if line.startswith(" ") and "  ~ " in line]
    assert [line.split()[1].rpartition(".")[2] for line in changed] in (["image:"], [])
    assert "app-wide:" not in again.log


def test_development_runs_in_office_hours_and_sleeps_outside(
    azure: dict[str, str], tmp_path: Path
) -> None:
    stage = make_stage(azure, tmp_path, "dev")
    run = stage.run(environment="dev")
    assert run.exit_code == 0, run.log
    name = run.outputs["revision"]

    for hour, replicas in ((22, 0), (10, 1)):
        stage.clock(advance=seconds_until(stage.date(), hour))
        eventually(
            lambda: stage.scene.revisions()[name]["replicas"] == replicas,  # noqa: B023  called now
            f"{replicas} replicas at {hour}:00 in New York",
        )
    stage.tear_down()


def seconds_until(now: datetime, hour: int) -> float:
    """Return the seconds until that hour of the next working day in New York."""
    local = now.replace(tzinfo=UTC).astimezone(ZoneInfo("America/New_York"))
    then = local.replace(hour=hour, minute=0, second=0)
    while then <= local or then.weekday() > 4:
        then += timedelta(days=1)
    return (then - local).total_seconds()
