"""Identities of a sandbox with chosen roles, and requests that they send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

ARM = "https://management.azure.com"
API_VERSION = "2025-07-01"
GROUP = "TheWell-Infra-East"
REGISTRY = "wellintakeregistry"


def admin(azure: Mapping[str, str], method: str, path: str, body: Any = None) -> Any:
    """Send a request to the sandbox's own address."""
    url = f"{azure['SANDBOX_URL']}{path}"
    response = requests.request(method, url, json=body, timeout=30, proxies={"http": ""})
    assert response.ok, response.text
    return response.json()


@dataclass(slots=True)
class Identity:
    """One application of the tenant, signed in with its secret."""

    azure: Mapping[str, str]
    client_id: str
    secret: str
    object_id: str
    session: requests.Session = field(init=False)

    @classmethod
    def create(cls, azure: Mapping[str, str], roles: Sequence[Mapping[str, Any]]) -> Identity:
        """Create an identity that has exactly *roles*."""
        made = admin(azure, "POST", "/identities", {"name": "limited", "roles": roles})
        return cls(azure, made["client_id"], made["secret"], made["object_id"])

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"https": self.azure["HTTPS_PROXY"]}
        self.session.verify = self.azure["REQUESTS_CA_BUNDLE"]

    @property
    def subscription(self) -> str:
        """The subscription's resource ID."""
        return f"/subscriptions/{self.azure['AZURE_SUBSCRIPTION_ID']}"

    @property
    def group(self) -> str:
        """The resource ID of the first group."""
        return f"{self.subscription}/resourceGroups/{GROUP}"

    def token(self, resource: str = ARM) -> str:
        """Return a token for *resource*."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.secret,
            "scope": f"{resource}/.default",
        }
        url = f"https://login.microsoftonline.com/{self.azure['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        response = self.session.post(url, data=form, timeout=30)
        assert response.ok, response.text
        return str(response.json()["access_token"])

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        """Send a request to Resource Manager."""
        return self.session.request(
            method,
            f"{ARM}{path}",
            params={"api-version": API_VERSION, **query},
            json=body,
            headers={"Authorization": f"Bearer {self.token()}"},
            timeout=30,
        )

    def error(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        """Send a request that must fail; return status, code and message."""
        response = self.ask(method, path, body)
        assert not response.ok, response.text
        error = response.json()["error"]
        return response.status_code, error["code"], error["message"]
