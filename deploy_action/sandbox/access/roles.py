"""The built-in roles that a deployment meets.

Source: "Azure built-in roles", August 2026. Actions that the sandbox has no use for are left out
where a role has many of them. A pattern's `*` matches across slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

DEFINITIONS: Final = "/providers/Microsoft.Authorization/roleDefinitions/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role definition."""

    id: str
    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    built_in: bool = True

    def grants(self, action: str, *, data: bool = False) -> bool:
        """Whether the role contains *action* and does not exclude it."""
        granted = self.data_actions if data else self.actions
        excluded = self.not_data_actions if data else self.not_actions
        return _any_matches(granted, action) and not _any_matches(excluded, action)

    @property
    def permissions(self) -> dict[str, list[str]]:
        """The four lists as Azure writes them."""
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": list(self.not_data_actions),
        }

    def view(self, subscription: str) -> dict[str, Any]:
        """Return the definition as ARM shows it."""
        return {
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole" if self.built_in else "CustomRole",
                "description": "",
                "assignableScopes": ["/"],
                "permissions": [self.permissions],
                "createdOn": "2015-02-02T21:55:09.8806423Z",
                "updatedOn": "2026-01-01T00:00:00.0000000Z",
                "createdBy": None,
                "updatedBy": None,
            },
            "id": f"/subscriptions/{subscription}{DEFINITIONS}{self.id}",
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": self.id,
        }


def _any_matches(patterns: Iterable[str], action: str) -> bool:
    return any(_compiled(pattern).fullmatch(action.lower()) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern. `X/*/read` includes `X/read`: the roles list only the starred form."""
    escaped = re.escape(pattern.lower())
    return re.compile(escaped.replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*"))


_ACR: Final = "Microsoft.ContainerRegistry/registries"
_APPS: Final = "Microsoft.App/containerApps"
_SECRETS: Final = "Microsoft.KeyVault/vaults/secrets"
_READ_AUTHORIZATION: Final = "Microsoft.Authorization/*/read"
_READ_GROUPS: Final = "Microsoft.Resources/subscriptions/resourceGroups/read"
_ENVIRONMENTS: Final = tuple(
    f"Microsoft.App/{kind}/{action}"
    for kind in ("managedEnvironments", "connectedEnvironments")
    for action in ("read", "*/read", "join/action", "checknameavailability/action")
)

BUILT_IN: Final = (
    Role(id="8e3af657-a8ff-443c-a75c-2fe8c4bcb635", name="Owner", actions=("*",)),
    Role(
        id="b24988ac-6180-42a0-ab88-20f7382dd24c",
        name="Contributor",
        actions=("*",),
        not_actions=(
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    Role(id="acdd72a7-3385-48ef-bd42-f606fba81ae7", name="Reader", actions=("*/read",)),
    Role(
        id="18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        name="User Access Administrator",
        actions=("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    Role(
        id="f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        name="Role Based Access Control Administrator",
        actions=(
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ),
    ),
    Role(
        id="358470bc-b998-42bd-ab17-a7e34c199c0f",
        name="Container Apps Contributor",
        actions=(
            _READ_AUTHORIZATION,
            "Microsoft.Insights/alertRules/*",
            *(f"{_APPS}/*/{kind}" for kind in ("read", "write", "delete", "action")),
            *_ENVIRONMENTS,
        ),
    ),
    Role(
        id="f3bd1b5c-91fa-40e7-afe7-0c11d331232c",
        name="Container Apps Operator",
        actions=(
            _READ_AUTHORIZATION,
            "Microsoft.Insights/alertRules/*",
            *(f"{_APPS}/*/{kind}" for kind in ("read", "action")),
            *_ENVIRONMENTS,
        ),
        data_actions=tuple(f"{_APPS}/{verb}/action" for verb in ("logstream", "exec", "debug")),
    ),
    Role(id="7f951dda-4ed3-4680-a7ca-43fe172d538d", name="AcrPull", actions=(f"{_ACR}/pull/read",)),
    Role(
        id="8311e382-0749-4cb8-b61a-304f252e45ec",
        name="AcrPush",
        actions=(f"{_ACR}/pull/read", f"{_ACR}/push/write"),
    ),
    Role(
        id="2a1e307c-b015-4ebd-883e-5b7698a07328",
        name="Container Registry Repository Writer",
        data_actions=tuple(
            f"{_ACR}/repositories/{part}/{kind}"
            for part in ("metadata", "content")
            for kind in ("read", "write")
        ),
    ),
    Role(
        id="fb382eab-e894-4461-af04-94435c366c3f",
        name="Container Registry Tasks Contributor",
        actions=(
            f"{_ACR}/read",
            f"{_ACR}/agentpools/*",
            f"{_ACR}/tasks/*",
            f"{_ACR}/scheduleRun/action",
            f"{_ACR}/listBuildSourceUploadUrl/action",
            f"{_ACR}/runs/read",
            f"{_ACR}/runs/write",
            f"{_ACR}/runs/listLogSasUrl/action",
            f"{_ACR}/runs/cancel/action",
            f"{_ACR}/taskruns/*",
            "Microsoft.Resources/deployments/*",
            _READ_GROUPS,
        ),
    ),
    Role(
        id="4633458b-17de-408a-b874-0445c86b69e6",
        name="Key Vault Secrets User",
        data_actions=(f"{_SECRETS}/getSecret/action", f"{_SECRETS}/readMetadata/action"),
    ),
    Role(
        id="b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        name="Key Vault Secrets Officer",
        actions=(_READ_AUTHORIZATION, "Microsoft.KeyVault/vaults/read", _READ_GROUPS),
        data_actions=(f"{_SECRETS}/*",),
    ),
    Role(
        id="00482a5a-887f-4fb3-b363-3b7fe8e74483",
        name="Key Vault Administrator",
        actions=(_READ_AUTHORIZATION, "Microsoft.KeyVault/vaults/read", _READ_GROUPS),
        data_actions=("Microsoft.KeyVault/vaults/*",),
    ),
    Role(
        id="43d0d8ad-25c7-4714-9337-8ba259a9fe05",
        name="Monitoring Reader",
        actions=(
            "*/read",
            "Microsoft.OperationalInsights/workspaces/search/action",
            "Microsoft.Support/*",
        ),
    ),
    Role(
        id="73c42c96-874c-492b-b04d-ab87d138a893",
        name="Log Analytics Reader",
        actions=(
            "*/read",
            "Microsoft.OperationalInsights/workspaces/analytics/query/action",
            "Microsoft.OperationalInsights/workspaces/search/action",
            "Microsoft.Support/*",
        ),
        not_actions=("Microsoft.OperationalInsights/workspaces/sharedKeys/read",),
    ),
    Role(
        id="3b03c2da-16b3-4a49-8834-0f8130efdd3b",
        name="Log Analytics Data Reader",
        actions=(
            "Microsoft.OperationalInsights/workspaces/query/read",
            "Microsoft.OperationalInsights/workspaces/read",
        ),
        data_actions=("Microsoft.OperationalInsights/workspaces/tables/data/read",),
    ),
    Role(
        id="ae349356-3a1b-4a5e-921d-050484c6347e",
        name="Application Insights Component Contributor",
        actions=(
            _READ_AUTHORIZATION,
            *(
                f"Microsoft.Insights/{kind}/*"
                for kind in (
                    "components",
                    "alertRules",
                    "metricAlerts",
                    "webtests",
                    "scheduledqueryrules",
                )
            ),
            "Microsoft.Insights/generateLiveToken/read",
            "Microsoft.Insights/topology/read",
            "Microsoft.Insights/transactions/read",
            "Microsoft.Resources/deployments/*",
            _READ_GROUPS,
        ),
    ),
    Role(
        id="3913510d-42f4-4e42-8a64-420c390055eb",
        name="Monitoring Metrics Publisher",
        actions=("Microsoft.Insights/Register/Action", _READ_GROUPS, "Microsoft.Support/*"),
        data_actions=("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
    Role(
        id="f1a07417-d97a-45cb-824c-7a7467783830",
        name="Managed Identity Operator",
        actions=(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            _READ_AUTHORIZATION,
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/deployments/*",
            _READ_GROUPS,
        ),
    ),
    Role(
        id="4a9ae827-6dc8-4573-8ac7-8239d42aa03f",
        name="Tag Contributor",
        actions=(
            _READ_AUTHORIZATION,
            "Microsoft.Resources/tags/*",
            _READ_GROUPS,
            "Microsoft.Resources/subscriptions/resources/read",
        ),
    ),
)
