"""The effects of changes: operations, revisions, weights, and surprising behaviour of Azure."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from typing import Any

import pytest
import requests
from azure.identity import ClientAssertionCredential
from azure.mgmt.appcontainers import ContainerAppsAPIClient

from deploy_action.sandbox.scene import GROUP
from tests.sandbox.changes import changed, revision, split, template, until
from tests.stage import Stage


def test_the_real_sdk_waits_for_a_change_and_gets_the_app(stage: Stage, azure: Any) -> None:
    credential = ClientAssertionCredential(
        azure["AZURE_TENANT_ID"],
        azure["AZURE_CLIENT_ID"],
        lambda: str(
            requests.get(
                azure["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange",
                headers={"Authorization": f"Bearer {azure['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
                proxies=dict(stage.scene.session.proxies),
                verify=azure["REQUESTS_CA_BUNDLE"],
                timeout=10,
            ).json()["value"]
        ),
        proxies=dict(stage.scene.session.proxies),
        connection_verify=azure["REQUESTS_CA_BUNDLE"],
    )
    with ContainerAppsAPIClient(
        credential,
        azure["AZURE_SUBSCRIPTION_ID"],
        proxies=dict(stage.scene.session.proxies),
        connection_verify=azure["REQUESTS_CA_BUNDLE"],
    ) as client:
        body = template(stage, "by-sdk", env=[{"name": "A", "value": "1"}])
        app = client.container_apps.begin_update(
            GROUP, stage.scene.app, BytesIO(json.dumps(body).encode())
        ).result()
        listed = [
            item.name
            for item in client.container_apps_revisions.list_revisions(GROUP, stage.scene.app)
        ]

    assert app.properties is not None
    assert app.properties.provisioning_state == "Succeeded"
    assert app.properties.latest_revision_name == f"{stage.scene.app}--by-sdk"
    assert listed == [stage.first, f"{stage.scene.app}--by-sdk"]


def test_a_second_change_meanwhile_is_refused(stage: Stage) -> None:
    stage.clock(factor=1)
    first = stage.scene.ask("PATCH", stage.scene.path, {"tags": {"a": "1"}})
    second = stage.scene.ask("PATCH", stage.scene.path, {"tags": {"b": "2"}})
    state = stage.scene.resource()["properties"]["provisioningState"]
    stage.clock(advance=60)

    assert (first.status_code, second.status_code) == (202, 409)
    assert second.json()["error"]["code"] == "ContainerAppOperationInProgress"
    assert state == "InProgress"
    stage.wait_until_idle()
    assert stage.tags() == {"a": "1"}


def test_polling_urls_are_valid_only_unchanged(stage: Stage) -> None:
    stage.clock(factor=1)
    reply = stage.scene.ask("PATCH", stage.scene.path, {"tags": {"a": "1"}})
    status, result = reply.headers["Azure-AsyncOperation"], reply.headers["Location"]
    running = stage.scene.ask("GET", result)
    status_body = stage.scene.ask("GET", status).json()
    changed = stage.scene.ask("GET", status.replace("&s=", "&s=x"))
    stage.clock(advance=60)
    stage.wait_until_idle()
    done = stage.scene.ask("GET", result)

    assert len(status) > 2800
    assert set(status_body) == {"id", "name", "status", "startTime"}
    assert running.status_code == 202
    assert running.headers["Location"] != result
    assert changed.status_code == 403
    assert done.status_code == 200
    assert done.json()["properties"]["provisioningState"] == "Succeeded"


def test_an_unchanged_template_makes_no_revision(stage: Stage) -> None:
    template = stage.scene.resource()["properties"]["template"]

    ended = changed(stage, {"properties": {"template": template}})

    assert ended["status"] == "Succeeded"
    assert list(stage.scene.revisions()) == [stage.first]


def test_a_suffix_cannot_be_reused(stage: Stage) -> None:
    ended = changed(stage, template(stage, "first", env=[{"name": "A", "value": "1"}]))

    assert ended["status"] == "Failed"
    assert ended["error"]["code"] == "ContainerAppOperationError"
    assert "revision with suffix first already exists" in ended["error"]["message"]
    assert list(stage.scene.revisions()) == [stage.first]
    assert stage.scene.resource()["properties"]["provisioningState"] == "Failed"


def test_an_image_that_is_not_there_fails_the_operation(stage: Stage) -> None:
    image = "wellintakeregistry.azurecr.io/none:1"

    ended = changed(stage, template(stage, "imageless", image=image))

    assert ended["status"] == "Failed"
    assert image in ended["error"]["message"]
    assert not revision(stage, "imageless")


def test_success_of_the_operation_says_nothing_about_the_revision(stage: Stage) -> None:
    crash = ["python", "-c", "raise SystemExit(3)"]

    ended = changed(stage, template(stage, "crashes", command=crash))
    crashed = until(
        lambda: revision(stage, "crashes"), lambda item: item["runningState"] == "Failed"
    )

    assert ended["status"] == "Succeeded"
    assert crashed["runningState"] == crashed["provisioningState"] == "Failed"
    assert crashed["healthState"] == "Unhealthy"
    assert "ContainerCrashing" in crashed["runningStateDetails"]
    assert stage.scene.resource()["properties"]["latestReadyRevisionName"] == stage.first


def test_requests_are_split_by_weight(stage: Stage) -> None:
    changed(stage, template(stage, "two", env=[{"name": "A", "value": "1"}]))
    until(lambda: revision(stage, "two"), lambda item: item["runningState"] == "Running")
    two = f"{stage.scene.app}--two"
    changed(stage, split(**{stage.first: 75, two: 25}))

    answers = Counter(stage.serves()["revision"] for _ in range(400))

    assert set(answers) == {stage.first, two}
    # 100 are expected; five standard deviations are 43.
    assert 57 <= answers[two] <= 143
    assert revision(stage, "two")["trafficWeight"] == 25


def test_declared_weight_on_an_inactive_revision_is_accepted_and_answers_nobody(
    stage: Stage,
) -> None:
    path = f"{stage.scene.path}/revisions/{stage.first}/deactivate"
    output = stage.scene.ask("POST", path)
    app = stage.scene.session.get(f"{stage.url}/version", timeout=30)
    host = stage.scene.revisions()[stage.first]["fqdn"]
    own = stage.scene.session.get(f"https://{host}/version", timeout=30)

    assert output.json() == "Deactivate succeeded"
    assert stage.weights() in ({"latest": 100}, {stage.first: 100})
    assert app.status_code == 503
    assert own.status_code == 404
    until(
        lambda: stage.scene.revisions()[stage.first],
        lambda item: item["runningState"] == "Stopped",
    )
    assert stage.scene.revisions()[stage.first]["replicas"] == 0


def test_a_stopped_revision_can_be_activated_again(stage: Stage) -> None:
    for verb in ("deactivate", "activate"):
        stage.scene.ask("POST", f"{stage.scene.path}/revisions/{stage.first}/{verb}")

    stage.scene.wait_until_serving()

    assert stage.serves()["revision"] == stage.first


def test_a_label_has_an_address_of_its_own(stage: Stage) -> None:
    entry = {"revisionName": stage.first, "weight": 100, "label": "blue"}
    changed(stage, {"properties": {"configuration": {"ingress": {"traffic": [entry]}}}})
    url = stage.url.replace(stage.scene.app, f"{stage.scene.app}---blue", 1)

    reply = stage.scene.session.get(f"{url}/version", timeout=30)
    nobody = stage.scene.session.get(f"{url.replace('---blue', '---red')}/version", timeout=30)

    assert reply.json()["revision"] == stage.first
    assert nobody.status_code == 404


def test_in_single_mode_the_old_revision_serves_until_the_new_one_can(stage: Stage) -> None:
    changed(stage, {"properties": {"configuration": {"activeRevisionsMode": "single"}}})
    with stage.users().busy() as users:
        changed(stage, template(stage, "next", env=[{"name": "A", "value": "1"}]))
        until(stage.active, lambda names: names == [f"{stage.scene.app}--next"])
        until(lambda: set(users.answers), lambda names: f"{stage.scene.app}--next" in names)

    assert stage.active() == [f"{stage.scene.app}--next"]
    assert users.failures == []
    assert set(users.answers) == {stage.first, f"{stage.scene.app}--next"}


def test_secrets_are_kept_and_never_shown(stage: Stage) -> None:
    hidden = [{"name": "key", "value": "very-secret"}]
    changed(stage, {"properties": {"configuration": {"secrets": hidden}}})

    shown = stage.scene.resource()["properties"]["configuration"]["secrets"]
    listed = stage.scene.ask("POST", f"{stage.scene.path}/listSecrets").json()

    assert shown == [{"name": "key"}]
    assert listed == {"value": hidden}


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"client_id": "somebody"}, "AADSTS700016"),
        ({"client_assertion": "e30.e30.x"}, "AADSTS700027"),
        ({"client_secret": "wrong", "client_assertion": None}, "AADSTS7000215"),
        ({"scope": None}, "AADSTS70011"),
    ],
    ids=["client", "assertion", "secret", "scope"],
)
def test_entra_refusals_have_their_aadsts_codes(
    azure: dict[str, str], stage: Stage, change: dict[str, Any], number: str
) -> None:
    assertion = stage.scene.session.get(
        azure["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange",
        headers={"Authorization": f"Bearer {azure['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
        timeout=30,
    ).json()["value"]
    form = {
        "grant_type": "client_credentials",
        "client_id": azure["AZURE_CLIENT_ID"],
        "client_assertion": assertion,
        "scope": "https://management.azure.com/.default",
        **change,
    }
    url = f"https://login.microsoftonline.com/{azure['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    sent = {name: value for name, value in form.items() if value is not None}

    refused = stage.scene.session.post(url, data=sent, timeout=30)

    assert refused.status_code in {400, 401}
    assert refused.json()["error_description"].startswith(f"{number}: ")
    assert refused.json()["error_codes"] == [int(number.removeprefix("AADSTS"))]


def test_a_revision_at_max_replicas_has_another_running_state(stage: Stage) -> None:
    resource = template(stage, "wide")
    resource["properties"]["template"]["scale"] = {"minReplicas": 2, "maxReplicas": 2}
    changed(stage, resource)
    result = until(lambda: revision(stage, "wide"), lambda item: item["healthState"] == "Healthy")
    answers = {
        stage.scene.session.get(f"https://{result['fqdn']}/version", timeout=30).status_code
        for _ in range(10)
    }

    assert (result["runningState"], result["replicas"]) == ("RunningAtMaxScale", 2)
    assert answers == {200}


def test_inactive_revisions_beyond_the_limit_are_deleted_oldest_first(stage: Stage) -> None:
    limit = {"properties": {"configuration": {"maxInactiveRevisions": 1}}}
    changed(stage, limit)
    for suffix in ("two", "three", "four"):
        changed(stage, template(stage, suffix, args=[suffix]))
    names = [f"{stage.scene.app}--{suffix}" for suffix in ("two", "three")]
    for name in names:
        stage.scene.ask("POST", f"{stage.scene.path}/revisions/{name}/deactivate")

    kept = list(stage.scene.revisions())
    assert kept == [stage.first, names[1], f"{stage.scene.app}--four"]
