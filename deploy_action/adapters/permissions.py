"""Whether this run's identity may do something, read from Azure without trying it.

Source: "Permissions - List For Resource" of Azure's role-based access control (2022-04-01): one
entry for each role assignment that reaches the caller. Deny assignments, conditions, locks and
policies are not included, so "has" is likely but not certain. A refused request means "unknown": a
role such as AcrPush does not include the right to ask.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy_action.adapters.resource_manager import ResourceManager

API_VERSION = "2022-04-01"
_APPS = "Microsoft.App/containerApps"
_REGISTRIES = "Microsoft.ContainerRegistry/registries"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"

# The narrowest built-in role for an action; the first matching line wins.
_ROLES = (
    (f"{_APPS}/*", "Container Apps Contributor"),
    ("Microsoft.App/managedEnvironments/join/action", "Container Apps Contributor"),
    (f"{_REGISTRIES}/pull/read", "AcrPull"),
    (f"{_REGISTRIES}/push/write", "AcrPush"),
    (f"{_REGISTRIES}/repositories/*", "Container Registry Repository Writer"),
    (f"{_REGISTRIES}/read", "Reader"),
    (f"{_REGISTRIES}/*", "Container Registry Tasks Contributor"),
    (f"{_SECRETS}/*", "Key Vault Secrets User"),
    ("Microsoft.Insights/metrics/read", "Monitoring Reader"),
    ("Microsoft.Insights/components/*", "Application Insights Component Contributor"),
    ("Microsoft.Insights/metrics/write", "Monitoring Metrics Publisher"),
    ("Microsoft.Insights/telemetry/write", "Monitoring Metrics Publisher"),
    ("Microsoft.OperationalInsights/workspaces/*", "Log Analytics Reader"),
    ("Microsoft.ManagedIdentity/userAssignedIdentities/*", "Managed Identity Operator"),
    ("Microsoft.Resources/tags/*", "Tag Contributor"),
    ("*/read", "Reader"),
)


class Verdict(StrEnum):
    """Whether an identity may do something."""

    HAS = "has"
    LACKS = "lacks"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a role can permit; *data* for what happens inside of a resource."""

    name: str
    data: bool = False

    def __str__(self) -> str:
        return self.name


# What a command needs, by the resource that it is needed on.
DEPLOY = (
    *(
        Action(f"{_APPS}/{name}")
        for name in (
            "read",
            "write",
            "listSecrets/action",
            "revisions/read",
            "revisions/replicas/read",
            "revisions/activate/action",
            "revisions/deactivate/action",
        )
    ),
)
# What a deployment changes; each is refused beforehand where it is lacking.
CHANGE_APP = tuple(
    Action(f"{_APPS}/{name}")
    for name in ("write", "revisions/activate/action", "revisions/deactivate/action")
)
LOGS = (Action(f"{_APPS}/getAuthToken/action"),)
METRICS = (Action("Microsoft.Insights/metrics/read"),)
PUSH = (Action(f"{_REGISTRIES}/pull/read"), Action(f"{_REGISTRIES}/push/write"))
REMOTE_BUILD = (
    Action(f"{_REGISTRIES}/listBuildSourceUploadUrl/action"),
    Action(f"{_REGISTRIES}/scheduleRun/action"),
    Action(f"{_REGISTRIES}/runs/read"),
    Action(f"{_REGISTRIES}/runs/listLogSasUrl/action"),
)
READ_SECRETS = (Action(f"{_SECRETS}/getSecret/action", data=True),)
ANNOTATE = (Action("Microsoft.Insights/components/Annotations/write"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """The result for one action.

    Args:
        action: what was checked.
        scope: on which resource.
        verdict: whether the identity has the permission.
        role: the narrowest built-in role that grants it; empty if none is known.
        command: the ``az`` command that assigns the role; empty when there is nothing to do.
        reason: why it is unknown; else empty.
    """

    action: Action
    scope: str
    verdict: Verdict
    role: str
    command: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Reads permissions; one request per resource, never repeated.

    Args:
        arm: sends the requests.
        identity: the client id or object id that commands name; empty for a placeholder.
    """

    arm: ResourceManager
    identity: str = ""

    def check(self, scope: str, actions: Sequence[Action]) -> tuple[Permission, ...]:
        """Check *actions* on the resource *scope*; never raises for a refusal."""
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        response = self.arm.get(path, {"api-version": API_VERSION})
        if not response.ok:
            return tuple(
                self._permission(action, scope, Verdict.UNKNOWN, response.problem)
                for action in actions
            )
        entries = _entries(response.body.get("value"))
        # A further page may hold what the first one lacks.
        cut = bool(response.body.get("nextLink"))
        return tuple(
            self._permission(action, scope, _verdict(entries, action, cut=cut), _why(cut=cut))
            for action in actions
        )

    def _permission(self, action: Action, scope: str, verdict: Verdict, reason: str) -> Permission:
        role = role_for(action)
        needed = verdict is not Verdict.HAS and bool(role)
        return Permission(
            action=action,
            scope=scope,
            verdict=verdict,
            role=role,
            command=assign_command(self.identity, role, scope) if needed else "",
            reason=reason if verdict is Verdict.UNKNOWN else "",
        )


def role_for(action: Action) -> str:
    """Return the narrowest built-in role that grants *action*, or nothing."""
    return next((role for pattern, role in _ROLES if _matches(pattern, action.name)), "")


def assign_command(identity: str, role: str, scope: str) -> str:
    """Return the command that assigns *role* on *scope*."""
    words = ("--assignee", identity or "CLIENT-ID", "--role", role, "--scope", scope)
    return shlex.join(("az", "role", "assignment", "create", *words))


def _verdict(entries: Iterable[Mapping[str, Any]], action: Action, *, cut: bool) -> Verdict:
    """Apply Azure's rule: one entry must grant the action and not exclude it."""
    granted, excluded = (
        ("dataActions", "notDataActions")
        if action.data
        else (
            "actions",
            "notActions",
        )
    )
    for entry in entries:
        if _any(entry.get(granted), action.name) and not _any(entry.get(excluded), action.name):
            return Verdict.HAS
    return Verdict.UNKNOWN if cut else Verdict.LACKS


def _why(*, cut: bool) -> str:
    return "Azure returned only some of the permissions" if cut else ""


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _any(patterns: Any, action: str) -> bool:
    listed = patterns if isinstance(patterns, list) else []
    return any(_matches(str(pattern), action) for pattern in listed)


def _matches(pattern: str, action: str) -> bool:
    return _compiled(pattern.lower()).fullmatch(action.lower()) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern: ``*`` spans slashes, and ``X/*/read`` includes ``X/read``.

    Built-in roles list the right to read an app only as ``Microsoft.App/containerApps/*/read``.
    """
    return re.compile(re.escape(pattern).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*"))
