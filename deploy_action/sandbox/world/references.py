"""Managed identities and Key Vault references of apps, and secrets that are still in use.

Source: "Manage secrets in Azure Container Apps". A reference is resolved at every write of the app
and every thirty minutes; active revisions restart when a value without a fixed version changed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from deploy_action.sandbox.interfaces import AppIdentities, ImageNotFound
from deploy_action.sandbox.world import notes
from deploy_action.sandbox.world.clock import Clock
from deploy_action.sandbox.world.model import App, Revision
from deploy_action.sandbox.world.refusals import Problem, refuse
from deploy_action.sandbox.world.secret_rules import unreadable_reference
from deploy_action.sandbox.world.template_rules import secret_refs

SYNC_S: Final = 1800.0
_FIXED: Final = re.compile(r"/secrets/[^/]+/[0-9a-f]{32}/?$", re.IGNORECASE)


class References:
    """Resolves an app's references to identities, vaults and registries.

    Args:
        identities: the managed identities.
        clock: scales the interval of the synchronisation.
    """

    def __init__(self, identities: AppIdentities, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock

    def prepare(
        self, subscription: str, group: str, name: str, desired: dict[str, Any], app: App | None
    ) -> None:
        """Complete the identities of a requested resource, and check its secrets.

        Raises:
            Refused: an identity does not exist, or an active revision needs a removed secret.
        """
        home = f"/subscriptions/{subscription}/resourceGroups/{group}"
        self._identities.complete(f"{home}/providers/Microsoft.App/containerApps/{name}", desired)
        kept = {str(item["name"]) for item in _secrets(desired)}
        removed = {str(item["name"]) for item in _secrets(app.resource)} - kept if app else set()
        used = {
            reference
            for revision in (app.revisions.values() if app else ())
            if revision.active
            for reference in secret_refs(revision.template)
        }
        if in_use := sorted(removed & used):
            names = ",".join(in_use)
            text = f"Invalid Request: Container app secret(s) with name(s) '{names}' are invalid"
            raise refuse(400, "ContainerAppSecretInvalid", f"{text}: they are still in use.")

    def resolve(self, app: App, resource: Mapping[str, Any]) -> Problem | None:
        """Read the values of all references; the first one that cannot be read is the problem.

        A reference that could be read before and has not changed keeps its last value instead.
        """
        values: dict[str, str] = {}
        moment = self._clock.now()
        before = {item["name"]: item for item in _secrets(app.resource)}
        for secret in _secrets(resource):
            if secret.get("keyVaultUrl"):
                name = secret["name"]
                kept = app.vault_values.get(name) if before.get(name) == secret else None
                current = self._identities.secret(resource, secret)
                notes.synced(app, moment, secret, succeeded=current is not None)
                value = current or kept
                if not value:
                    return unreadable_reference(secret)
                values[name] = value
        app.vault_values = values
        return None

    def require_pull(self, resource: Mapping[str, Any], image: str) -> None:
        """Check that the app may pull *image* with the identity that it names for the registry.

        Raises:
            ImageNotFound: it may not; with the registry's text.
        """
        host, _, rest = image.partition("/")
        repository = rest.partition("@")[0].partition(":")[0]
        if not self._identities.may_pull(resource, host):
            raise ImageNotFound(
                f"GET https:?scope=repository%3A{repository}%3Apull&service={host}: UNAUTHORIZED: "
                "authentication required, visit https://aka.ms/acr/authorization for more "
                "information."
            )

    async def keep_in_sync(
        self, app: App, restart: Callable[[App, Revision], Awaitable[None]]
    ) -> None:
        """Re-read the values periodically, and restart active revisions when one changed."""
        while app.state != "Deleting":
            await self._clock.sleep(SYNC_S)
            changed = False
            for secret in _secrets(app.resource):
                if not secret.get("keyVaultUrl") or _FIXED.search(secret["keyVaultUrl"]):
                    continue
                value = self._identities.secret(app.resource, secret)
                notes.synced(app, self._clock.now(), secret, succeeded=value is not None)
                if value and value != app.vault_values.get(secret["name"]):
                    app.vault_values[secret["name"]] = value
                    changed = True
            for revision in list(app.revisions.values()) if changed else ():
                if revision.active:
                    notes.restarted_with_new_secrets(app, revision, self._clock.now())
                    await restart(app, revision)


def _secrets(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    configuration = resource["properties"].get("configuration") or {}
    return list(configuration.get("secrets") or ())
