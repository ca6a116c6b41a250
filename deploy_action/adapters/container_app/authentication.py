"""Authentication of requests to Azure Resource Manager: for its host only, renewed after a 401."""

from __future__ import annotations

from typing import Any

from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential

SCOPE = "https://management.azure.com/.default"


class AuthenticationPolicy(ARMChallengeAuthenticationPolicy):
    """Signs the SDK's requests.

    Args:
        credential: with ``get_token``, and ``renew`` for a token that Azure rejects early.
    """

    def __init__(self, credential: Any) -> None:
        super().__init__(credential, SCOPE)
        self._renewable = credential

    def on_request(self, request: Any) -> None:
        """Add the token; raises `CredentialHostError` for any other host, such as a redirect's."""
        credential_hosts.require(Credential.RESOURCE_MANAGER, request.http_request.url)
        super().on_request(request)

    def send(self, request: Any) -> Any:
        """Send a request; one that was rejected with 401 did nothing and is sent once more."""
        response = super().send(request)
        if response.http_response.status_code != 401:
            return response
        self._renewable.renew()
        self._token = None
        for name in ("data", "content"):
            body: Any = getattr(request.http_request, name, None)
            if hasattr(body, "seek"):
                body.seek(0)
        return super().send(request)
