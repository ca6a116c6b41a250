"""Container registries: sign-in, digests, platforms and tags.

Azure's registries exchange an Entra token for a registry token (Azure/acr, "Azure Container
Registry and Microsoft Entra ID"). All others use the login that the runner's Docker configuration
holds, or none. Requests follow the OCI distribution specification 1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin

from deploy_action.adapters.images.docker_config import Login
from deploy_action.adapters.images.reference import Reference
from deploy_action.errors import DeployError, InputError, PreflightError
from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential
from deploy_action.runtime.http import HttpClient, RequestError, Response

DOCKER_USER = "00000000-0000-0000-0000-000000000000"
ACR_DOMAIN = ".azurecr.io"
PLATFORM = "linux/amd64"
_TIMEOUT_S = 30.0
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    *_INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """The registry's data about an image.

    Args:
        digest: of the manifest, or of the index of several platforms.
        platforms: such as ``linux/amd64``; empty where the registry does not say.
        labels: of the image's configuration; empty for an index.
    """

    digest: str
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def host_of(registry: str) -> str:
    """Return the registry's host for a name such as ``contoso``; a host stays as it is."""
    return registry.lower() if "." in registry else f"{registry.lower()}{ACR_DOMAIN}"


class Registry:
    """One registry.

    Args:
        host: as in image names, such as ``contoso.azurecr.io`` or ``docker.io``.
        http: sends the requests.
        entra_token: returns a fresh Entra token for Azure's registries; not called for others.
        login: the login of the runner's Docker configuration for this host; None without one.
        on_secret: called with every token before it is used.
    """

    def __init__(
        self,
        host: str,
        *,
        http: HttpClient,
        entra_token: Callable[[], str],
        login: Login | None = None,
        on_secret: Callable[[str], None],
    ) -> None:
        self.host = host
        self._address = "https://registry-1.docker.io" if host == "docker.io" else f"https://{host}"
        self._http = http
        self._entra_token = entra_token
        self._login = login
        self._on_secret = on_secret
        self._refresh_token = ""

    @property
    def is_azure(self) -> bool:
        """Whether this is a registry of Azure, to which the Azure identity signs in."""
        return credential_hosts.is_allowed(Credential.REGISTRY, self._address)

    def push_login(self) -> Login:
        """Return user and password for a push.

        Raises:
            PreflightError: the registry refuses this identity, or there is no login.
        """
        if self.is_azure:
            return Login(user=DOCKER_USER, password=self.refresh_token())
        if self._login is None:
            raise PreflightError(
                f"No Docker login was found for registry {self.host}.",
                hint="Run docker/login-action for it before this step.",
            )
        return self._login

    def refresh_token(self) -> str:
        """Exchange an Entra token, once; the result is the password of `DOCKER_USER`.

        It lasts three hours, longer than a build may take.

        Raises:
            PreflightError: the registry does not respond, or refuses this identity.
        """
        if not self._refresh_token:
            url = f"{self._address}/oauth2/exchange"
            credential_hosts.require(Credential.REGISTRY, url)
            form = {
                "grant_type": "access_token",
                "service": self.host,
                "access_token": self._entra_token(),
            }
            response = self._send("POST", url, form=form)
            if response.status != 200:
                raise self._denied("sign in to", "")
            self._refresh_token = self._token(response, "refresh_token")
        return self._refresh_token

    def digest(self, reference: Reference) -> str | None:
        """Return the current digest of a reference, or None if it does not exist.

        Raises:
            PreflightError: the registry refuses this identity.
            DeployError: the registry returned another error.
        """
        response = self._manifest(reference)
        return self._digest_in(response, reference) if response else None

    def inspect(self, reference: Reference) -> ImageInfo | None:
        """Return digest, platforms and labels, or None if the image does not exist.

        Raises:
            PreflightError, DeployError: see `digest`.
        """
        response = self._manifest(reference)
        if response is None:
            return None
        digest = self._digest_in(response, reference)
        manifest = self._object(response)
        if response.headers.get("content-type", "").partition(";")[0] in _INDEXES or manifest.get(
            "manifests"
        ):
            entries = [item.get("platform") or {} for item in manifest.get("manifests") or []]
            return ImageInfo(digest=digest, platforms=tuple(_platform(item) for item in entries))
        config = self._blob(reference, str((manifest.get("config") or {}).get("digest") or ""))
        labels = (config.get("config") or {}).get("Labels") or {}
        return ImageInfo(
            digest=digest,
            platforms=(_platform(config),) if config.get("os") else (),
            labels={str(name): str(value) for name, value in labels.items()},
        )

    def check_push(self, repository: str) -> None:
        """Find out whether this identity may push, without pushing anything.

        Raises:
            PreflightError: it may not, or the registry does not answer.
        """
        url = f"{self._address}/v2/{repository}/blobs/uploads/"
        headers = self._access(repository, "pull,push")
        response = self._send("POST", url, headers=headers)
        if response.status != 202:
            raise self._denied("push to", repository)
        # The started upload is abandoned; registries remove it automatically.

    def tag(self, image: Reference, tag: str) -> None:
        """Point *tag* to the image, which is named by digest.

        Raises:
            DeployError: the registry did not accept it.
        """
        url = self._url(image.repository, "manifests", image.digest)
        headers = self._access(image.repository, "pull,push")
        response = self._send("GET", url, headers={"Accept": ", ".join(_MANIFESTS), **headers})
        if response.status == 200:
            kind = response.headers.get("content-type", "")
            response = self._send(
                "PUT",
                self._url(image.repository, "manifests", tag),
                headers={"Content-Type": kind, **headers},
                body=response.body,
            )
        if response.status != 201:
            raise DeployError(
                f"Registry {self.host} returned status {response.status} for tag "
                f"{image.repository}:{tag}."
            )

    def _manifest(self, reference: Reference) -> Response | None:
        url = self._url(reference.repository, "manifests", reference.digest or reference.tag)
        accept = {"Accept": ", ".join(_MANIFESTS)}
        headers = {**accept, **self._access(reference.repository, "pull")}
        response = self._send("GET", url, headers=headers)
        if response.status == 404:
            return None
        if response.status in {401, 403}:
            raise self._denied("read", reference.repository)
        return response

    def _digest_in(self, response: Response, reference: Reference) -> str:
        digest = response.headers.get("docker-content-digest", "") or reference.digest
        if response.status != 200 or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise DeployError(
                f"Registry {self.host} returned status {response.status} without a digest for "
                f"{reference.repository}:{reference.digest or reference.tag}."
            )
        if reference.digest and digest != reference.digest:
            raise DeployError(
                f"Registry {self.host} returned digest {digest} instead of {reference.digest}."
            )
        return digest

    def _blob(self, reference: Reference, digest: str) -> dict[str, Any]:
        """Return a JSON blob; many registries redirect to a storage that needs no login."""
        url = self._url(reference.repository, "blobs", digest)
        response = self._send("GET", url, headers=self._access(reference.repository, "pull"))
        location = response.headers.get("location", "")
        if response.status in {301, 302, 303, 307, 308} and location:
            target = urljoin(url, location)
            self._on_secret(target.partition("?")[2])
            response = self._send("GET", target)
        return self._object(response) if response.status == 200 else {}

    def _url(self, repository: str, kind: str, name: str) -> str:
        return f"{self._address}/v2/{repository}/{kind}/{quote(name, safe=':')}"

    def _access(self, repository: str, actions: str) -> dict[str, str]:
        """Return the header for *actions* on a repository; empty if the registry needs none."""
        scope = f"repository:{repository}:{actions}"
        if self.is_azure:
            url = f"{self._address}/oauth2/token"
            form = {
                "grant_type": "refresh_token",
                "service": self.host,
                "scope": scope,
                "refresh_token": self.refresh_token(),
            }
            response = self._send("POST", url, form=form)
            if response.status != 200:
                raise self._denied("sign in to", "")
            token = self._token(response, "access_token")
            return credential_hosts.own_bearer(token, url, issued_for=self._address)
        return self._challenged(scope)

    def _challenged(self, scope: str) -> dict[str, str]:
        """Sign in as the registry's challenge says, with the runner's login or anonymously."""
        challenge = self._send("GET", f"{self._address}/v2/").headers.get("www-authenticate", "")
        registry = self._address.removeprefix("https://")
        if challenge.lower().startswith("basic") and self._login:
            return credential_hosts.registry_login(
                self._login.user, self._login.password, f"{self._address}/v2/", registry=registry
            )
        parts = dict(_CHALLENGE.findall(challenge))
        realm = parts.get("realm", "")
        if not challenge.lower().startswith("bearer") or not realm.startswith("https://"):
            return {}
        headers: dict[str, str] = {}
        if self._login:
            headers = credential_hosts.registry_login(
                self._login.user, self._login.password, realm, registry=registry
            )
        query = f"service={quote(parts.get('service', ''))}&scope={quote(scope, safe=':,/')}"
        response = self._send("GET", f"{realm}?{query}", headers=headers)
        if response.status in {401, 403} and self._login:
            raise PreflightError(
                f"Registry {self.host} rejects the login of the runner's Docker configuration.",
                hint="Check docker/login-action before this step.",
            )
        answer = self._object(response) if response.status == 200 else {}
        token = str(answer.get("token") or answer.get("access_token") or "")
        if not token:
            return {}
        self._on_secret(token)
        return credential_hosts.own_bearer(token, f"{self._address}/v2/", issued_for=self._address)

    def _token(self, response: Response, name: str) -> str:
        value = str(self._object(response).get(name) or "")
        if not value:
            raise DeployError(f"Registry {self.host} returned no {name}.")
        self._on_secret(value)
        return value

    def _object(self, response: Response) -> dict[str, Any]:
        try:
            value = json.loads(response.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise DeployError(f"Registry {self.host} returned something that is not a JSON object.")
        return value

    def _denied(self, action: str, repository: str) -> PreflightError:
        name = f"{self.host}{repository and '/' + repository}"
        if self.is_azure:
            return PreflightError(
                f"This identity is not allowed to {action} {name}.",
                hint="Assign it AcrPush on the registry, or Container Registry Repository Writer "
                "where the registry uses attribute-based permissions.",
            )
        if self._login:
            return PreflightError(
                f"The runner's Docker login is not allowed to {action} {name}.",
                hint="Check the image's name and the login's permissions.",
            )
        return PreflightError(
            f"Registry {self.host} does not allow anonymous users to {action} {name}, and the "
            "runner has "
            "no login for it.",
            hint="Check the image's name, or run docker/login-action before this step.",
        )

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        try:
            if method == "GET":
                return self._http.get(url, timeout_s=_TIMEOUT_S, headers=headers)
            if method == "PUT":
                return self._http.put(url, timeout_s=_TIMEOUT_S, data=body, headers=headers or {})
            return self._http.post(url, timeout_s=_TIMEOUT_S, data=form or b"", headers=headers)
        except RequestError as error:
            raise PreflightError(
                f"Registry {self.host} could not be reached: {error}.",
                hint="Check the settings registry and image. A registry with a domain name label "
                "needs its complete login server, such as contoso-abc123.azurecr.io.",
            ) from None


def require_platform(info: ImageInfo, image: str) -> None:
    """Check that an image can run in Container Apps.

    Raises:
        InputError: it has no variant for linux/amd64.
    """
    if info.platforms and PLATFORM not in info.platforms:
        platforms = ", ".join(dict.fromkeys(info.platforms))
        raise InputError(
            f"Input image: '{image}' is built for {platforms}, but Container Apps runs {PLATFORM}.",
            hint=f"Build it with --platform {PLATFORM}.",
        )


def _platform(about: Mapping[str, Any]) -> str:
    return f"{about.get('os') or 'unknown'}/{about.get('architecture') or 'unknown'}"
