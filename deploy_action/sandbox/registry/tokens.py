"""The registry's token exchange and permissions.

Source: "Azure Container Registry AAD integration" (AAD-OAuth.md of the acr repository) and the
Docker registry token specification. An Entra token becomes a refresh token of the registry, that
becomes an access token for scopes. Docker sends the refresh token as the password of a null user.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy_action.sandbox.registry.errors import token_refused, unauthorized

ADMIN: Final = "sandbox"
NULL_USER: Final = "00000000-0000-0000-0000-000000000000"
REFRESH_LIFETIME_S: Final = 3 * 3600  # the documented life of a refresh token
ACCESS_LIFETIME_S: Final = 75 * 60  # that of an access token, as seen in the claims


@dataclass(frozen=True, slots=True)
class Scope:
    """A resource and the requested actions, such as ``repository:api:pull,push``."""

    kind: str
    name: str
    actions: frozenset[str]

    def __str__(self) -> str:
        """Return the wire form."""
        return f"{self.kind}:{self.name}:{','.join(sorted(self.actions))}"

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read the wire form; the name may itself contain colons.

        Raises:
            Refusal: it has not three parts.
        """
        kind, first, rest = text.partition(":")
        name, last, actions = rest.rpartition(":")
        if not (first and last and kind and name):
            raise token_refused(f"invalid scope '{text}'", status=400)
        return cls(kind, name, frozenset(filter(None, actions.split(","))))


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to a token endpoint: the form or the query, and basic credentials."""

    fields: dict[str, list[str]]
    basic: tuple[str, str] | None = None

    def one(self, name: str) -> str:
        """Return the first value of *name*, or an empty text."""
        return self.fields.get(name, [""])[0]


class Gate:
    """The authorisation of one registry host.

    Args:
        host: its name, also the ``service`` that tokens are for.
        check_token: whether an Entra token is valid for registries.
        now: seconds since the epoch.
        owner: returns the object id of an Entra token.
        allows: whether an object id may perform an action on this host; everything without it.
    """

    def __init__(
        self,
        host: str,
        check_token: Callable[[str], bool],
        now: Callable[[], float] = time.time,
        *,
        owner: Callable[[str], str] = lambda _: "",
        allows: Callable[[str, str, str], bool] = lambda *_: True,
    ) -> None:
        self.host = host
        self._check_token = check_token
        self._now = now
        self._owner = owner
        self._allows = allows
        self._key = secrets.token_bytes(32)
        self.admin = (host.partition(".")[0], secrets.token_urlsafe(36))

    def exchange(self, sent: Sent) -> dict[str, str]:
        """POST /oauth2/exchange: an Entra token for a refresh token; ``tenant`` is optional.

        Raises:
            Refusal: 400 for a malformed form, 401 for an invalid token.
        """
        grant = sent.one("grant_type")
        if grant not in {"access_token", "access_token_refresh_token"}:
            raise token_refused(f"unsupported grant_type '{grant}'", status=400)
        self._check_service(sent)
        if not self._check_token(sent.one("access_token")):
            raise token_refused("Invalid token: the access token is expired or not for registries.")
        owner = self._owner(sent.one("access_token"))
        if not any(self._may(owner, action) for action in ("pull", "push")):
            raise token_refused("authentication required, visit https://aka.ms/acr/authorization")
        return {"refresh_token": self.refresh_token(owner)}

    def token(self, sent: Sent) -> dict[str, str]:
        """GET or POST /oauth2/token: a refresh token for an access token.

        Raises:
            Refusal: as `exchange`.
        """
        self._check_service(sent)
        offered = self._offered(sent)
        claims = self._claims(offered, "refresh_token")
        if claims is None:
            raise unauthorized(self.challenge())
        scopes = " ".join(sent.fields.get("scope", [])).split()
        granted = [self._granted(claims["sub"], Scope.parse(scope)) for scope in scopes]
        return {"access_token": self.access_token(granted)}

    def _granted(self, owner: str, scope: Scope) -> Scope:
        """Return what of a scope its owner may do; the token is issued all the same."""
        actions = frozenset(action for action in scope.actions if self._may(owner, action))
        return Scope(scope.kind, scope.name, actions)

    def _may(self, owner: str, action: str) -> bool:
        """Whether an identity may do something; the registry's admin user may do everything."""
        return owner in {"", ADMIN} or self._allows(owner, self.host, action)

    def allow(self, authorization: str, scope: Scope | None) -> None:
        """Authorise a request of the distribution API.

        Args:
            authorization: the header, or an empty text.
            scope: what the request needs; None for the bare ``/v2/``.

        Raises:
            Refusal: 401 with a challenge that names the required scope.
        """
        scheme, _, token = authorization.partition(" ")
        claims = self._claims(token.strip(), "access_token") if scheme.lower() == "bearer" else None
        if claims is None:
            raise unauthorized(self.challenge(scope, "invalid_token" if authorization else ""))
        if scope and not any(_covers(held, scope) for held in claims["access"]):
            raise unauthorized(self.challenge(scope, "insufficient_scope"))

    def challenge(self, scope: Scope | None = None, error: str = "") -> str:
        """Return the WWW-Authenticate value."""
        parts = [f'realm="https://{self.host}/oauth2/token"', f'service="{self.host}"']
        if scope:
            parts.append(f'scope="{scope}"')
        if error:
            parts.append(f'error="{error}"')
        return f"Bearer {','.join(parts)}"

    def refresh_token(self, owner: str = "") -> str:
        """Return a fresh refresh token of an identity, or of the admin user."""
        return self._sign("refresh_token", REFRESH_LIFETIME_S, [], owner or ADMIN)

    def access_token(self, scopes: Sequence[Scope]) -> str:
        """Return a fresh access token for *scopes*."""
        return self._sign("access_token", ACCESS_LIFETIME_S, scopes)

    def _offered(self, sent: Sent) -> str:
        if sent.basic:
            return self._password(*sent.basic)
        if sent.one("grant_type") == "password":
            return self._password(sent.one("username"), sent.one("password"))
        return sent.one("refresh_token")

    def _password(self, user: str, password: str) -> str:
        """Return the refresh token for a user and a password, or an empty text."""
        if user == NULL_USER:
            return password
        name, secret = self.admin
        known = hmac.compare_digest(user.encode(), name.encode())
        good = hmac.compare_digest(password.encode(), secret.encode())
        return self.refresh_token() if known and good else ""

    def _check_service(self, sent: Sent) -> None:
        service = sent.one("service")
        if service.lower() != self.host:
            raise token_refused(f"service '{service}' is not this registry", status=400)

    def _sign(
        self, grant: str, lifetime_s: int, scopes: Sequence[Scope], owner: str = ADMIN
    ) -> str:
        now = int(self._now())
        claims = {
            "jti": secrets.token_hex(16),
            "sub": owner,
            "iat": now,
            "nbf": now - 900,
            "exp": now + lifetime_s,
            "iss": "Azure Container Registry",
            "aud": self.host,
            "version": "1.0",
            "grant_type": grant,
            "access": [
                {"type": scope.kind, "name": scope.name, "actions": sorted(scope.actions)}
                for scope in scopes
            ],
        }
        head = {"alg": "HS256", "typ": "JWT"}
        signed = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self._mac(signed))}"

    def _claims(self, token: str, grant: str) -> dict[str, Any] | None:
        """Return the claims of a valid token of ours, else None."""
        signed, _, mac = token.rpartition(".")
        try:
            good = hmac.compare_digest(_decode(mac), self._mac(signed))
            claims = json.loads(_decode(signed.partition(".")[2])) if good else {}
        except (ValueError, binascii.Error):
            return None
        if claims.get("grant_type") != grant or claims.get("exp", 0) <= self._now():
            return None
        return dict(claims)

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), hashlib.sha256)


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Read an ``Authorization: Basic`` header; None when it is another or malformed."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        return None
    return (user, password) if colon else None


def _covers(held: dict[str, Any], scope: Scope) -> bool:
    actions = set(held["actions"])
    same = held["type"] == scope.kind and held["name"] == scope.name
    return same and ("*" in actions or scope.actions <= actions)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
