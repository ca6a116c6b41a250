"""Reads one secret from an Azure Key Vault; an error says why it cannot be read.

Source: "Get Secret" and "Get Deleted Secret" of the Azure Key Vault REST API (7.4). The token is
sent with the first request: the challenge of an unauthenticated one would only name the tenant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deploy_action.errors import InputError, PreflightError
from deploy_action.runtime.credential_hosts import Credential, bearer
from deploy_action.runtime.http import HttpClient, RequestError, Response

SCOPE = "https://vault.azure.net/.default"
API_VERSION = "7.4"
_REFERENCE = re.compile(
    r"keyvault:(?P<vault>[A-Za-z](?:[A-Za-z0-9-]{1,22})[A-Za-z0-9])/(?P<name>[A-Za-z0-9-]{1,127})"
)
_TIMEOUT_S = 20.0


class SecretProblem(StrEnum):
    """Reason why a secret cannot be read."""

    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    DELETED = "deleted"
    DISABLED = "disabled"
    EMPTY = "empty"
    UNEXPECTED = "unexpected"


class SecretUnreadableError(PreflightError):
    """A secret cannot be read from its vault.

    Args:
        problem: the reason.
        message: the reason in one sentence.
        hint: what to do about it.
    """

    def __init__(self, problem: SecretProblem, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Location of a secret."""

    vault: str
    name: str

    @classmethod
    def parse(cls, text: str) -> SecretReference:
        """Read ``keyvault:VAULT/NAME``.

        Raises:
            InputError: it has another form.
        """
        match = _REFERENCE.fullmatch(text.strip())
        if match is None:
            raise InputError(
                "A reference to a secret has the form keyvault:VAULT/NAME: the vault's name has 3 "
                "to 24 letters, digits and hyphens, the secret's at most 127 (no underscores)."
            )
        return cls(match["vault"], match["name"])

    @property
    def host_url(self) -> str:
        """The vault's URL."""
        return f"https://{self.vault.lower()}.vault.azure.net"

    def __str__(self) -> str:
        return f"secret '{self.name}' of key vault '{self.vault}'"


class KeyVault:
    """Reads secrets with the run's own identity.

    Args:
        token: returns an access token for a scope.
        identity: who the token is for, for hints: a client id, or empty.
        on_secret: called with every value before it is returned, to mask it.
    """

    def __init__(
        self, *, token: Callable[[str], str], identity: str, on_secret: Callable[[str], None]
    ) -> None:
        self._token = token
        self._identity = identity or "CLIENT-ID"
        self._on_secret = on_secret
        self._http = HttpClient()

    def read(self, reference: SecretReference) -> str:
        """Return the newest value of a secret.

        Raises:
            SecretUnreadableError: it cannot be read; nothing was changed.
            CredentialHostError: the address is not a vault's.
        """
        response = self._get(reference, f"secrets/{reference.name}")
        if response.status != 200:
            raise self._problem(reference, response)
        value = _object(response).get("value")
        if not isinstance(value, str) or not value:
            raise SecretUnreadableError(SecretProblem.EMPTY, f"The {reference} is empty.")
        self._on_secret(value)
        return value

    def _get(self, reference: SecretReference, path: str) -> Response:
        url = f"{reference.host_url}/{path}?api-version={API_VERSION}"
        headers = bearer(Credential.KEY_VAULT, self._token(SCOPE), url)
        try:
            return self._http.get(url, timeout_s=_TIMEOUT_S, headers=headers)
        except RequestError as error:
            raise SecretUnreadableError(
                SecretProblem.UNREACHABLE,
                f"Key vault '{reference.vault}' could not be reached: {error}.",
                hint="Check the vault's name, and that this runner can connect to it.",
            ) from None

    def _problem(self, reference: SecretReference, response: Response) -> SecretUnreadableError:
        error = _object(response).get("error")
        error = error if isinstance(error, Mapping) else {}
        inner = error.get("innererror")
        code = str(inner.get("code") or "") if isinstance(inner, Mapping) else ""
        match response.status:
            case 401:
                return SecretUnreadableError(
                    SecretProblem.UNAUTHORIZED,
                    f"Key vault '{reference.vault}' did not accept the access token "
                    f"({_text(error, response)}).",
                    hint="Check that the vault belongs to the tenant that this run signs in to.",
                )
            case 403 if code == "SecretDisabled":
                return SecretUnreadableError(
                    SecretProblem.DISABLED,
                    f"The {reference} is disabled.",
                    hint="Enable it: az keyvault secret set-attributes --enabled true "
                    f"--vault-name {reference.vault} --name {reference.name}",
                )
            case 403:
                return self._forbidden(reference, code, _text(error, response))
            case 404:
                return self._missing(reference)
        return SecretUnreadableError(
            SecretProblem.UNEXPECTED,
            f"The {reference} could not be read: {_text(error, response)}.",
        )

    def _forbidden(self, reference: SecretReference, code: str, text: str) -> SecretUnreadableError:
        if "firewall" in code.lower() or "Client address" in text:
            message = f"The firewall of key vault '{reference.vault}' refuses this runner."
            hint = (
                "Add the runner's IP address to the vault's network rules, or use a runner in "
                "its network."
            )
            return SecretUnreadableError(SecretProblem.FORBIDDEN, message, hint=hint)
        command = (
            f"az keyvault set-policy --name {reference.vault} --spn {self._identity} "
            "--secret-permissions get"
            if code == "ForbiddenByPolicy"
            else f"az role assignment create --assignee {self._identity} "
            '--role "Key Vault Secrets User" '
            f'--scope "$(az keyvault show --name {reference.vault} --query id --output tsv)"'
        )
        return SecretUnreadableError(
            SecretProblem.FORBIDDEN,
            f"Identity {self._identity} is not allowed to read the {reference}.",
            hint=f"Grant it: {command} (it takes effect within ten minutes).",
        )

    def _missing(self, reference: SecretReference) -> SecretUnreadableError:
        """Find out whether the secret was deleted: reading it returns 404 in both cases."""
        deleted = self._get(reference, f"deletedsecrets/{reference.name}").status
        if deleted == 200:
            return SecretUnreadableError(
                SecretProblem.DELETED,
                f"The {reference} was deleted and can still be recovered.",
                hint="Recover it: az keyvault secret recover "
                f"--vault-name {reference.vault} --name {reference.name}",
            )
        unknown = " (or was deleted: this identity is not allowed to check that)"
        also = "" if deleted == 404 else unknown
        return SecretUnreadableError(
            SecretProblem.MISSING,
            f"The {reference} does not exist{also}.",
            hint="Check both names, or create it: az keyvault secret set "
            f"--vault-name {reference.vault} --name {reference.name} --value …",
        )


def _object(response: Response) -> Mapping[str, Any]:
    try:
        return response.json_object()
    except RequestError:
        return {}


def _text(error: Mapping[str, Any], response: Response) -> str:
    """Return the first line of the vault's own text."""
    message = str(error.get("message") or "").strip().partition("\n")[0].strip()
    return message or f"status {response.status}"
