"""The real `az` against the local Azure: unmodified, with its default endpoints.

Needs an environment of its own (`make test-az` makes it), and about two minutes: each call of `az`
takes two to five seconds, wherever its Azure is.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy_action.sandbox.scene import GROUP, REGISTRY
from tests.stage import VERSION, Stage
from tests.support.paths import ROOT

pytestmark = pytest.mark.az
PYTHON = ROOT / ".build" / "az-python"


@dataclass(frozen=True, slots=True)
class Az:
    """`az` with a session of its own."""

    stage: Stage
    program: Path
    environment: dict[str, str]

    def __call__(self, *words: str) -> Any:
        """Run it; return what it prints, read as JSON where it is."""
        text = self.text(*words)
        try:
            return json.loads(text)
        except ValueError:
            return text

    def text(self, *words: str) -> str:
        """Run it; return what it prints."""
        done = subprocess.run(
            [str(self.program), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"az {' '.join(words)}\n{done.stderr}"
        return done.stdout

    def refusal(self, *words: str) -> str:
        """Run a command that must fail; return its error."""
        done = subprocess.run(
            [str(self.program), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode != 0, f"az {' '.join(words)}\n{done.stdout}"
        return done.stderr

    def app(self, *words: str) -> Any:
        """Run `az containerapp` on the stage's app."""
        return self("containerapp", *words, "--name", self.stage.scene.app, "-g", GROUP)


@pytest.fixture(scope="module")
def az(azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    assert PYTHON.exists(), "az is not installed: run 'make test-az'"
    home = tmp_path_factory.mktemp("az")
    stage = Stage.set_up(azure, home, "by-az")
    program = Path(PYTHON.read_text("utf-8").strip()).parent / "az"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        **azure,
        "HOME": str(home),
        "AZURE_CONFIG_DIR": str(home / "config"),
        "AZURE_CORE_OUTPUT": "json",
        "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
    }
    result = Az(stage, program, environment)
    result(*_login(azure), "--password", azure["SANDBOX_CLIENT_SECRET"])
    yield result
    stage.scene.ask("DELETE", stage.scene.path)


def _login(azure: dict[str, str]) -> tuple[str, ...]:
    who = ("-u", azure["AZURE_CLIENT_ID"], "--tenant", azure["AZURE_TENANT_ID"])
    return ("login", "--service-principal", *who)


def test_signing_in_with_githubs_token(az: Az, azure: dict[str, str], tmp_path: Path) -> None:
    response = az.stage.scene.session.get(
        azure["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange",
        headers={"Authorization": f"Bearer {azure['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
        timeout=30,
    )
    own = {**az.environment, "AZURE_CONFIG_DIR": str(tmp_path)}
    other = Az(az.stage, az.program, own)

    other(*_login(azure), "--federated-token", response.json()["value"])

    shown = other("account", "show")
    assert shown["id"] == azure["AZURE_SUBSCRIPTION_ID"]
    assert shown["tenantId"] == azure["AZURE_TENANT_ID"]


def test_revisions_weights_and_labels(az: Az) -> None:
    stage = az.stage
    app = stage.scene.app
    two, three = f"{app}--two", f"{app}--three"
    image = f"{REGISTRY}.azurecr.io/{app}:{VERSION}"

    assert az.app("show")["properties"]["provisioningState"] == "Succeeded"
    assert app in [item["name"] for item in az("containerapp", "list", "-g", GROUP)]
    az.app("update", "--image", image, "--revision-suffix", "two", "--set-env-vars", "A=1")
    assert [item["name"] for item in az.app("revision", "list")] == [stage.first, two]

    weights = (f"{stage.first}=60", f"{two}=40")
    az.app("ingress", "traffic", "set", "--revision-weight", *weights)
    assert stage.weights() == {stage.first: 60, two: 40}
    shown = az.app("ingress", "traffic", "show")
    assert {item.get("revisionName"): item["weight"] for item in shown} == {
        None: 0,
        stage.first: 60,
        two: 40,
    }
    assert az.app("ingress", "show")["fqdn"] in stage.url

    az.app("revision", "label", "add", "--label", "blue", "--revision", stage.first)
    az.app("revision", "label", "add", "--label", "green", "--revision", two)
    az.app("revision", "label", "swap", "--source", "blue", "--target", "green")
    labels = {
        item.get("label"): item.get("revisionName") for item in az.app("ingress", "traffic", "show")
    }
    assert (labels["blue"], labels["green"]) == (two, stage.first)
    az.app("revision", "label", "remove", "--label", "blue")
    assert "blue" not in [item.get("label") for item in az.app("ingress", "traffic", "show")]

    assert az.app("revision", "deactivate", "--revision", two) == "Deactivate succeeded"
    assert az.app("revision", "show", "--revision", two)["properties"]["active"] is False
    assert az.app("revision", "activate", "--revision", two) == "Activate succeeded"
    assert az.app("revision", "restart", "--revision", two) == "Restart succeeded"
    az.app("revision", "copy", "--from-revision", two, "--revision-suffix", "three")
    assert three in stage.scene.revisions()
    assert az.app("revision", "set-mode", "--mode", "single") == "Single"
    replicas = az.app("replica", "list", "--revision", three)
    assert [item["name"].startswith(three) for item in replicas] == [True]


def test_a_container_s_log_is_its_real_output(az: Az) -> None:
    image = f"{REGISTRY}.azurecr.io/{az.stage.scene.app}:{VERSION}"
    where = ("--name", "talker", "-g", GROUP)
    az(
        *("containerapp", "create", *where, "--environment", "well-intake-env"),
        *("--image", image, "--ingress", "external", "--target-port", "8000"),
        *("--command", "python", "--args", "-c,print('ready when you are',flush=True);"),
    )
    assert "ready when you are" in az.text("containerapp", "logs", "show", *where, "--tail", "5")
    az("containerapp", "delete", *where, "--yes")
    listed = [item["name"] for item in az("containerapp", "list", "-g", GROUP)]
    assert "talker" not in listed


def test_the_system_log_has_the_life_of_the_app(az: Az) -> None:
    where = ("--name", az.stage.scene.app, "-g", GROUP)
    shown = az.text("containerapp", "logs", "show", *where, "--type", "system", "--tail", "300")

    records = [json.loads(line) for line in shown.splitlines()]
    assert records[0]["Reason"] == "StartingGettingEvents"
    started = [item["RevisionName"] for item in records if item["Reason"] == "ContainerStarted"]
    assert az.stage.first in started


def test_metrics_are_listed_by_revision_and_status_class(az: Az, tmp_path: Path) -> None:
    # An app of its own: earlier commands have split the traffic of the common one.
    stage = Stage.set_up(dict(az.stage.scene.environment), tmp_path, "measured")
    for _ in range(5):
        stage.scene.session.get(f"{stage.url}/version", timeout=30)
    stage.clock(advance=600)
    resource = ("--resource", stage.scene.path)
    split = "revisionName eq '*' and statusCodeCategory eq '*'"

    shown = az(
        *("monitor", "metrics", "list", *resource, "--metric", "Requests"),
        *("--aggregation", "Total", "--interval", "1m", "--filter", split, "--top", "100"),
        *("--start-time", _at(az, -50), "--end-time", _at(az, 1)),
    )
    definitions = az("monitor", "metrics", "list-definitions", *resource)

    [value] = shown["value"]
    answered: dict[tuple[str, str], float] = {}
    for series in value["timeseries"]:
        revision, status = (item["value"] for item in series["metadatavalues"])
        answered[revision, status] = sum(point["total"] for point in series["data"])
    assert answered[stage.first, "2xx"] >= 5, answered
    assert "Requests" in [item["name"]["value"] for item in definitions]


def _at(az: Az, minutes: int) -> str:
    moment = az.stage.date() + timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_containerapp_up_and_environment_commands(az: Az) -> None:
    image = f"{REGISTRY}.azurecr.io/{az.stage.scene.app}:{VERSION}"
    where = ("--name", "quick", "-g", GROUP, "--environment", "well-intake-env")
    az(
        *("containerapp", "up", *where, "--image", image),
        *("--ingress", "external", "--target-port", "8000"),
    )
    environment = az("containerapp", "env", "show", "-n", "well-intake-env", "-g", GROUP)
    url = f"https://quick.{environment['properties']['defaultDomain']}/version"

    assert az.stage.scene.session.get(url, timeout=30).status_code == 200


def test_the_registry_and_its_remote_build(az: Az) -> None:
    app = az.stage.scene.app
    token = az("acr", "login", "-n", REGISTRY, "--expose-token")
    subprocess.run(
        [
            *(str(az.program), "acr", "build", "-r", REGISTRY, "-t", f"{app}:from-az"),
            str(az.stage.scene.workspace / "addin"),
        ],
        env=az.environment,
        capture_output=True,
        check=True,
        timeout=120,
    )
    tags = az("acr", "repository", "show-tags", "-n", REGISTRY, "--repository", app)

    assert token["loginServer"] == f"{REGISTRY}.azurecr.io"
    assert tags == ["1.3.0.2", "from-az"]


@pytest.mark.parametrize("kind", ["app", "revision", "label"])
def test_curl_reaches_each_kind_of_address(az: Az, azure: dict[str, str], kind: str) -> None:
    stage = az.stage
    domain = stage.url.partition(".")[2]
    entry = {"revisionName": stage.first, "weight": 100, "label": "steady"}
    stage.wait_until_idle()
    configuration = {"activeRevisionsMode": "Multiple", "ingress": {"traffic": [entry]}}
    body = {"properties": {"configuration": configuration}}
    assert stage.scene.ask("PATCH", stage.scene.path, body).status_code == 202
    stage.wait_until_idle()
    stage.scene.ask("POST", f"{stage.scene.path}/revisions/{stage.first}/activate")
    stage.scene.wait_until_serving()
    host = {
        "app": f"{stage.scene.app}.{domain}",
        "revision": f"{stage.first}.{domain}",
        "label": f"{stage.scene.app}---steady.{domain}",
    }[kind]

    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--cacert", azure["CURL_CA_BUNDLE"]),
            *("--proxy", azure["HTTPS_PROXY"], f"https://{host}/version"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert json.loads(done.stdout)["revision"] == stage.first


def test_a_new_identity_gets_exactly_the_rights_that_it_needs(
    az: Az, azure: dict[str, str], tmp_path: Path
) -> None:
    """From an app registration to a change of the app by a job of GitHub."""
    app, subject = az.app("show")["id"], "repo:someone/new-repository:environment:prod"
    registry = az("acr", "show", "-n", REGISTRY)["id"]
    client_id = az("ad", "app", "create", "--display-name", "new-repository")["appId"]
    principal = az("ad", "sp", "create", "--id", client_id)
    credential = {
        "name": "github-prod",
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": subject,
        "audiences": ["api://AzureADTokenExchange"],
    }
    parameters = ("--id", client_id, "--parameters", json.dumps(credential))
    az("ad", "app", "federated-credential", "create", *parameters)
    listed = az("ad", "app", "federated-credential", "list", "--id", client_id)
    assert [item["subject"] for item in listed] == [subject]
    assign = ("role", "assignment", "create", "--role")
    az(*assign, "Container Apps Contributor", "--assignee", client_id, "--scope", app)
    by_object = ("--assignee-object-id", principal["id"], "--assignee-principal-type")
    az(*assign, "AcrPush", *by_object, "ServicePrincipal", "--scope", registry)
    roles = az("role", "assignment", "list", "--assignee", client_id, "--all")
    assert {item["roleDefinitionName"] for item in roles} == {
        "Container Apps Contributor",
        "AcrPush",
    }
    identity = az.app("identity", "assign", "--system-assigned")
    az(*assign, "AcrPull", "--assignee", identity["principalId"], "--scope", registry)
    az.app("registry", "set", "--server", f"{REGISTRY}.azurecr.io", "--identity", "system")
    assert az.app("revision", "set-mode", "--mode", "multiple") == "Multiple"
    assert az("group", "show", "-n", GROUP)["name"] == GROUP

    limited = Az(az.stage, az.program, {**az.environment, "AZURE_CONFIG_DIR": str(tmp_path)})
    token = _github_token(az, azure, subject)
    who = ("-u", client_id, "--tenant", azure["AZURE_TENANT_ID"])
    limited("login", "--service-principal", *who, "--federated-token", token)

    assert limited.app("show")["id"] == app
    limited.app("update", "--tags", "by=new-repository")
    assert az.stage.tags()["by"] == "new-repository"
    refused = limited.refusal("group", "show", "-n", GROUP)
    assert "AuthorizationFailed" in refused
    assert "Microsoft.Resources/subscriptions/resourceGroups/read" in refused
    remove = ("role", "assignment", "delete", "--role", "AcrPush", "--assignee", client_id)
    az(*remove, "--scope", registry)
    az("ad", "app", "delete", "--id", client_id)


def test_a_subject_that_no_credential_names_cannot_sign_in(
    az: Az, azure: dict[str, str], tmp_path: Path
) -> None:
    token = _github_token(az, azure, "repo:someone/else:environment:prod")
    own = Az(az.stage, az.program, {**az.environment, "AZURE_CONFIG_DIR": str(tmp_path)})

    refused = own.refusal(*_login(azure), "--federated-token", token)

    assert "AADSTS700213" in refused
    assert "repo:someone/else:environment:prod" in refused


def _github_token(az: Az, azure: dict[str, str], subject: str) -> str:
    """Return the token that a job with *subject* gets from GitHub."""
    job = requests.post(
        f"{azure['SANDBOX_URL']}/identities",
        json={"name": "issuer", "subject": subject},
        timeout=30,
        proxies={"http": ""},
    ).json()
    response = az.stage.scene.session.get(
        azure["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange",
        headers={"Authorization": f"Bearer {job['request_token']}"},
        timeout=30,
    )
    return str(response.json()["value"])


def test_every_request_of_az_was_supported(az: Az, azure: dict[str, str]) -> None:
    url = f"{azure['SANDBOX_URL']}/requests"
    calls = requests.get(url, timeout=30, proxies={"http": ""}).json()["requests"]

    assert [item for item in calls if item["status"] in {501, 500, 0}] == []
