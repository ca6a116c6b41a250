"""The container app in Azure: Microsoft.App/containerApps through azure-mgmt-appcontainers.

Reads: GET app, GET revisions. Writes: narrow PATCHes (template, traffic or tags, never the whole
resource), POST activate and deactivate. No write is sent again blindly: the SDK's own retry is off
for them, and after any doubt the app is read before anything else happens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.mgmt.appcontainers import ContainerAppsAPIClient

from deploy_action.core.app import (
    App,
    Container,
    containers_from_azure,
    revision_from_azure,
)
from deploy_action.core.revision import Revision
from deploy_action.core.split import Split
from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime.waiting import Deadline, growing, pause, until

# Statuses after which the same write may be tried again once the app was read.
_PASSING = {409, 412, 429, 500, 502, 503, 504}
_MOST_RETRY_AFTER_S = 30.0


class AzureRefused(DeployError):  # noqa: N818  it is what happened
    """Azure refused a change, or reported that it failed; the message quotes Azure."""


class ContainerApp:
    """One app.

    Args:
        credential: what the SDK takes.
        subscription: id of the subscription.
        resource_group: name of its group.
        name: the app's name.
        operation_timeout_s: how long Azure may take for one change.
    """

    def __init__(
        self,
        credential: Any,
        *,
        subscription: str,
        resource_group: str,
        name: str,
        operation_timeout_s: float,
    ) -> None:
        self.name = name
        self.resource_group = resource_group
        self.operation_timeout_s = operation_timeout_s
        self._client = ContainerAppsAPIClient(
            credential, subscription, logging_enable=False, retry_total=4, retry_backoff_factor=0.4
        )
        self._apps = self._client.container_apps
        self._revisions = self._client.container_apps_revisions

    # -- reads ---------------------------------------------------------------------------------

    def read(self) -> App:
        """Return the app as it is now.

        Raises:
            PreflightError: it does not exist, or this identity may not see it.
        """
        with self._told():
            return App.from_azure(self._apps.get(self.resource_group, self.name).as_dict())

    def revisions(self) -> tuple[Revision, ...]:
        """Return all revisions, inactive ones too, oldest first."""
        with self._told():
            listed = self._revisions.list_revisions(self.resource_group, self.name)
            found = [revision_from_azure(item.as_dict()) for item in listed]
        return tuple(sorted(found, key=lambda revision: revision.created))

    def revision(self, name: str) -> Revision | None:
        """Return one revision as it is now, or None if there is none of that name."""
        try:
            with self._told():
                found = self._revisions.get_revision(self.resource_group, self.name, name)
        except PreflightError:
            return None
        return revision_from_azure(found.as_dict())

    def containers(self, revision: str) -> tuple[Container, ...]:
        """Return the containers of a revision's replicas as they are now."""
        replicas = self._client.container_apps_revision_replicas
        with self._told():
            listed = replicas.list_replicas(self.resource_group, self.name, revision)
            return containers_from_azure(item.as_dict() for item in listed.value or ())

    # -- writes --------------------------------------------------------------------------------

    def write_split(
        self, split: Split, tags: Mapping[str, str | None], *, deadline: Deadline | None = None
    ) -> App:
        """Write the whole traffic array, with tags in the same request, and read it back.

        Raises:
            AzureRefused: Azure refused, or something else stands there in the end.
            TimedOut: Azure did not finish in time.
        """
        body = {
            "properties": {"configuration": {"ingress": {"traffic": split.as_azure()}}},
            "tags": dict(tags),
        }

        def holds(app: App) -> bool:
            return app.split.same_as(split) and _has(app, tags)

        return self._write(body, f"the split {split}", holds, deadline)

    def write_template(
        self, template: Mapping[str, Any], revision: str, tags: Mapping[str, str | None]
    ) -> App:
        """Create *revision* from *template* (its suffix is set in it), with tags.

        The write holds once the app names the new revision as its latest.
        """
        body = {"properties": {"template": dict(template)}, "tags": dict(tags)}

        def holds(app: App) -> bool:
            return app.latest == revision and _has(app, tags)

        return self._write(body, f"the revision {revision}", holds, None)

    def write_tags(self, tags: Mapping[str, str | None]) -> None:
        """Merge tags and do not wait for the operation; None removes one."""
        with self._told():
            self._patch({"tags": dict(tags)})

    def activate(self, name: str) -> None:
        """Activate a revision; it is ready only later."""
        with self._told():
            self._revisions.activate_revision(self.resource_group, self.name, name)

    def deactivate(self, name: str) -> None:
        """Deactivate a revision; that nothing depends on it is the caller's to know."""
        with self._told():
            self._revisions.deactivate_revision(self.resource_group, self.name, name)

    # -- how a write goes ----------------------------------------------------------------------

    def _write(
        self,
        body: Mapping[str, Any],
        what: str,
        holds: Callable[[App], bool],
        deadline: Deadline | None,
    ) -> App:
        deadline = deadline or Deadline(self.operation_timeout_s)
        for length in growing(0.3, 5.0):
            refused: AzureError | None = None
            status_url, wait_s = "", 0.0
            try:
                status_url = self._patch(body)
            except ClientAuthenticationError:
                raise
            except HttpResponseError as error:
                if error.status_code not in _PASSING:
                    raise _refused(what, error) from None
                refused, wait_s = error, _retry_after(error)
            except AzureError as error:
                refused = error  # no answer: it may have been accepted, so look
            app = self._settled(deadline)
            if holds(app):
                return app
            if refused is None:
                return self._confirmed(what, holds, status_url, deadline)
            if deadline.passed:
                raise _refused(what, refused) from None
            pause(min(max(length, wait_s), deadline.remaining))
        raise AssertionError("pauses never run out")

    def _patch(self, body: Mapping[str, Any]) -> str:
        """Send one PATCH, never twice, and return the address of its status (may be empty)."""
        seen: list[str] = []

        def keep(response: Any) -> None:
            headers = response.http_response.headers
            seen.append(headers.get("Azure-AsyncOperation") or headers.get("Location") or "")

        self._apps.begin_update(
            self.resource_group,
            self.name,
            BytesIO(json.dumps(body).encode()),
            polling=False,
            retry_total=0,
            raw_response_hook=keep,
        )
        return seen[-1] if seen else ""

    def _settled(self, deadline: Deadline) -> App:
        """Wait until no operation runs; the app's own state has no floor of 15 s to pay."""

        def look() -> tuple[App | None, str]:
            app = self.read()
            return (None if app.busy else app), f"the app is {app.state}"

        return until(look, what="Azure to finish a change", deadline=deadline)

    def _confirmed(
        self, what: str, holds: Callable[[App], bool], status_url: str, deadline: Deadline
    ) -> App:
        """Read back a write that Azure accepted; reads may lag a little behind."""
        lag = Deadline(min(deadline.remaining, 15.0))

        def look() -> tuple[App | None, str]:
            app = self._settled(deadline)
            if holds(app):
                return app, "as written"
            if failure := self._failure(status_url):
                raise AzureRefused(f"Azure accepted {what} and then failed: {failure}")
            return None, f"the app is {app.state}, its split {app.split}"

        try:
            return until(look, what=f"{what} to show", deadline=lag)
        except DeployError as error:
            if isinstance(error, AzureRefused):
                raise
            raise AzureRefused(
                f"Azure reported success, but {what} is not there: {error.message}",
                hint="Somebody else may have changed the app at the same moment.",
            ) from None

    def _failure(self, status_url: str) -> str:
        """Return the error text of an operation, or an empty text; never follow a foreign host."""
        if not status_url.startswith("https://management.azure.com/"):
            return ""
        try:
            response = self._client.send_request(HttpRequest("GET", status_url))
            status = response.json() if response.status_code == 200 else {}
        except (AzureError, ValueError):
            return ""
        if str(status.get("status", "")).lower() not in {"failed", "canceled"}:
            return ""
        error = status.get("error") or {}
        return str(error.get("message") or status["status"])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the SDK's exceptions into sentences."""
        try:
            yield
        except ResourceNotFoundError as error:
            raise PreflightError(
                f"Azure does not find app '{self.name}' in resource group "
                f"'{self.resource_group}': {_text(error)}",
                hint="Check the inputs app, resource-group and subscription-id.",
            ) from None
        except ClientAuthenticationError as error:
            raise PreflightError(
                f"Azure refused the sign-in: {_text(error)}",
                hint="Check client-id, tenant-id and the federated credential's subject.",
            ) from None
        except HttpResponseError as error:
            if error.status_code == 403:
                raise PreflightError(
                    f"This identity may not do that: {_text(error)}",
                    hint="Give it the role Container Apps Contributor on the app.",
                ) from None
            raise _refused(f"app '{self.name}'", error) from None
        except AzureError as error:
            raise AzureRefused(f"Azure could not be reached: {type(error).__name__}.") from None


def _has(app: App, tags: Mapping[str, str | None]) -> bool:
    return all((app.tags.get(name) or None) == (value or None) for name, value in tags.items())


def _refused(what: str, error: Exception) -> AzureRefused:
    return AzureRefused(f"Azure refused {what}: {_text(error)}")


def _text(error: Exception) -> str:
    """Return Azure's own words without the SDK's decoration."""
    inner = getattr(error, "error", None)
    if inner is not None and getattr(inner, "message", None):
        return f"{inner.code}: {inner.message}"
    message = getattr(error, "message", "") or type(error).__name__
    return str(message).splitlines()[0]


def _retry_after(error: HttpResponseError) -> float:
    headers = getattr(error.response, "headers", {})
    try:
        return min(float(headers.get("Retry-After") or 0), _MOST_RETRY_AFTER_S)
    except ValueError:
        return 0.0
