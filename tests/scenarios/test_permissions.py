"""A deployment that Azure would refuse for a missing role is refused in the plan."""

from __future__ import annotations

from typing import Any

from tests.stage import Stage
from tests.support.identities import Identity, admin

PERMISSIONS = "*/providers/Microsoft.Authorization/permissions"


def signed_in_as(stage: Stage, *roles: Any) -> dict[str, str]:
    """Return the inputs to sign in as an identity with *roles* on the app and the registry."""
    azure = stage.scene.environment
    assignments = [
        {"role": "Reader"},
        {"role": "Container Registry Tasks Contributor"},
        *({"role": role, "scope": stage.scene.path} for role in roles),
    ]
    return {"client_id": Identity.create(azure, assignments).client_id}


def test_d1_a_missing_role_on_the_app_is_refused_in_the_plan_with_its_command(
    stage: Stage,
) -> None:
    before = stage.scene.resource()
    stage.push_healthy()
    identity = signed_in_as(stage)

    dry = stage.run(**identity, dry_run="true")
    run = stage.run(**identity)

    for refused in (dry, run):
        assert refused.exit_code == 3, refused.log
        assert refused.outputs["result"] == "refused"
        assert refused.logged(f"This identity is not allowed to change app '{stage.scene.app}'")
        assert refused.logged("Microsoft.App/containerApps/write")
        assert refused.logged(
            f"az role assignment create --assignee {identity['client_id']} --role "
            f"'Container Apps Contributor' --scope {stage.scene.path}"
        )
    assert stage.scene.resource() == before


def test_d1_a_custom_role_without_deactivation_is_refused_in_the_plan(stage: Stage) -> None:
    role = {
        "name": "Almost a deployer",
        "actions": ["Microsoft.App/containerApps/*"],
        "notActions": ["Microsoft.App/containerApps/revisions/deactivate/action"],
    }
    stage.push_healthy()

    run = stage.run(**signed_in_as(stage, role))

    assert run.exit_code == 3, run.log
    assert run.logged("it lacks Microsoft.App/containerApps/revisions/deactivate/action")


def test_the_narrowest_role_on_the_app_deploys_with_one_request_more(stage: Stage) -> None:
    since = max((call["at"] for call in stage.requests()), default=-1.0)
    stage.push_healthy()

    run = stage.run(**signed_in_as(stage, "Container Apps Contributor"))

    assert run.exit_code == 0, run.log
    checks = [
        c for c in stage.requests(since) if "Microsoft.Authorization/permissions" in c["path"]
    ]
    assert len(checks) == 1


def test_permissions_that_cannot_be_read_do_not_stop_a_deployment(stage: Stage) -> None:
    fault = {"host": "management.azure.com", "path": PERMISSIONS, "status": 403}
    admin(stage.scene.environment, "POST", "/faults", [fault])
    stage.push_healthy()

    run = stage.run()

    assert run.exit_code == 0, run.log
