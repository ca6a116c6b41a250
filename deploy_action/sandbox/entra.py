"""Microsoft Entra ID and GitHub's OIDC: identities of workflows, and their tokens.

Source: "Microsoft identity platform and the OAuth 2.0 client credentials flow" with a federated
credential; the refusals' numbers are Entra's own (AADSTS…). Tokens are real JWTs, signed with keys
that are created when the sandbox starts.
"""

from __future__ import annotations

import functools
import secrets
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy_action.sandbox.access import Principal
from deploy_action.sandbox.directory import Application, Directory, FederatedCredential

LOGIN: Final = "login.microsoftonline.com"
ISSUER: Final = "https://token.actions.githubusercontent.com"
GITHUB_HOSTS: Final = frozenset(
    {"token.actions.githubusercontent.com", "pipelines.actions.githubusercontent.com"}
)
AUDIENCE: Final = "api://AzureADTokenExchange"
REGISTRY_AUDIENCE: Final = "https://containerregistry.azure.net"
ARM_AUDIENCES: Final = ("https://management.azure.com", "https://management.core.windows.net")
ASSERTION_LIFE_S: Final = 300  # recorded: GitHub's tokens expire after five minutes
TOKEN_LIFE_S: Final = 86_400
_KEY_ID: Final = "local-azure"


class _Keys:
    """One RSA key, made when it is first needed."""

    @functools.cached_property
    def private(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self.private, "RS256", headers={"kid": _KEY_ID})

    def read(self, token: str, audience: list[str], issuer: str) -> dict[str, Any]:
        return jwt.decode(
            token, self.private.public_key(), ["RS256"], audience=audience, issuer=issuer
        )

    def published(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}


class GitHub:
    """GitHub's OIDC endpoint, a `interfaces.Service` for `GITHUB_HOSTS`.

    Args:
        subject: the ``sub`` of the tokens that it issues.
    """

    def __init__(self, *, subject: str) -> None:
        self._jobs: dict[str, str] = {}
        self.subject = subject
        self.request_token = self.job(subject)
        self.keys = _Keys()

    def job(self, subject: str) -> str:
        """Return the request token of a job with *subject*."""
        token = secrets.token_urlsafe(32)
        self._jobs[token] = subject
        return token

    @property
    def request_url(self) -> str:
        """The value of ``ACTIONS_ID_TOKEN_REQUEST_URL`` in a job."""
        return "https://pipelines.actions.githubusercontent.com/local/idtoken?api-version=2.0"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path == "/.well-known/openid-configuration":
            about = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/.well-known/jwks"}
            return web.json_response(about)
        if request.path == "/.well-known/jwks":
            return web.json_response(self.keys.published())
        if request.path != "/local/idtoken":
            return web.Response(status=404)
        subject = self._jobs.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if subject is None:
            return web.json_response({"message": "Unauthorized"}, status=401)
        audience = request.query.get("audience") or "https://github.com/the-well"
        return web.json_response({"count": 1, "value": self.assertion(audience, subject=subject)})

    def assertion(
        self, audience: str = AUDIENCE, *, life_s: int = ASSERTION_LIFE_S, subject: str = ""
    ) -> str:
        """Return a job's token for *audience*, valid for *life_s* seconds."""
        now = int(time.time())
        return self.keys.sign(
            {
                "iss": ISSUER,
                "sub": subject or self.subject,
                "aud": audience,
                "iat": now,
                "nbf": now - 5,
                "exp": now + life_s,
                "jti": str(uuid.uuid4()),
                "job_workflow_ref": "the-well/well-intake/.github/workflows/deploy.yml@main",
            }
        )


class _Refused(Exception):  # noqa: N818  it is an answer
    def __init__(self, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.error, self.number = error, number


class Entra:
    """The token endpoint of one tenant, a `interfaces.Service` for `LOGIN`.

    The tenant starts with one application that trusts the workflow's own subject.

    Args:
        github: the issuer that federated credentials can name.
    """

    def __init__(self, *, github: GitHub) -> None:
        self.tenant = str(uuid.uuid4())
        self.directory = Directory()
        self.token_life_s = TOKEN_LIFE_S
        self._github = github
        self._keys = _Keys()
        self._known: dict[str, tuple[str, float, Principal]] = {}
        own = self.enroll("deploy-action", github.subject)
        self.client, self.secret = own.client_id, own.secrets[0]

    def enroll(self, name: str, subject: str) -> Application:
        """Create an application with a principal, a secret and a federated credential."""
        application = self.directory.register(name)
        self.directory.add_secret(application)
        self.directory.add_principal(name, application.client_id)
        credential = FederatedCredential("github", ISSUER, subject, [AUDIENCE])
        application.federated[credential.id] = credential
        return application

    def accepts(self, token: str, *audiences: str) -> bool:
        """Whether *token* is one of ours, for one of *audiences*, and has not expired."""
        return self.principal(token, *audiences) is not None

    def principal(self, token: str, *audiences: str) -> Principal | None:
        """Return whose *token* it is; None when it is not valid for one of *audiences*."""
        audience, end, principal = self._known.get(token, ("", 0.0, None))
        return principal if audience in audiences and time.time() < end else None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        parts = [part for part in request.path.split("/") if part]
        match request.method, parts:
            case "GET", [_, *_, ".well-known", "openid-configuration"]:
                return web.json_response(self._about())
            case "GET", ["common", "discovery", "instance"]:
                return web.json_response(_instances(self._about()))
            case "GET", [_, "discovery", *_]:
                return web.json_response(self._keys.published())
            case "POST", [tenant, "oauth2", "v2.0", "token"]:
                form = parse_qs((await request.read()).decode("utf-8", "replace"))
                try:
                    return web.json_response(
                        self._token(tenant, {name: values[0] for name, values in form.items()})
                    )
                except _Refused as refused:
                    return _refusal(refused)
        return web.Response(status=404)

    def _token(self, tenant: str, form: Mapping[str, str]) -> dict[str, Any]:
        if tenant.lower() != self.tenant:
            raise _Refused("invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise _Refused(
                "unsupported_grant_type",
                70003,
                f"The app requested an unsupported grant type '{form.get('grant_type', '')}'.",
            )
        client = form.get("client_id", "")
        application = self.directory.applications.get(client.lower())
        if application is None:
            raise _Refused(
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' "
                f"was not found in the directory '{self.tenant}'.",
            )
        self._prove(form, application)
        principal = self.directory.principal_of(application.client_id)
        if principal is None:
            raise _Refused(
                "unauthorized_client",
                7000229,
                f"The client application {client} is missing service principal in the tenant "
                f"{self.tenant}.",
            )
        resource = form.get("scope", "").removesuffix("/.default").rstrip("/")
        if not resource:
            raise _Refused(
                "invalid_scope",
                70011,
                "The provided request must include a 'scope' input parameter.",
            )
        return {
            "token_type": "Bearer",
            "expires_in": self.token_life_s - 1,
            "ext_expires_in": self.token_life_s - 1,
            "access_token": self._issue(
                resource, Principal(principal.object_id, application.client_id)
            ),
        }

    def _prove(self, form: Mapping[str, str], application: Application) -> None:
        if "client_assertion" not in form:
            offered = form.get("client_secret", "").encode()
            known = [item.encode() for item in application.secrets]
            if not any(secrets.compare_digest(offered, item) for item in known):
                raise _Refused("invalid_client", 7000215, "Invalid client secret provided.")
            return
        try:
            claims = self._github.keys.read(form["client_assertion"], [AUDIENCE], ISSUER)
        except jwt.ExpiredSignatureError:
            raise _Refused(
                "invalid_client", 700024, "Client assertion is not within its valid time range."
            ) from None
        except jwt.InvalidAudienceError:
            raise _Refused(
                "invalid_client",
                700212,
                "No matching federated identity record found for presented assertion audience.",
            ) from None
        except jwt.PyJWTError as error:
            raise _Refused(
                "invalid_client", 700027, f"Client assertion failed signature validation: {error}."
            ) from None
        if not application.federated:
            raise _Refused(
                "invalid_client",
                70025,
                f"The client '{application.client_id}'({application.name}) has no configured "
                "federated identity credentials.",
            )
        credentials = application.federated.values()
        if not any(item.accepts(ISSUER, str(claims.get("sub"))) for item in credentials):
            raise _Refused(
                "invalid_client",
                700213,
                "No matching federated identity record found "
                f"for presented assertion subject '{claims.get('sub')}'.",
            )

    def _issue(self, audience: str, principal: Principal) -> str:
        now = int(time.time())
        token = self._keys.sign(
            {
                "aud": audience,
                "iss": f"https://sts.windows.net/{self.tenant}/",
                "iat": now,
                "nbf": now,
                "exp": now + self.token_life_s,
                "appid": principal.client_id,
                "appidacr": "2",
                "idp": f"https://sts.windows.net/{self.tenant}/",
                "idtyp": "app",
                "oid": principal.object_id,
                "sub": principal.object_id,
                "tid": self.tenant,
                "uti": secrets.token_urlsafe(16),
                "ver": "1.0",
                "xms_cc": ["CP1"],
            }
        )
        self._known[token] = (audience, now + self.token_life_s, principal)
        return token

    def _about(self) -> dict[str, Any]:
        home = f"https://{LOGIN}/{self.tenant}"
        return {
            "token_endpoint": f"{home}/oauth2/v2.0/token",
            "authorization_endpoint": f"{home}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{home}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{home}/discovery/v2.0/keys",
            "issuer": f"{home}/v2.0",
            "response_types_supported": ["code", "id_token", "token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }


def _instances(about: Mapping[str, Any]) -> dict[str, Any]:
    issuer = str(about["issuer"])
    return {
        "tenant_discovery_endpoint": f"{issuer}/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [
            {
                "preferred_network": LOGIN,
                "preferred_cache": "login.windows.net",
                "aliases": [LOGIN, "login.windows.net", "login.microsoft.com", "sts.windows.net"],
            }
        ],
    }


def _refusal(refused: _Refused) -> web.Response:
    trace, correlation = uuid.uuid4(), uuid.uuid4()
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    text = (
        f"AADSTS{refused.number}: {refused} Trace ID: {trace} Correlation ID: {correlation} "
        f"Timestamp: {now}"
    )
    status = 401 if refused.error == "invalid_client" and refused.number == 7000215 else 400
    return web.json_response(
        {
            "error": refused.error,
            "error_description": text,
            "error_codes": [refused.number],
            "timestamp": now,
            "trace_id": str(trace),
            "correlation_id": str(correlation),
            "error_uri": f"https://{LOGIN}/error?code={refused.number}",
        },
        status=status,
    )
