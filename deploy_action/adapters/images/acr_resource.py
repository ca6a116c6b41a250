"""Azure Resource Manager for registries: requests, and the search for a registry's resource.

API: Microsoft.ContainerRegistry 2023-07-01, ``registries``; subscriptions 2022-12-01.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential
from deploy_action.runtime.http import HttpClient, RequestError, Response
from deploy_action.runtime.polling import Deadline, backoff, pause

ARM = "https://management.azure.com"
API_VERSION = "2023-07-01"
_SUBSCRIPTIONS = "2022-12-01"
_TYPE = "/providers/Microsoft.ContainerRegistry/registries"
_CALL_S = 30.0
_SEARCH_S = 30.0
_MOST_PAGES = 20
_GROUP = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_RETRYABLE = {408, 429, 500, 502, 503, 504}


class AccessDeniedError(PreflightError):
    """Azure refused a request of this identity."""


class NotFoundError(PreflightError):
    """Azure does not find a resource."""


class ArmClient:
    """Sends requests to Azure Resource Manager.

    Args:
        token: returns an access token.
        renew: called when Azure rejects the token; the next token is a new one.
        http: sends the requests.
    """

    def __init__(
        self, token: Callable[[], str], *, renew: Callable[[], None], http: HttpClient
    ) -> None:
        self._token = token
        self._renew = renew
        self._http = http
        self._renewed = False

    def call(
        self,
        method: str,
        path: str,
        version: str,
        deadline: Deadline,
        body: Any = None,
        *,
        what: str,
    ) -> dict[str, Any]:
        """Send a request until it succeeds; a transient failure is retried until the deadline.

        Args:
            method: GET or POST.
            path: begins with ``/subscriptions``; or a complete URL, such as a next page's.
            version: the api-version.
            deadline: for all attempts together.
            body: sent as JSON.
            what: the registry, for messages.

        Raises:
            NotFoundError, AccessDeniedError: Azure returned 404 or 403.
            DeployError: it answered something else, or not in time.
        """
        url = f"{ARM}{path}?{urlencode({'api-version': version})}"
        url = path if path.startswith("https://") else url
        for length in backoff(0.3, 5.0):
            response, problem = self._attempt(method, url, deadline, body)
            if response is not None and response.status not in _RETRYABLE:
                return _result(response, what)
            if deadline.remaining <= length:
                raise DeployError(f"Azure did not respond for registry {what}: {problem}.")
            pause(length)
        raise AssertionError("backoff never ends")

    def _attempt(
        self, method: str, url: str, deadline: Deadline, body: Any
    ) -> tuple[Response | None, str]:
        timeout_s = max(0.1, min(_CALL_S, deadline.remaining))
        headers = credential_hosts.bearer(Credential.RESOURCE_MANAGER, self._token(), url)
        headers["Content-Type"] = "application/json"
        data = json.dumps(body).encode() if body is not None else b""
        try:
            if method == "GET":
                response = self._http.get(url, timeout_s=timeout_s, headers=headers)
            else:
                response = self._http.post(url, timeout_s=timeout_s, data=data, headers=headers)
        except RequestError as error:
            # A build that may have begun is not scheduled again.
            if method == "POST" and urlsplit(url).path.endswith("/scheduleRun"):
                raise DeployError(f"Azure did not confirm the build: {error}.") from None
            return None, str(error)
        if response.status == 401 and not self._renewed:
            self._renewed = True
            self._renew()
            return None, "it rejected the token"
        return response, f"status {response.status}"

    def pages(self, path: str, version: str, deadline: Deadline) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, over all its pages."""
        for _ in range(_MOST_PAGES):
            page = self.call("GET", path, version, deadline, what="list")
            yield from (item for item in page.get("value") or [] if isinstance(item, dict))
            path = str(page.get("nextLink") or "")
            if not path:
                return


def find_registry(arm: ArmClient, host: str, groups: tuple[str, ...], *, search: bool) -> str:
    """Return the resource ID of the registry with the login server *host*.

    Args:
        arm: sends the requests.
        host: the login server; with a domain name label it is more than the registry's name.
        groups: where to look first, each as ``/subscriptions/…/resourceGroups/…``.
        search: whether to look in the subscriptions that this identity may list, too.

    Raises:
        PreflightError: there is none that this identity may see.
    """
    deadline = Deadline(_SEARCH_S)
    registry, denied = _in_groups(arm, host, groups, deadline)
    if not registry and search:
        registry = _in_lists(arm, host, groups, deadline)
    if registry:
        return registry
    where = ", ".join(group.rpartition("/")[2] for group in groups)
    if denied:
        raise AccessDeniedError(
            f"This identity is not allowed to read registry {host} in resource group {where}.",
            hint="Assign it Container Registry Tasks Contributor on the registry.",
        )
    raise NotFoundError(
        f"Registry {host} was not found in resource group {where}"
        + (" or in any subscription that this identity can list." if search else "."),
        hint="Set registry-resource-group to its resource group, or to "
        "/subscriptions/ID/resourceGroups/NAME where it is in another subscription.",
    )


def _in_groups(
    arm: ArmClient, host: str, groups: tuple[str, ...], deadline: Deadline
) -> tuple[str, bool]:
    """Return the registry's id, or nothing; and whether reading was denied."""
    # A name has no dashes: what follows the first one is the domain name label's hash.
    name = host.partition(".")[0].partition("-")[0]
    denied = False
    for group in groups:
        try:
            item = arm.call("GET", f"{group}{_TYPE}/{name}", API_VERSION, deadline, what=host)
        except NotFoundError:
            continue
        except AccessDeniedError:
            denied = True
            continue
        if _login_server(item) == host:
            return str(item.get("id") or f"{group}{_TYPE}/{name}"), denied
    return "", denied


def _in_lists(arm: ArmClient, host: str, groups: tuple[str, ...], deadline: Deadline) -> str:
    for path in _subscriptions(arm, groups, deadline):
        try:
            for item in arm.pages(f"{path}{_TYPE}", API_VERSION, deadline):
                if _login_server(item) == host:
                    return str(item["id"])
        except (NotFoundError, AccessDeniedError):
            continue
    return ""


def group_path(subscription: str, group: str) -> str:
    """Return the path of a resource group that is written as its name or as its path."""
    text = group.rstrip("/")
    return (
        text if _GROUP.fullmatch(text) else f"/subscriptions/{subscription}/resourceGroups/{text}"
    )


def _subscriptions(arm: ArmClient, groups: tuple[str, ...], deadline: Deadline) -> Iterator[str]:
    """Yield the subscriptions to look in, those of *groups* first."""
    first = list(dict.fromkeys("/".join(group.split("/")[:3]) for group in groups))
    yield from first
    try:
        for item in arm.pages("/subscriptions", _SUBSCRIPTIONS, deadline):
            if (path := f"/subscriptions/{item.get('subscriptionId')}") not in first:
                yield path
    except DeployError:
        return


def _login_server(resource: dict[str, Any]) -> str:
    properties = resource.get("properties")
    return str(
        (properties if isinstance(properties, dict) else {}).get("loginServer") or ""
    ).lower()


def _result(response: Response, what: str) -> dict[str, Any]:
    if response.status == 404:
        raise NotFoundError(
            f"Registry {what} was not found.",
            hint="Check the settings registry and registry-resource-group.",
        )
    if response.status == 403:
        raise AccessDeniedError(
            f"This identity is not allowed to build in registry {what}.",
            hint="Assign it Container Registry Tasks Contributor on the registry.",
        )
    if response.status == 401:
        raise PreflightError(
            f"Azure rejected this identity's token for registry {what}.",
            hint="Sign in again.",
        )
    if not 200 <= response.status < 300:
        raise DeployError(
            f"Azure returned status {response.status} for registry {what}: {response.text[:300]}"
        )
    if not response.body:
        return {}
    try:
        return response.json_object()
    except RequestError as error:
        raise DeployError(
            f"Azure's response for registry {what} could not be parsed: {error}."
        ) from None
