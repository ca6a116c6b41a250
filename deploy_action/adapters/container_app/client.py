"""The container app in Azure: Microsoft.App/containerApps through azure-mgmt-appcontainers.

Reads: GET app, GET revisions. Writes: narrow PATCHes (template, traffic or tags, never the whole
resource), POST activate and deactivate. No write is sent again blindly: the SDK's own retry is off
for them, and after any doubt the app is read before anything else happens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.appcontainers import ContainerAppsAPIClient

from deploy_action.adapters.container_app.authentication import AuthenticationPolicy
from deploy_action.adapters.container_app.creation import Creation
from deploy_action.adapters.container_app.errors import (
    RETRYABLE_STATUSES,
    AzureRefusedError,
    not_signed_in,
    refused,
    retry_after,
    translate_errors,
)
from deploy_action.core.app import (
    App,
    Container,
    containers_from_azure,
    revision_from_azure,
)
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Split
from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime.polling import Deadline, PollTimeoutError, backoff, pause, poll_until

_LAG_S = 15.0  # how long a read may show what stood before a write that was confirmed

Guard = Callable[[App], None]
"""Looks at the app before a write is sent again, and raises if it must not be."""


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
            credential,
            subscription,
            authentication_policy=AuthenticationPolicy(credential),
            logging_enable=False,
            retry_total=4,
            retry_backoff_factor=0.4,
            connection_timeout=10,
            read_timeout=60,
        )
        self._apps = self._client.container_apps
        self.creation = Creation(self._client, resource_group, name)
        self._revisions = self._client.container_apps_revisions

    # -- reads ---------------------------------------------------------------------------------

    def read(self) -> App:
        """Return the app as it is now.

        Raises:
            PreflightError: it does not exist, or this identity may not see it.
        """
        with translate_errors(self.name, self.resource_group):
            return App.from_azure(self._apps.get(self.resource_group, self.name).as_dict())

    def wait_until_idle(self, deadline: Deadline | None = None) -> App:
        """Return the app once no operation runs on it, by *deadline* or the operation time-out.

        Raises:
            PollTimeoutError: one still runs, or the app could not be read.
        """
        deadline = deadline or self._deadline()

        # The app's own state has no floor of 15 s to pay, as the operation's has.
        def probe() -> tuple[App | None, str]:
            try:
                app = self.read()
            except AzureRefusedError as error:
                return None, error.message
            return (None if app.busy else app), f"the app is {app.state}"

        return poll_until(probe, what="Azure to finish a change", deadline=deadline)

    def revisions(self) -> tuple[Revision, ...]:
        """Return all revisions, inactive ones too, oldest first."""
        with translate_errors(self.name, self.resource_group):
            listed = self._revisions.list_revisions(self.resource_group, self.name)
            found = [revision_from_azure(item.as_dict()) for item in listed]
        return tuple(sorted(found, key=lambda revision: revision.created))

    def revision(self, name: str) -> Revision | None:
        """Return one revision as it is now, or None if there is none of that name."""
        try:
            with translate_errors(self.name, self.resource_group):
                found = self._revisions.get_revision(self.resource_group, self.name, name)
        except PreflightError:
            return None
        return revision_from_azure(found.as_dict())

    def containers(self, revision: str) -> tuple[Container, ...]:
        """Return the containers of a revision's replicas as they are now."""
        replicas = self._client.container_apps_revision_replicas
        with translate_errors(self.name, self.resource_group):
            listed = replicas.list_replicas(self.resource_group, self.name, revision)
            return containers_from_azure(item.as_dict() for item in listed.value or ())

    # -- writes --------------------------------------------------------------------------------

    def write_split(
        self,
        split: Split,
        tags: Mapping[str, str | None],
        *,
        guard: Guard = lambda _: None,
        deadline: Deadline | None = None,
        strict: bool = True,
    ) -> App:
        """Write the whole traffic array, with tags in the same request, and read it back.

        Args:
            split: what shall stand there.
            tags: to merge; None removes one.
            guard: asked before every attempt but the first and while the write does not show, as
                somebody else may have changed the app.
            deadline: when to give up; the operation time-out if none is given.
            strict: whether an operation that Azure reports as failed counts as failed although the
                split shows; not so on the way back, where only what shows counts.

        Raises:
            AzureRefusedError: Azure refused, or something else stands there in the end.
            PollTimeoutError: Azure did not finish in time.
        """
        body = {
            "properties": {"configuration": {"ingress": {"traffic": split.as_azure()}}},
            "tags": dict(tags),
        }

        def holds(app: App) -> bool:
            return app.split.same_as(split) and _has(app, tags)

        return self._write(body, f"the split {split}", holds, guard, deadline, strict=strict)

    def write_template(
        self,
        template: Mapping[str, Any],
        revision: str,
        tags: Mapping[str, str | None],
        *,
        guard: Guard = lambda _: None,
    ) -> App:
        """Create *revision* from *template* (its suffix is set in it), with tags.

        The write holds once the app names the new revision as its latest.
        """
        body = {"properties": {"template": dict(template)}, "tags": dict(tags)}

        def holds(app: App) -> bool:
            return app.latest == revision and _has(app, tags)

        return self._write(body, f"the revision {revision}", holds, guard, None)

    def write_mode(self, mode: str, split: Split) -> App:
        """Switch the revision mode, and name the revisions that get the traffic."""
        configuration = {"activeRevisionsMode": mode, "ingress": {"traffic": split.as_azure()}}

        def holds(app: App) -> bool:
            return app.mode.lower() == mode.lower() and app.split.same_as(split)

        body = {"properties": {"configuration": configuration}}
        return self._write(body, f"revision mode {mode}", holds, lambda _: None, None)

    def write_tags(self, tags: Mapping[str, str | None]) -> None:
        """Merge tags; None removes one. Does not wait until Azure has finished.

        Raises:
            AzureRefusedError: Azure did not take it within the operation time-out.
        """

        def send() -> bool:
            self._patch({"tags": dict(tags)})
            return True

        self._sent(send, "the tags", lambda: _has(self.wait_until_idle(), tags))

    def activate(self, name: str) -> None:
        """Activate a revision; it is ready only later.

        Raises:
            AzureRefusedError: Azure did not take it within the operation time-out.
        """
        self._turn(name, active=True)

    def deactivate(self, name: str) -> None:
        """Deactivate a revision; that nothing depends on it is the caller's to know.

        Raises:
            AzureRefusedError: Azure did not take it within the operation time-out.
        """
        self._turn(name, active=False)

    # -- how a write goes ----------------------------------------------------------------------

    def _deadline(self) -> Deadline:
        return Deadline(self.operation_timeout_s)

    def _turn(self, name: str, *, active: bool) -> None:
        turn = self._revisions.activate_revision if active else self._revisions.deactivate_revision

        def send() -> bool:
            turn(self.resource_group, self.name, name, retry_total=0)
            return True

        def done() -> bool:
            self.wait_until_idle()
            found = self.revision(name)
            return found is not None and found.active is active

        doing = "activating" if active else "deactivating"
        self._sent(send, f"{doing} revision '{name}'", done)

    def _sent(self, send: Callable[[], bool], what: str, done: Callable[[], bool]) -> None:
        """Send one request that takes effect by itself; after any doubt look before sending again.

        Args:
            send: sends it once.
            what: names it in messages.
            done: looks whether it has taken effect.
        """
        deadline = self._deadline()
        for length in backoff(0.3, 5.0):
            wait_s = 0.0
            try:
                send()
            except ClientAuthenticationError as error:
                raise not_signed_in(error) from None
            except HttpResponseError as error:
                if error.status_code not in RETRYABLE_STATUSES or deadline.passed:
                    raise refused(what, error) from None
                wait_s = retry_after(error)
            except AzureError as error:
                if deadline.passed:
                    raise refused(what, error) from None
            else:
                return
            if done():
                return
            pause(min(max(length, wait_s), deadline.remaining))

    def _write(
        self,
        body: Mapping[str, Any],
        what: str,
        holds: Callable[[App], bool],
        guard: Guard,
        deadline: Deadline | None,
        *,
        strict: bool = True,
    ) -> App:
        deadline = deadline or self._deadline()
        for length in backoff(0.3, 5.0):
            status_url, doubt, wait_s = self._attempt(body, what)
            app = self.wait_until_idle(deadline)
            if strict and app.failed and (failure := self._failure(status_url)):
                raise AzureRefusedError(f"Azure accepted {what} and then failed: {failure}")
            if holds(app):
                return app
            if doubt is None:
                return self._confirmed(what, holds, guard, status_url, deadline)
            if deadline.passed:
                raise refused(what, doubt) from None
            pause(min(max(length, wait_s), deadline.remaining))
            app = self.wait_until_idle(deadline)
            if holds(app):
                return app
            guard(app)
        raise AssertionError("pauses never run out")

    def _attempt(self, body: Mapping[str, Any], what: str) -> tuple[str, AzureError | None, float]:
        """Send one PATCH; return its status address, a doubt about it, and the seconds to wait.

        Raises:
            AzureRefusedError, PreflightError: a refusal that stays.
        """
        try:
            return self._patch(body), None, 0.0
        except ClientAuthenticationError as error:
            raise not_signed_in(error) from None
        except HttpResponseError as error:
            if error.status_code not in RETRYABLE_STATUSES:
                raise refused(what, error) from None
            return "", error, retry_after(error)
        except AzureError as error:
            return "", error, 0.0  # no answer: it may have been accepted, so look

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

    def _confirmed(
        self,
        what: str,
        holds: Callable[[App], bool],
        guard: Guard,
        status_url: str,
        deadline: Deadline,
    ) -> App:
        """Read back a write that Azure accepted; reads may lag a little behind."""
        lag = Deadline(min(deadline.remaining, _LAG_S))

        def probe() -> tuple[App | None, str]:
            app = self.wait_until_idle(deadline)
            if holds(app):
                return app, "as written"
            if failure := self._failure(status_url):
                raise AzureRefusedError(f"Azure accepted {what} and then failed: {failure}")
            guard(app)
            return None, f"the app is {app.state}, its split {app.split}"

        try:
            return poll_until(probe, what=f"{what} to show", deadline=lag)
        except DeployError as error:
            if not isinstance(error, PollTimeoutError):
                raise
            raise AzureRefusedError(
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


def _has(app: App, tags: Mapping[str, str | None]) -> bool:
    return all((app.tags.get(name) or None) == (value or None) for name, value in tags.items())
