"""Errors of Key Vault, with its codes and texts."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deploy_action.sandbox.access import Principal
from deploy_action.sandbox.keyvault.store import Vault


class VaultError(Exception):
    """A request was refused."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.inner = status, code, inner

    def response(self, challenge: str) -> web.Response:
        """Return the answer; a 401 carries the challenge."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.inner:
            error["innererror"] = {"code": self.inner}
        headers = {"WWW-Authenticate": challenge} if self.status == 401 else {}
        return web.json_response({"error": error}, status=self.status, headers=headers)


def unauthorized(*, missing: bool) -> VaultError:
    """Return the refusal of a token that is missing or not for vaults."""
    text = (
        "AKV10000: Request is missing a Bearer or PoP token."
        if missing
        else "AKV10022: Invalid audience. Expected https://vault.azure.net."
    )
    return VaultError(401, "Unauthorized", text)


def forbidden_by_role(
    principal: Principal, tenant: str, action: str, vault: Vault, resource: str
) -> VaultError:
    """Return the refusal of a vault that uses roles."""
    text = (
        "Caller is not authorized to perform action on resource.\r\n"
        "If role assignments, deny assignments or role definitions were changed recently, please "
        "observe propagation time.\r\n"
        f"Caller: {_caller(principal, tenant)}\r\n"
        f"Action: '{action}'\r\n"
        f"Resource: '{resource}'\r\n"
        "Assignment: (not found)\r\n"
        "DenyAssignmentId: null\r\n"
        "DecisionReason: null\r\n"
        f"Vault: {vault.name};location={vault.location}\r\n"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByRbac")


def forbidden_by_policy(principal: Principal, tenant: str, vault: Vault) -> VaultError:
    """Return the refusal of a vault that uses access policies."""
    text = (
        f"The user, group or application '{_caller(principal, tenant)}' does not have secrets get "
        f"permission on key vault '{vault.name};location={vault.location}'."
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByPolicy")


def forbidden_by_firewall(principal: Principal, tenant: str, vault: Vault) -> VaultError:
    """Return the refusal of a caller from outside the vault's network."""
    text = (
        "Client address is not authorized and caller is not a trusted service.\r\n"
        "Client address: 203.0.113.7\r\n"
        f"Caller: {_caller(principal, tenant)}\r\n"
        f"Vault: {vault.name};location={vault.location}\r\n"
    )
    return VaultError(403, "Forbidden", text, "ForbiddenByFirewall")


def disabled() -> VaultError:
    """Return the refusal of a disabled secret."""
    text = "Operation get is not allowed on a disabled secret."
    return VaultError(403, "Forbidden", text, "SecretDisabled")


def not_found(name: str) -> VaultError:
    """Return the answer for a secret that is missing or deleted: both are the same to Azure."""
    text = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted "
        "this secret you may be able to recover it using the correct recovery command. For help "
        "resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    )
    return VaultError(404, "SecretNotFound", text)


def not_deleted(name: str) -> VaultError:
    """Return the answer for a name that no deleted secret has."""
    return VaultError(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def being_deleted(name: str) -> VaultError:
    """Return the refusal to set a secret whose name a deleted one still has."""
    text = (
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be "
        "reused; in this state, the secret can only be recovered or purged."
    )
    return VaultError(409, "Conflict", text, "ObjectIsDeletedButRecoverable")


def bad_parameter(text: str) -> VaultError:
    """Return the refusal of a request that Key Vault does not understand."""
    return VaultError(400, "BadParameter", text)


def _caller(principal: Principal, tenant: str) -> str:
    issuer = f"https://sts.windows.net/{tenant}/"
    return f"appid={principal.client_id};oid={principal.object_id};iss={issuer}"
