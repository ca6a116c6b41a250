"""Permissions of an identity, read from the local Azure and compared with its real access."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deploy_action.adapters import permissions as rights
from deploy_action.adapters.permissions import Action, Permission, Permissions, Verdict
from deploy_action.adapters.resource_manager import ResourceManager
from tests.stage import Stage
from tests.support.identities import Identity, admin

HAS, LACKS, UNKNOWN = Verdict.HAS, Verdict.LACKS, Verdict.UNKNOWN
EVERYTHING = (*rights.DEPLOY, *rights.LOGS, *rights.METRICS)

Check = Callable[..., dict[str, Permission]]


@pytest.fixture
def check(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """Check actions on the stage's app as an identity with chosen roles on it."""
    azure = stage.scene.environment
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, azure[name])

    def check(*roles: object, actions: tuple[Action, ...] = EVERYTHING) -> dict[str, Permission]:
        assignments = [{"role": role, "scope": stage.scene.path} for role in roles]
        identity = Identity.create(azure, assignments)
        arm = ResourceManager(identity.token)
        result = Permissions(arm=arm, identity=identity.client_id).check(stage.scene.path, actions)
        return {permission.action.name: permission for permission in result}

    yield check
    admin(azure, "DELETE", "/faults")


def test_container_apps_contributor_has_all_but_the_metrics(check: Check, stage: Stage) -> None:
    result = check("Container Apps Contributor")

    metrics = result.pop("Microsoft.Insights/metrics/read")
    assert {permission.verdict for permission in result.values()} == {HAS}
    assert {permission.command for permission in result.values()} == {""}
    assert metrics.verdict is LACKS
    assert metrics.role == "Monitoring Reader"
    assert metrics.command.startswith("az role assignment create --assignee ")
    assert metrics.command.endswith(f" --role 'Monitoring Reader' --scope {stage.scene.path}")


def test_a_reader_has_read_actions_only(check: Check) -> None:
    verdicts = {name: permission.verdict for name, permission in check("Reader").items()}

    assert {name for name, verdict in verdicts.items() if verdict is HAS} == {
        "Microsoft.App/containerApps/read",
        "Microsoft.App/containerApps/revisions/read",
        "Microsoft.App/containerApps/revisions/replicas/read",
        "Microsoft.Insights/metrics/read",
    }
    assert set(verdicts.values()) == {HAS, LACKS}


def test_without_the_right_to_read_permissions_the_result_is_unknown(check: Check) -> None:
    result = check("AcrPush")

    assert {permission.verdict for permission in result.values()} == {UNKNOWN}
    reason = result["Microsoft.App/containerApps/write"].reason
    assert reason.startswith("AuthorizationFailed: ")
    assert "Microsoft.Authorization/permissions/read" in reason
    assert result["Microsoft.App/containerApps/write"].command


def test_an_exclusion_counts_only_within_its_own_role(check: Check) -> None:
    action = Action("Microsoft.App/containerApps/write")
    both = {"actions": ["Microsoft.App/*", "*/read"], "notActions": [action.name]}
    excluding = {"name": "All but writing", **both}
    writing = {"name": "Writing", "actions": ["microsoft.app/containerapps/WRITE"]}

    assert check(excluding, actions=(action,))[action.name].verdict is LACKS
    assert check(excluding, writing, actions=(action,))[action.name].verdict is HAS


def test_data_actions_are_not_actions(check: Check) -> None:
    [secret] = rights.READ_SECRETS

    owner = check("Owner", actions=(secret,))[secret.name]
    user = check("Reader", "Key Vault Secrets User", actions=(secret,))[secret.name]

    assert (owner.verdict, owner.role) == (LACKS, "Key Vault Secrets User")
    assert user.verdict is HAS


def test_azure_that_cannot_be_reached_is_unknown(check: Check, stage: Stage) -> None:
    fault = {"host": "management.azure.com", "path": "*/permissions", "status": 503}
    admin(stage.scene.environment, "POST", "/faults", [fault])

    result = check("Owner", actions=rights.METRICS)

    assert [permission.verdict for permission in result.values()] == [UNKNOWN]


@pytest.mark.parametrize(
    ("actions", "role"),
    [
        (rights.DEPLOY, "Container Apps Contributor"),
        (rights.LOGS, "Container Apps Contributor"),
        (rights.METRICS, "Monitoring Reader"),
        (rights.PUSH[:1], "AcrPull"),
        (rights.PUSH[1:], "AcrPush"),
        (rights.REMOTE_BUILD, "Container Registry Tasks Contributor"),
        (rights.READ_SECRETS, "Key Vault Secrets User"),
        (rights.ANNOTATE, "Application Insights Component Contributor"),
    ],
)
def test_the_role_that_is_named_grants_the_action(
    check: Check, actions: tuple[Action, ...], role: str
) -> None:
    result = check("Reader", role, actions=actions)

    assert {permission.role for permission in result.values()} == {role}
    assert {permission.verdict for permission in result.values()} == {HAS}


def test_an_action_without_a_known_role_has_no_command() -> None:
    assert rights.role_for(Action("Contoso.Unknown/things/write")) == ""
