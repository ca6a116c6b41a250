"""Signs in to Azure: with GitHub's OIDC, the az session, or a managed identity."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime import credential_hosts
from deploy_action.runtime.bounded_session import BoundedSession
from deploy_action.runtime.concurrency import BackgroundTask
from deploy_action.runtime.http import HttpClient, RequestError
from deploy_action.runtime.polling import Deadline, backoff, now_utc, pause

_TOKEN_S = 30.0
_ASSERTION_S = 20.0
_TOKEN_LIMIT = 1 << 20
AUDIENCE = "api://AzureADTokenExchange"
ARM_SCOPE = "https://management.azure.com/.default"
REGISTRY_SCOPE = "https://containerregistry.azure.net/.default"
REDIS_SCOPE = "https://redis.azure.com/.default"


class RenewableCredential:
    """A credential for the Azure SDK whose cached tokens can be discarded.

    Args:
        make: makes a library's credential; called again when a token was rejected.
        on_secret: called with every token before it is used, to mask it.
        cached_on_disk: whether the library keeps its tokens in a file, as the Azure CLI does.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        *,
        on_secret: Callable[[str], None],
        cached_on_disk: bool = False,
    ) -> None:
        self._make = make
        self._on_secret = on_secret
        self._credential = make()
        self._cached_on_disk = cached_on_disk
        self._claims = ""
        self._renewed: set[tuple[str, ...]] = set()

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return an access token, as the SDK's protocol TokenCredential requires."""
        options = self._options(scopes, options)
        return self._limited(lambda: self._credential.get_token(*scopes, **options))

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        """Return an access token, as the SDK's protocol SupportsTokenInfo requires."""
        options = self._options(scopes, options or {})
        return self._limited(lambda: self._credential.get_token_info(*scopes, options=options))

    def renew(self) -> None:
        """Get new tokens from now on, after one was rejected before it expired."""
        self._credential = self._make()
        self._renewed = set()
        if self._cached_on_disk:
            # A request with claims makes the library ignore its cache file.
            oldest = {"essential": True, "value": str(int(now_utc()))}
            self._claims = json.dumps({"access_token": {"nbf": oldest}})

    def _limited(self, request: Callable[[], Any]) -> Any:
        """Return a token and mask it; enforce a time limit that some libraries lack."""
        try:
            token = BackgroundTask(request).result(_TOKEN_S)
        except TimeoutError:
            raise PreflightError(
                f"The sign-in to Azure returned no token within {_TOKEN_S:.0f} s.",
                hint="Check the network and the proxy, then run again.",
            ) from None
        self._on_secret(str(token.token))
        return token

    def _options(self, scopes: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
        if not self._claims or scopes in self._renewed or "claims" in options:
            return dict(options)
        self._renewed.add(scopes)
        return {**options, "claims": self._claims}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A configured sign-in method.

    Args:
        how: the method, for the log.
        credential: for the Azure SDK.
        subscription: the subscription to work in.
    """

    how: str
    credential: RenewableCredential
    subscription: str

    def token(self, scope: str) -> str:
        """Return an access token for *scope*.

        Raises:
            PreflightError: the sign-in failed, or its response was invalid.
        """
        try:
            return str(self.credential.get_token(scope).token)
        except DeployError:
            raise
        except Exception as error:  # noqa: BLE001  libraries raise anything here
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise PreflightError(
                f"Azure rejected the sign-in for {scope.removesuffix('/.default')}: {reason}",
                hint="Check client-id, tenant-id and the federated credential's subject.",
            ) from None

    def arm_token(self) -> str:
        """Return an access token for Azure Resource Manager."""
        return self.token("https://management.azure.com/.default")

    def renew(self) -> None:
        """Get new tokens from now on, after one was rejected before it expired."""
        self.credential.renew()


def sign_in(
    *,
    client_id: str,
    tenant_id: str,
    subscription_id: str,
    environment: Mapping[str, str],
    on_secret: Callable[[str], None],
) -> SignIn:
    """Return the first way of signing in that is configured.

    Args:
        client_id: application for GitHub's OIDC; empty to use the machine's own sign-in.
        tenant_id: tenant of that application.
        subscription_id: subscription to work in; empty takes the az session's.
        environment: the process environment.
        on_secret: called with every assertion before it is used, to mask it.

    Raises:
        PreflightError: no method is configured, or its configuration is incomplete.
    """
    if client_id:
        return _with_github(client_id, tenant_id, subscription_id, environment, on_secret)
    session = _az_folder(environment)
    if (session / "azureProfile.json").exists():
        return _with_az_session(subscription_id, session, on_secret)
    if environment.get("IDENTITY_ENDPOINT") or environment.get("AZURE_FEDERATED_TOKEN_FILE"):
        return _with_identity(subscription_id, on_secret)
    raise PreflightError(
        "No Azure sign-in was found: no client-id was given, there is no az session, and this "
        "machine has no managed identity.",
        hint="Set client-id, tenant-id and subscription-id, and the job permission "
        "'id-token: write', or run azure/login before this step.",
    )


def _az_folder(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME", "")
    return Path(environment.get("AZURE_CONFIG_DIR") or Path(home) / ".azure")


def _with_github(
    client_id: str,
    tenant_id: str,
    subscription_id: str,
    environment: Mapping[str, str],
    on_secret: Callable[[str], None],
) -> SignIn:
    from azure.identity import ClientAssertionCredential  # noqa: PLC0415  only when it is used

    url = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    request_token = environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if not url or not request_token:
        raise PreflightError(
            f"Input client-id: '{client_id}' requires a sign-in with GitHub's OIDC token, but the "
            "job is not allowed to request one.",
            hint="Add 'id-token: write' to the job's permissions.",
        )
    http = HttpClient()

    def assertion() -> str:
        # A fresh one for each token: GitHub's live five minutes, a rollout longer.
        deadline = Deadline(_ASSERTION_S)
        for pause_s in backoff(0.3, 2.0):
            try:
                response = http.get(
                    f"{url}&audience={quote(AUDIENCE, safe='')}",
                    timeout_s=max(deadline.remaining, 0.1),
                    headers=credential_hosts.own_bearer(request_token, url, issued_for=url),
                )
                value = str(response.json_object()["value"])
            except (RequestError, KeyError) as error:
                if deadline.remaining > pause_s:
                    pause(pause_s)
                    continue
                cause = "the response has no value" if isinstance(error, KeyError) else error
                raise PreflightError(
                    f"GitHub's OIDC endpoint returned no token: {cause}.",
                    hint="Check the job's permission 'id-token: write' and run the job again.",
                ) from None
            on_secret(value)
            return value
        raise AssertionError("backoff never ends")

    return SignIn(
        how=f"GitHub OIDC as application {client_id}",
        credential=RenewableCredential(
            lambda: ClientAssertionCredential(
                tenant_id,
                client_id,
                assertion,
                disable_instance_discovery=True,
                transport=_transport(),
            ),
            on_secret=on_secret,
        ),
        subscription=subscription_id,
    )


def _with_az_session(
    subscription_id: str, folder: Path, on_secret: Callable[[str], None]
) -> SignIn:
    from azure.cli.core import get_default_cli  # noqa: PLC0415  only when it is used
    from azure.cli.core._profile import Profile  # noqa: PLC0415
    from knack.util import CLIError  # noqa: PLC0415

    def session() -> tuple[Any, str]:
        profile = Profile(cli_ctx=get_default_cli())
        credential, subscription, _ = profile.get_login_credentials(
            subscription_id=subscription_id or None
        )
        return credential, str(subscription)

    try:
        credential = RenewableCredential(
            lambda: session()[0], on_secret=on_secret, cached_on_disk=True
        )
        _, subscription = session()
    except CLIError as error:
        raise PreflightError(
            f"The Azure CLI session in {folder} cannot be used: {error}",
            hint="Run azure/login (or az login) again before this step.",
        ) from None
    return SignIn(
        how="the Azure CLI session of this machine",
        credential=credential,
        subscription=subscription,
    )


def _with_identity(subscription_id: str, on_secret: Callable[[str], None]) -> SignIn:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415  only when it is used

    if not subscription_id:
        raise PreflightError(
            "Input subscription-id is required for a managed identity.",
            hint="Set subscription-id.",
        )
    return SignIn(
        how="the managed identity of this machine",
        credential=RenewableCredential(
            lambda: DefaultAzureCredential(
                exclude_cli_credential=True, exclude_developer_cli_credential=True
            ),
            on_secret=on_secret,
        ),
        subscription=subscription_id,
    )


def object_id_of(token: str) -> str:
    """Return the object id that an access token was issued to; empty if it does not say.

    Source: Microsoft identity platform, "Access token claims reference", claim ``oid``.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims.get("oid") or "")
    except (IndexError, ValueError):
        return ""


def _transport() -> Any:
    """Return a transport for the SDK with limits, without redirects and ~/.netrc."""
    from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415

    return RequestsTransport(
        session=BoundedSession(body_limit=_TOKEN_LIMIT, cut=False),
        session_owner=False,
        connection_timeout=10,
        read_timeout=20,
    )
