"""The tenant: sign-in, the directory, roles, locks and vaults.

The server uses it to look up host names and Resource Manager providers; the admin API uses it for
changes from outside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox import entra as sign_in
from deploy_action.sandbox import graph
from deploy_action.sandbox.access import Assignments, Authorizer, Locks, Routes
from deploy_action.sandbox.entra import Entra, GitHub
from deploy_action.sandbox.identities import Identities
from deploy_action.sandbox.interfaces import Service
from deploy_action.sandbox.keyvault import AUDIENCE, KeyVault, Vaults
from deploy_action.sandbox.managed_identities import ManagedIdentities
from deploy_action.sandbox.registry_rights import RegistryRights

Provider = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
POSTS: Final = frozenset({"/identities", "/permissions", "/roles", "/tokens", "/vaults"})


class Tenant:
    """One tenant with one subscription.

    Args:
        github: issues the tokens of jobs.
        subscription: the subscription's id.
        groups: the names of its resource groups.
        registries: the resource groups of registries by host name.
        location: the region of vaults and identities.
    """

    def __init__(
        self,
        *,
        github: GitHub,
        subscription: str,
        groups: Sequence[str],
        registries: Mapping[str, str],
        location: str,
    ) -> None:
        self.entra = Entra(github=github)
        self.assignments = Assignments(subscription)
        locks = Locks()
        self.authorizer = Authorizer(
            assignments=self.assignments,
            locks=locks,
            identify=lambda token: self.entra.principal(token, *sign_in.ARM_AUDIENCES),
        )
        routes = Routes(
            assignments=self.assignments,
            locks=locks,
            authorizer=self.authorizer,
            known=lambda object_id: object_id in self.entra.directory.principals,
        )
        self._identities = Identities(entra=self.entra, github=github, assignments=self.assignments)
        self._identities.replace({})
        home = f"/subscriptions/{subscription}/resourceGroups"
        self._vaults = Vaults(groups=[f"{home}/{name}" for name in groups], location=location)
        kind = "providers/Microsoft.ContainerRegistry/registries"
        self.registry_rights = RegistryRights(
            self.assignments,
            {
                host: f"{home}/{group}/{kind}/{host.partition('.')[0]}"
                for host, group in registries.items()
            },
        )
        self._key_vault = KeyVault(
            vaults=self._vaults,
            tenant=self.entra.tenant,
            assignments=self.assignments,
            identify=lambda token: self.entra.principal(token, AUDIENCE),
        )
        self.managed = ManagedIdentities(
            directory=self.entra.directory,
            tenant=self.entra.tenant,
            location=location,
            read=self._key_vault.read,
            may_pull=lambda object_id, host: self.registry_rights.allows(object_id, host, "pull"),
        )
        self._graph = graph.Graph(
            directory=self.entra.directory,
            tenant=self.entra.tenant,
            identify=lambda token: self.entra.principal(token, graph.AUDIENCE),
        )
        self.providers: Sequence[Provider] = (
            routes.handle,
            self._key_vault.handle_arm,
            self.managed.handle_arm,
        )

    def registry_caller(self, token: str) -> str:
        """Return the object id of a token that registries accept, or nothing."""
        audiences = (sign_in.REGISTRY_AUDIENCE, *sign_in.ARM_AUDIENCES)
        principal = self.entra.principal(token, *audiences)
        return principal.object_id if principal else ""

    def service(self, host: str) -> Service | None:
        """Return what answers for a host name, or None."""
        if host == graph.HOST:
            return self._graph
        return self._key_vault if self._key_vault.serves(host) else None

    def describe(self) -> dict[str, Any]:
        """Return all role assignments and the permissions that were taken away."""
        return {
            "roles": self._identities.listed(),
            "removed": self.assignments.removals.describe(),
        }

    def change(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Handle one of `POSTS`; return the response.

        Raises:
            ValueError: an identity or a role does not exist.
            KeyError: a field is missing, or names something that does not exist.
        """
        match path:
            case "/vaults":
                return self._vaults.change(body)
            case "/tokens":
                self.entra.token_life_s = int(body["life_s"])
                return {"life_s": self.entra.token_life_s}
            case "/permissions":
                self.assignments.removals.change(body)
                return {"removed": self.assignments.removals.describe()}
        return self._identities.change(path, body)
