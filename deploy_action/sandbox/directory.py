"""The tenant's directory: application registrations, service principals, federated credentials."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime


def new_id() -> str:
    """Return a new identifier."""
    return str(uuid.uuid4())


@dataclass(slots=True)
class FederatedCredential:
    """A federated credential: the tokens that an application accepts in place of a secret."""

    name: str
    issuer: str
    subject: str
    audiences: list[str]
    description: str = ""
    id: str = field(default_factory=new_id)

    def accepts(self, issuer: str, subject: str) -> bool:
        """Whether a token of *issuer* for *subject* matches; the comparison is case-sensitive."""
        return (self.issuer, self.subject) == (issuer, subject)


@dataclass(slots=True)
class Application:
    """One application registration."""

    name: str
    client_id: str = field(default_factory=new_id)
    object_id: str = field(default_factory=new_id)
    secrets: list[str] = field(default_factory=list)
    federated: dict[str, FederatedCredential] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(slots=True)
class ServicePrincipal:
    """The tenant's principal for an application or managed identity; roles are assigned to it."""

    name: str
    client_id: str
    kind: str = "Application"
    object_id: str = field(default_factory=new_id)


class Directory:
    """The applications and service principals of the tenant."""

    def __init__(self) -> None:
        self.applications: dict[str, Application] = {}
        self.principals: dict[str, ServicePrincipal] = {}

    def register(self, name: str) -> Application:
        """Create an application; it needs a service principal before it can sign in."""
        application = Application(name)
        self.applications[application.client_id] = application
        return application

    def add_secret(self, application: Application) -> str:
        """Give an application a new client secret and return it."""
        secret = secrets.token_urlsafe(30)
        application.secrets.append(secret)
        return secret

    def add_principal(
        self, name: str, client_id: str, kind: str = "Application"
    ) -> ServicePrincipal:
        """Create a service principal."""
        principal = ServicePrincipal(name, client_id, kind)
        self.principals[principal.object_id] = principal
        return principal

    def principal_of(self, client_id: str) -> ServicePrincipal | None:
        """Return the service principal of a client id, or None."""
        matches = (item for item in self.principals.values() if item.client_id == client_id)
        return next(matches, None)

    def application(self, key: str) -> Application | None:
        """Return an application by client id or object id, or None."""
        for item in self.applications.values():
            if key.lower() in {item.client_id, item.object_id}:
                return item
        return None
