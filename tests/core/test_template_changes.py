"""Nested settings change only the named fields of a template."""

import copy
from typing import Any

import pytest
import yaml

from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.template import for_candidate
from deploy_action.core.settings.schema import Settings
from deploy_action.errors import InputError
from deploy_action.inputs.environment import load
from tests.support.paths import ROOT

SERVING: dict[str, Any] = {
    "revisionSuffix": "first",
    "newFieldOfAzure": {"kept": True},
    "containers": [
        {
            "name": "api",
            "image": "contoso.azurecr.io/api@sha256:1",
            "resources": {"cpu": 0.5, "memory": "1.0Gi", "ephemeralStorage": "2Gi"},
            "env": [
                {"name": "LOG", "value": "info"},
                {"name": "OLD", "value": "1"},
                {"name": "KEY", "secretRef": "key"},
            ],
            "probes": [
                {
                    "type": "Readiness",
                    "httpGet": {"path": "/ready", "port": 8000, "scheme": "HTTP"},
                    "periodSeconds": 7,
                }
            ],
            "volumeMounts": [{"volumeName": "old", "mountPath": "/old"}],
            "unknown": 1,
        },
        {"name": "proxy", "image": "envoy:1", "resources": {"cpu": 0.25, "memory": "0.5Gi"}},
    ],
    "initContainers": [{"name": "migrate", "image": "contoso.azurecr.io/api@sha256:1"}],
    "scale": {
        "minReplicas": 1,
        "maxReplicas": 5,
        "rules": [
            {"name": "busy", "custom": {"type": "cpu", "metadata": {"type": "Utilization"}}},
            {"name": "web", "http": {"metadata": {"concurrentRequests": "10"}}},
        ],
    },
    "volumes": [{"name": "old", "storageType": "EmptyDir"}],
}
PROVENANCE = Provenance(version="1.0", commit="abc", run="1", predecessor="api--first")
IMAGE = "contoso.azurecr.io/api@sha256:2"


def settings(text: str, **inputs: str) -> Settings:
    environment = {
        "INPUT_APP": "api",
        "INPUT_RESOURCE_GROUP": "rg",
        "INPUT_REGISTRY": "contoso",
        "INPUT_SETTINGS": text,
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }
    return load(environment, ROOT / "tests", {})


def planned(text: str, serving: dict[str, Any] = SERVING, **inputs: str) -> dict[str, Any]:
    """Return the candidate's template for settings in YAML."""
    return for_candidate(
        serving,
        suffix="second",
        image=IMAGE,
        container="",
        provenance=PROVENANCE,
        change=settings(text, **inputs).template_change,
        port=8080,
    )


def expected(edit: Any) -> dict[str, Any]:
    """Return the template of a deployment without such settings, after *edit*."""
    template = for_candidate(
        SERVING, suffix="second", image=IMAGE, container="", provenance=PROVENANCE
    )
    edit(template)
    return template


def main(template: dict[str, Any]) -> dict[str, Any]:
    container = template["containers"][0]
    assert isinstance(container, dict)
    return container


def unchanged(_: dict[str, Any]) -> None:
    """Leave a template as it is."""


CASES: dict[str, tuple[str, Any]] = {
    "nothing": ("", unchanged),
    "resources": (
        "template: {resources: {cpu: 2, memory: 4Gi}}",
        lambda t: main(t)["resources"].update(cpu=2.0, memory="4Gi"),
    ),
    "the same amount in another spelling": (
        "template: {resources: {cpu: 0.50, memory: 1Gi}}",
        unchanged,
    ),
    "limits of scaling": (
        "template: {scale: {min: 2, max: 10}}",
        lambda t: t["scale"].update(minReplicas=2, maxReplicas=10),
    ),
    "cpu rule of another name": (
        "template: {scale: {cpu: 70}}",
        lambda t: t["scale"]["rules"][0]["custom"]["metadata"].update(value="70"),
    ),
    "http rule": (
        "template: {scale: {http: 50}}",
        lambda t: t["scale"]["rules"][1]["http"]["metadata"].update(concurrentRequests="50"),
    ),
    "rule removed": (
        "template: {scale: {http: null}}",
        lambda t: t["scale"]["rules"].pop(1),
    ),
    "new rule": (
        "template: {scale: {memory: 80%}}",
        lambda t: t["scale"]["rules"].append(
            {
                "name": "memory",
                "custom": {"type": "memory", "metadata": {"type": "Utilization", "value": "80"}},
            }
        ),
    ),
    "office hours": (
        "template: {scale: {office-hours: {time-zone: Europe/Berlin, hours: '07:30-19:00'}}}",
        lambda t: t["scale"]["rules"].append(
            {
                "name": "office-hours",
                "custom": {
                    "type": "cron",
                    "metadata": {
                        "timezone": "Europe/Berlin",
                        "start": "30 7 * * 1-5",
                        "end": "0 19 * * 1-5",
                        "desiredReplicas": "1",
                    },
                },
            }
        ),
    ),
    "raw rule": (
        "template: {scale: {rules: [{name: q, azureQueue: {queueName: jobs, queueLength: 5}}]}}",
        lambda t: t["scale"]["rules"].append(
            {"name": "q", "azureQueue": {"queueName": "jobs", "queueLength": 5}}
        ),
    ),
    "probe path": (
        "template: {probes: {readiness: /health/ready}}",
        lambda t: main(t)["probes"][0]["httpGet"].update(path="/health/ready"),
    ),
    "new probe on the ingress' port": (
        "template: {probes: {liveness: /health/live}}",
        lambda t: main(t)["probes"].append(
            {"type": "Liveness", "httpGet": {"port": 8080, "path": "/health/live"}}
        ),
    ),
    "probe of a TCP port": (
        "template: {probes: {readiness: {tcp: 9000, failures: 5}}}",
        lambda t: main(t).update(
            probes=[
                {
                    "type": "Readiness",
                    "periodSeconds": 7,
                    "tcpSocket": {"port": 9000},
                    "failureThreshold": 5,
                }
            ]
        ),
    ),
    "probe's timing": (
        "template: {probes: {readiness: {period: 20s}}}",
        lambda t: main(t)["probes"][0].update(periodSeconds=20),
    ),
    "probe removed": (
        "template: {probes: {readiness: null}}",
        lambda t: main(t)["probes"].clear(),
    ),
    "variable": (
        "template: {env: {LOG: debug}}",
        lambda t: main(t)["env"][0].update(value="debug"),
    ),
    "variable removed": ("template: {env: {OLD: null}}", lambda t: main(t)["env"].pop(1)),
    "variable from a secret": (
        "env: {LOG: {secret: log}}",
        lambda t: main(t)["env"].__setitem__(0, {"name": "LOG", "secretRef": "log"}),
    ),
    "new variable": (
        "env: {NEW: 'yes'}",
        lambda t: main(t)["env"].insert(3, {"name": "NEW", "value": "yes"}),
    ),
    "command": (
        "template: {command: [python, -m, app], args: []}",
        lambda t: main(t).update(command=["python", "-m", "app"], args=[]),
    ),
    "volume": (
        "template: {volumes: {tmp: {type: empty-dir}}, mounts: {tmp: /tmp/cache}}",
        lambda t: (
            t["volumes"].append({"name": "tmp", "storageType": "EmptyDir"}),
            main(t)["volumeMounts"].append({"volumeName": "tmp", "mountPath": "/tmp/cache"}),
        ),
    ),
    "volume removed": (
        "template: {volumes: {old: null}, mounts: {old: null}}",
        lambda t: (t["volumes"].clear(), main(t)["volumeMounts"].clear()),
    ),
    "grace": (
        "template: {termination-grace: 30s}",
        lambda t: t.update(terminationGracePeriodSeconds=30),
    ),
    "sidecar's image": (
        "containers: {proxy: {image: 'envoy:2'}}",
        lambda t: t["containers"][1].update(image="envoy:2"),
    ),
    "sidecar's resources": (
        "containers: {proxy: {resources: {cpu: 0.5}}}",
        lambda t: t["containers"][1]["resources"].update(cpu=0.5),
    ),
    "init container with the same image": (
        "containers: {migrate: {image: same}}",
        lambda t: t["initContainers"][0].update(image=IMAGE),
    ),
    "sidecar removed": ("containers: {proxy: null}", lambda t: t["containers"].pop(1)),
    "new sidecar": (
        "containers: {log: {image: 'fluent:1', env: {A: b}}}",
        lambda t: t["containers"].append(
            {"name": "log", "image": "fluent:1", "env": [{"name": "A", "value": "b"}]}
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_settings_change_only_what_they_name(name: str) -> None:
    text, edit = CASES[name]

    assert planned(text) == expected(edit)


@pytest.mark.parametrize("name", CASES)
def test_a_second_deployment_changes_nothing_more(name: str) -> None:
    text, _ = CASES[name]
    first = planned(text)

    assert planned(text, copy.deepcopy(first)) == first


def test_the_serving_template_is_not_touched() -> None:
    before = copy.deepcopy(SERVING)

    planned(yaml.safe_dump({"env": {"LOG": "x"}, "template": {"scale": {"cpu": 50}}}))

    assert before == SERVING


def test_variables_are_accepted_as_lines_in_the_spelling_of_az() -> None:
    template = planned("", env="LOG=a=b, c\nKEY=secretref:other")

    assert main(template)["env"][0] == {"name": "LOG", "value": "a=b, c"}
    assert main(template)["env"][2] == {"name": "KEY", "secretRef": "other"}


def test_the_input_wins_over_the_template() -> None:
    template = planned("template: {env: {LOG: file, OLD: file}}", env="LOG=input")

    assert [item["value"] for item in main(template)["env"][:2]] == ["input", "file"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("containers: {api: {image: same}}", "containers.api: this is the app's own container"),
        ("containers: {log: {env: {A: b}}}", "containers.log.image: the app has no container of"),
        ("containers: {proxy: {image: a, init: true}}", "containers.proxy.init: the app has a"),
        ("containers: {migrate: {probes: {liveness: /}}}", "containers.migrate.probes: an init"),
    ],
)
def test_containers_that_do_not_fit_the_app_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(text)

    assert raised.value.message.startswith(sentence)
