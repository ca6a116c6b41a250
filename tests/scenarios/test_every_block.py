"""Each block changes exactly what it names, and a second deployment changes nothing more.

Both are read from Azure: the templates of the revisions, and the app's secrets and tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.stage import Run, Stage

GIVEN = """
template: {env: {OLD: gone}, command: [python, -m, app], volumes: {spare: {type: empty-dir}}}
containers:
  helper: {image: same, init: true, command: [python, -c, "print(1)"]}
"""
NO_GATES = {"strategy": "direct", "health_passes": "1", "bump": "never"}
MAIN = "containers.api"
CRON = "scale.rules.office-hours.custom"
# Azure adds these by itself to what a request names.
FILLED_IN = re.compile(
    r".*\.(resources\.ephemeralStorage|httpGet\.scheme|imageType)|initContainers\..*\.resources\..*"
)

# Each block with the values that change, by path; None means that it does not exist.
BLOCKS: dict[str, tuple[str, dict[str, Any]]] = {
    "resources": (
        "template: {resources: {cpu: 1, memory: 2Gi}}",
        {f"{MAIN}.resources.cpu": 1, f"{MAIN}.resources.memory": "2Gi"},
    ),
    "scale limits": (
        "template: {scale: {min: 2, max: 6}}",
        {"scale.minReplicas": 2, "scale.maxReplicas": 6},
    ),
    "scale by CPU and memory": (
        "template: {scale: {cpu: 70, memory: 80}}",
        {
            "scale.rules.cpu.custom.type": "cpu",
            "scale.rules.cpu.custom.metadata.type": "Utilization",
            "scale.rules.cpu.custom.metadata.value": "70",
            "scale.rules.memory.custom.type": "memory",
            "scale.rules.memory.custom.metadata.type": "Utilization",
            "scale.rules.memory.custom.metadata.value": "80",
        },
    ),
    "scale by requests": (
        "template: {scale: {http: 50}}",
        {"scale.rules.http.http.metadata.concurrentRequests": "50"},
    ),
    "a raw scale rule": (
        "template: {scale: {rules: {q: {custom: {type: redis, metadata: {listName: l}}}}}}",
        {
            "scale.rules.q.custom.type": "redis",
            "scale.rules.q.custom.metadata.listName": "l",
        },
    ),
    "office hours": (
        (
            "template: {scale: {office-hours: "
            "{time-zone: Europe/Berlin, days: mon-fri, hours: '08:00-18:00', replicas: 1}}}"
        ),
        {
            f"{CRON}.type": "cron",
            f"{CRON}.metadata.timezone": "Europe/Berlin",
            f"{CRON}.metadata.start": "0 8 * * 1-5",
            f"{CRON}.metadata.end": "0 18 * * 1-5",
            f"{CRON}.metadata.desiredReplicas": "1",
        },
    ),
    "probes": (
        (
            "template: {probes: {readiness: {period: 7s}, liveness: /health/live, "
            "startup: {path: /health, failures: 9}}}"
        ),
        {
            f"{MAIN}.probes.Readiness.periodSeconds": 7,
            f"{MAIN}.probes.Liveness.httpGet.path": "/health/live",
            f"{MAIN}.probes.Liveness.httpGet.port": 8000,
            f"{MAIN}.probes.Startup.httpGet.path": "/health",
            f"{MAIN}.probes.Startup.httpGet.port": 8000,
            f"{MAIN}.probes.Startup.failureThreshold": 9,
        },
    ),
    "variables": (
        "template: {env: {NEW: a, KEY: {secret: given}, OLD: null}}",
        {f"{MAIN}.env.NEW.value": "a", f"{MAIN}.env.KEY.secretRef": "given"}
        | {f"{MAIN}.env.OLD.value": None},
    ),
    "command": (
        "template: {command: null, args: [--quiet]}",
        {f"{MAIN}.command": None, f"{MAIN}.args": "['--quiet']"},
    ),
    "volumes": (
        "template: {volumes: {cache: {type: empty-dir}, spare: null}, mounts: {cache: /cache}}",
        {
            "volumes.cache.storageType": "EmptyDir",
            "volumes.spare.storageType": None,
            f"{MAIN}.volumeMounts.cache.mountPath": "/cache",
        },
    ),
    "a secret volume": (
        "template: {volumes: {tls: {type: secret, secrets: {given: k.pem}}}, mounts: {tls: /tls}}",
        {
            "volumes.tls.storageType": "Secret",
            "volumes.tls.secrets.given.path": "k.pem",
            f"{MAIN}.volumeMounts.tls.mountPath": "/tls",
        },
    ),
    "termination grace": (
        "template: {termination-grace: 45s}",
        {"terminationGracePeriodSeconds": 45},
    ),
    "arguments": (
        "template: {args: [--verbose]}",
        {f"{MAIN}.args": "['--verbose']"},
    ),
    "a sidecar": (
        (
            "containers: {side: {image: same, resources: {cpu: 0.25, memory: 0.5Gi}, "
            "command: [python, -c, 'import time; time.sleep(10000)']}}"
        ),
        {
            "containers.side.image": "same",
            "containers.side.command": "['python', '-c', 'import time; time.sleep(10000)']",
            "containers.side.resources.cpu": 0.25,
            "containers.side.resources.memory": "0.5Gi",
        },
    ),
    "an init container": (
        "containers: {first: {image: same, init: true, command: [python, -V]}}",
        {"initContainers.first.command": "['python', '-V']", "initContainers.first.image": "same"},
    ),
    "a container that is removed": (
        "containers: {helper: null}",
        {"initContainers.helper.command": None, "initContainers.helper.image": None},
    ),
}


@pytest.fixture
def served(stage: Stage) -> Stage:
    """An app that already has variables, a command, a volume, an init container and a secret."""
    body = {"properties": {"configuration": {"secrets": [{"name": "given", "value": "x"}]}}}
    assert stage.scene.ask("PATCH", stage.scene.path, body).ok
    stage.wait_until_idle()
    run = deploy(stage, GIVEN)
    assert run.exit_code == 0, run.log
    return stage


def deploy(stage: Stage, settings: str) -> Run:
    """Deploy the image that serves already, with *settings*."""
    container = stage.scene.resource()["properties"]["template"]["containers"][0]
    return stage.run(settings=f"{settings}\n", image=container["image"], **NO_GATES)


def flat(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template's values by path, without what every deployment changes."""
    return {
        path: value
        for path, value in leaves("", template)
        if path not in {"revisionSuffix", f"{MAIN}.image"} and "DEPLOY_ACTION_" not in path
    }


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all values below *value*; items of lists are named by what identifies them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(f"{path}.{key}".strip("."), item)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            identity = ("name", "type", "volumeName", "secretRef")
            key = next(name for name in identity if item.get(name))
            rest = {name: part for name, part in item.items() if name != key}
            yield from leaves(f"{path}.{item[key]}", rest)
    elif isinstance(value, list):
        yield path, str(value) if value else None
    elif value not in (None, "", {}):
        yield path, value


def changes(stage: Stage, before: str, after: str) -> dict[str, Any]:
    """Return what differs between the templates of two revisions, with the later values."""
    revisions = stage.scene.revisions()
    old, new = (flat(revisions[name]["template"]) for name in (before, after))
    own_image = revisions[after]["template"]["containers"][0]["image"]
    return {
        path: "same" if new.get(path) == own_image else new.get(path)
        for path in {**old, **new}
        if old.get(path) != new.get(path)
    }


@pytest.mark.parametrize(("settings", "expected"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_changes_what_it_names_and_nothing_the_second_time(
    served: Stage, settings: str, expected: dict[str, Any]
) -> None:
    [serving] = served.weights()
    runs = [deploy(served, settings) for _ in range(2)]
    assert [run.exit_code for run in runs] == [0, 0], runs[0].log + runs[1].log
    first, second = (run.outputs["revision"] for run in runs)

    changed = changes(served, serving, first)
    filled_in = {path for path in changed if FILLED_IN.fullmatch(path)} - set(expected)
    assert {path: value for path, value in changed.items() if path not in filled_in} == expected
    assert changes(served, first, second) == {}


APP_WIDE = "secrets: {given: '${GIVEN}', new: '${NEW}'}\ntags: {team: core, cost: null}\n"


def test_secrets_and_tags_change_what_they_name_and_nothing_the_second_time(stage: Stage) -> None:
    stage.variables |= {"GIVEN": "a-changed-value", "NEW": "a-new-value"}
    configuration = {"secrets": [{"name": name, "value": "x"} for name in ("given", "kept")]}
    tags = {"cost": "1", "owner": "dana"}
    body = {"properties": {"configuration": configuration}, "tags": tags}
    assert stage.scene.ask("PATCH", stage.scene.path, body).ok
    stage.wait_until_idle()
    runs = []
    for _ in range(2):
        runs.append(deploy(stage, APP_WIDE))
        listed = stage.scene.ask("POST", f"{stage.scene.path}/listSecrets").json()["value"]

        assert runs[-1].exit_code == 0, runs[-1].log
        assert {item["name"]: item["value"] for item in listed} == {
            "given": "a-changed-value",
            "new": "a-new-value",
            "kept": "x",
        }
        assert stage.tags() == {"team": "core", "owner": "dana"}
    first, second = (run.outputs["revision"] for run in runs)
    assert changes(stage, first, second) == {}
    assert ["app-wide:" in run.log for run in runs] == [True, False]
