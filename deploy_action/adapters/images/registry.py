"""The container registry: who we are to it, and which digest a tag means.

Azure Container Registry takes an Entra token at /oauth2/exchange for a refresh token, and that at
/oauth2/token for an access token. Manifests follow the OCI
distribution specification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from deploy_action.errors import DeployError, InputError, PreflightError
from deploy_action.runtime.http import HttpClient, RequestError, Response

DOCKER_USER = "00000000-0000-0000-0000-000000000000"
_ACR = ".azurecr.io"
_TIMEOUT_S = 30.0
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_REFERENCE = re.compile(
    r"(?P<host>[a-z0-9.-]+(?::\d+)?)/(?P<repository>[a-z0-9][a-z0-9._/-]*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image's full name."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``host/repository:tag`` or ``host/repository@sha256:…``.

        Raises:
            InputError: it is neither.
        """
        found = _REFERENCE.fullmatch(text)
        if not found or "." not in found["host"]:
            raise InputError(
                f"Input image: '{text}' must be a full name such as "
                "contoso.azurecr.io/api:1.2 or contoso.azurecr.io/api@sha256:…",
                hint="Put the registry's host in front of the image's name.",
            )
        parts = found.groupdict()
        return cls(
            host=parts["host"],
            repository=parts["repository"],
            tag=parts["tag"] or ("" if parts["digest"] else "latest"),
            digest=parts["digest"] or "",
        )

    def at(self, digest: str) -> str:
        """Return the name by digest, as it is deployed."""
        return f"{self.host}/{self.repository}@{digest}"


def host_of(registry: str) -> str:
    """Return the registry's host for a name such as ``contoso``; a host stays as it is."""
    return registry if "." in registry else f"{registry}{_ACR}"


class Registry:
    """One registry host.

    Args:
        host: such as ``contoso.azurecr.io``.
        entra_token: returns a fresh Entra token for registries.
        on_secret: called with every token of the registry before it is used.
    """

    def __init__(
        self,
        host: str,
        *,
        http: HttpClient,
        entra_token: Callable[[], str],
        on_secret: Callable[[str], None],
    ) -> None:
        self.host = host
        self._http = http
        self._entra_token = entra_token
        self._on_secret = on_secret
        self._refresh_token = ""

    def refresh_token(self) -> str:
        """Exchange an Entra token, once; the result is the password of `DOCKER_USER`.

        It lasts three hours, longer than a build may take.

        Raises:
            PreflightError: the registry does not answer, or does not let this identity in.
        """
        if not self._refresh_token:
            form = {
                "grant_type": "access_token",
                "service": self.host,
                "access_token": self._entra_token(),
            }
            response = self._post("/oauth2/exchange", form)
            self._refresh_token = self._secret(response, "refresh_token")
        return self._refresh_token

    def digest(self, reference: Reference) -> str | None:
        """Return ``sha256:…`` of what the reference means now, or None if it is not there.

        Raises:
            PreflightError: the registry does not let this identity read.
            DeployError: it answered something else.
        """
        wanted = reference.digest or reference.tag
        response = self._get(
            f"/v2/{reference.repository}/manifests/{wanted}",
            {"Accept": _MANIFESTS, **self._bearer(reference.repository)},
        )
        if response.status == 404:
            return None
        if response.status in {401, 403}:
            raise self._not_let_in("read", reference.repository)
        digest = response.headers.get("docker-content-digest", "")
        if response.status != 200 or not digest.startswith("sha256:"):
            raise DeployError(
                f"Registry {self.host} answered {response.status} without a digest for "
                f"{reference.repository}:{wanted}."
            )
        return digest

    def _bearer(self, repository: str) -> dict[str, str]:
        if not self.host.endswith(_ACR):
            return self._anonymous(repository)
        form = {
            "grant_type": "refresh_token",
            "service": self.host,
            "scope": f"repository:{repository}:pull",
            "refresh_token": self.refresh_token(),
        }
        token = self._secret(self._post("/oauth2/token", form), "access_token")
        return {"Authorization": f"Bearer {token}"}

    def _anonymous(self, repository: str) -> dict[str, str]:
        """Get a public registry's token as its challenge says; no token if it wants none."""
        challenge = self._get("/v2/", {}).headers.get("www-authenticate", "")
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if not parts.get("realm", "").startswith("https://"):
            return {}
        query = f"service={parts.get('service', '')}&scope=repository:{repository}:pull"
        try:
            response = self._http.get(f"{parts['realm']}?{query}", timeout_s=_TIMEOUT_S)
            said = json.loads(response.text)
        except (RequestError, ValueError):
            return {}
        token = said.get("token") or said.get("access_token") or ""
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _secret(self, response: Response, name: str) -> str:
        if response.status != 200:
            raise self._not_let_in("sign in to", "")
        try:
            value = str(json.loads(response.text)[name])
        except (ValueError, KeyError, TypeError):
            raise DeployError(f"Registry {self.host} gave no {name}.") from None
        self._on_secret(value)
        return value

    def _not_let_in(self, what: str, repository: str) -> PreflightError:
        return PreflightError(
            f"This identity may not {what} {self.host}{repository and '/' + repository}.",
            hint="Give it AcrPush on the registry, or Container Registry Repository Writer where "
            "the registry uses attribute-based permissions.",
        )

    def _post(self, path: str, form: dict[str, str]) -> Response:
        try:
            return self._http.post(f"https://{self.host}{path}", timeout_s=_TIMEOUT_S, data=form)
        except RequestError as error:
            raise self._silent(error) from None

    def _get(self, path: str, headers: dict[str, str]) -> Response:
        try:
            return self._http.get(
                f"https://{self.host}{path}", timeout_s=_TIMEOUT_S, headers=headers
            )
        except RequestError as error:
            raise self._silent(error) from None

    def _silent(self, error: RequestError) -> PreflightError:
        return PreflightError(
            f"Registry {self.host} could not be reached: {error}.",
            hint="Check the input registry (or image).",
        )
