"""Microsoft Graph: application registrations, service principals, federated credentials.

Source: Microsoft Graph REST API v1.0, as far as `az ad app`, `az ad sp` and `az role assignment`
use it. Graph's permissions are not checked: every token may do everything.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.access import Principal
from deploy_action.sandbox.directory import (
    Application,
    Directory,
    FederatedCredential,
    ServicePrincipal,
)

HOST: Final = "graph.microsoft.com"
AUDIENCE: Final = "https://graph.microsoft.com"
_ROOT: Final = "https://graph.microsoft.com/v1.0"
_BY_APP_ID: Final = re.compile(r"(applications|servicePrincipals)\(appId='([^']+)'\)")
_EQUALS: Final = re.compile(r"(\w+)(?:/any\(c:c)? eq '([^']*)'\)?")
_STARTS: Final = re.compile(r"startswith\((\w+),\s*'([^']*)'\)", re.IGNORECASE)
_MOST_CREDENTIALS: Final = 20


class GraphError(Exception):
    """A request was refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def response(self) -> web.Response:
        """Return the answer."""
        about = {"date": datetime.now(UTC).isoformat(), "request-id": str(uuid.uuid4())}
        error = {"code": self.code, "message": str(self), "innerError": about}
        return web.json_response({"error": error}, status=self.status)


class Graph:
    """A `interfaces.Service` for `HOST`.

    Args:
        directory: the tenant's directory.
        tenant: the tenant's id.
        identify: returns the principal of a token for Graph, or None.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        tenant: str,
        identify: Callable[[str], Principal | None],
    ) -> None:
        self._directory = directory
        self._tenant = tenant
        self._identify = identify

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except GraphError as error:
            return error.response()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        if self._identify(token) is None:
            text = "Access token is empty." if not token else "Invalid audience."
            raise GraphError(401, "InvalidAuthenticationToken", text)
        path = _BY_APP_ID.sub(self._by_app_id, request.path.removeprefix("/v1.0").strip("/"))
        kind, *rest = path.split("/")
        body = await _body(request) if request.method in {"POST", "PATCH"} else {}
        filter_ = request.query.get("$filter", "")
        match kind, rest:
            case "applications", []:
                return self._applications(request.method, body, filter_)
            case "applications", [key, *inner]:
                return self._application(request.method, key, inner, body)
            case "servicePrincipals", []:
                return self._principals(request.method, body, filter_)
            case (("servicePrincipals" | "directoryObjects"), [key]) if request.method == "GET":
                return web.json_response(self._describe(self._principal(key)))
            case "servicePrincipals", [key] if request.method == "DELETE":
                del self._directory.principals[self._principal(key).object_id]
                return web.Response(status=204)
            case "directoryObjects", ["getByIds"]:
                principals = [
                    self._directory.principals.get(str(key)) for key in body.get("ids") or ()
                ]
                return _listed(self._describe(item) for item in principals if item)
            case "me", _:
                text = "/me request is only valid with delegated authentication flow."
                raise GraphError(400, "BadRequest", text)
        text = f"{request.method} {request.path} is not supported by the sandbox"
        raise GraphError(501, "NotSupportedBySandbox", text)

    def _by_app_id(self, match: re.Match[str]) -> str:
        if match[1] == "applications":
            return f"applications/{match[2]}"
        principal = self._directory.principal_of(match[2].lower())
        return f"servicePrincipals/{principal.object_id if principal else match[2]}"

    # -- applications --------------------------------------------------------------------------

    def _applications(self, method: str, body: Mapping[str, Any], filter_: str) -> web.Response:
        if method == "POST":
            name = str(body.get("displayName") or "")
            if not name:
                raise GraphError(400, "Request_BadRequest", "displayName is required.")
            application = self._directory.register(name)
            return web.json_response(_application(application), status=201)
        everything = [_application(item) for item in self._directory.applications.values()]
        return _listed(item for item in everything if _matches(item, filter_))

    def _application(
        self, method: str, key: str, inner: list[str], body: Mapping[str, Any]
    ) -> web.Response:
        application = self._directory.application(key)
        if application is None:
            raise _missing(key)
        match method, inner:
            case "GET", []:
                return web.json_response(_application(application))
            case "PATCH", []:
                application.name = str(body.get("displayName") or application.name)
                return web.Response(status=204)
            case "DELETE", []:
                del self._directory.applications[application.client_id]
                principal = self._directory.principal_of(application.client_id)
                if principal:
                    del self._directory.principals[principal.object_id]
                return web.Response(status=204)
            case "POST", ["addPassword"]:
                secret = self._directory.add_secret(application)
                about = {"keyId": str(uuid.uuid4()), "displayName": "", "hint": secret[:3]}
                return web.json_response({**about, "secretText": secret})
            case _, ["federatedIdentityCredentials", *rest]:
                return _federated(method, application, rest, body)
        raise GraphError(501, "NotSupportedBySandbox", f"{method} {'/'.join(inner)}")

    # -- service principals --------------------------------------------------------------------

    def _principals(self, method: str, body: Mapping[str, Any], filter_: str) -> web.Response:
        if method == "POST":
            client_id = str(body.get("appId") or "").lower()
            application = self._directory.applications.get(client_id)
            if application is None:
                text = f"The appId '{client_id}' of the service principal does not exist."
                raise GraphError(400, "Request_BadRequest", text)
            if self._directory.principal_of(client_id):
                raise GraphError(
                    409,
                    "Request_MultipleObjectsWithSameKeyValue",
                    "The service principal cannot be created, updated, or restored because the "
                    f"service principal name {client_id} is already in use.",
                )
            principal = self._directory.add_principal(application.name, client_id)
            return web.json_response(self._describe(principal), status=201)
        everything = [self._describe(item) for item in self._directory.principals.values()]
        return _listed(item for item in everything if _matches(item, filter_))

    def _principal(self, key: str) -> ServicePrincipal:
        principal = self._directory.principals.get(key.lower())
        if principal is None:
            raise _missing(key)
        return principal

    def _describe(self, principal: ServicePrincipal) -> dict[str, Any]:
        return {
            "@odata.type": "#microsoft.graph.servicePrincipal",
            "id": principal.object_id,
            "appId": principal.client_id,
            "displayName": principal.name,
            "appDisplayName": principal.name,
            "appOwnerOrganizationId": self._tenant,
            "accountEnabled": True,
            "servicePrincipalNames": [principal.client_id],
            "servicePrincipalType": principal.kind,
        }


def _federated(
    method: str, application: Application, rest: list[str], body: Mapping[str, Any]
) -> web.Response:
    held = application.federated
    if method == "GET" and not rest:
        return _listed(_credential(item) for item in held.values())
    if method == "POST" and not rest:
        new = _new_credential(application, body)
        held[new.id] = new
        return web.json_response(_credential(new), status=201)
    credential = next((item for item in held.values() if rest[0] in {item.id, item.name}), None)
    if credential is None:
        raise _missing(rest[0])
    if method == "DELETE":
        del held[credential.id]
        return web.Response(status=204)
    if method == "PATCH":
        credential.subject = str(body.get("subject") or credential.subject)
        credential.issuer = str(body.get("issuer") or credential.issuer)
        credential.audiences = list(body.get("audiences") or credential.audiences)
        return web.Response(status=204)
    return web.json_response(_credential(credential))


def _new_credential(application: Application, body: Mapping[str, Any]) -> FederatedCredential:
    for key in ("name", "issuer", "subject"):
        if not body.get(key):
            text = f"Property {key} of a federated identity credential is required."
            raise GraphError(400, "Request_BadRequest", text)
    audiences = list(body.get("audiences") or ())
    if len(audiences) != 1:
        text = "A federated identity credential has exactly one audience."
        raise GraphError(400, "Request_BadRequest", text)
    held = application.federated.values()
    name, issuer, subject = (str(body[key]) for key in ("name", "issuer", "subject"))
    if any(item.name == name for item in held):
        text = f"FederatedIdentityCredential with name {name} already exists."
        raise GraphError(409, "Request_MultipleObjectsWithSameKeyValue", text)
    if any(item.accepts(issuer, subject) for item in held):
        text = f"FederatedIdentityCredential with issuer {issuer} and subject {subject} exists."
        raise GraphError(409, "Request_MultipleObjectsWithSameKeyValue", text)
    if len(application.federated) >= _MOST_CREDENTIALS:
        text = f"An application has at most {_MOST_CREDENTIALS} federated identity credentials."
        raise GraphError(400, "Request_BadRequest", text)
    description = str(body.get("description") or "")
    return FederatedCredential(name, issuer, subject, audiences, description)


def _application(item: Application) -> dict[str, Any]:
    return {
        "@odata.context": f"{_ROOT}/$metadata#applications/$entity",
        "id": item.object_id,
        "appId": item.client_id,
        "displayName": item.name,
        "createdDateTime": item.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "signInAudience": "AzureADMyOrg",
        "identifierUris": [],
        "passwordCredentials": [],
        "keyCredentials": [],
        "requiredResourceAccess": [],
    }


def _credential(item: FederatedCredential) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "issuer": item.issuer,
        "subject": item.subject,
        "audiences": item.audiences,
        "description": item.description or None,
    }


def _matches(item: Mapping[str, Any], filter_: str) -> bool:
    """Apply the few filters that `az` sends."""
    if starts := _STARTS.fullmatch(filter_):
        return str(item.get(starts[1], "")).lower().startswith(starts[2].lower())
    if equals := _EQUALS.fullmatch(filter_):
        value = item.get(equals[1])
        held = value if isinstance(value, list) else [value]
        return equals[2].lower() in {str(entry).lower() for entry in held}
    if filter_:
        text = f"the filter {filter_} is not supported by the sandbox"
        raise GraphError(501, "NotSupportedBySandbox", text)
    return True


def _missing(key: str) -> GraphError:
    text = (
        f"Resource '{key}' does not exist or one of its queried reference-property objects are not "
        "present."
    )
    return GraphError(404, "Request_ResourceNotFound", text)


async def _body(request: web.BaseRequest) -> Mapping[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.") from None
    if not isinstance(body, dict):
        raise GraphError(400, "BadRequest", "The request payload is not an object.")
    return body


def _listed(items: Iterable[Mapping[str, Any]]) -> web.Response:
    return web.json_response({"value": list(items)})
