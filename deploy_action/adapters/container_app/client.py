"""The container app in Azure: Microsoft.App/containerApps through azure-mgmt-appcontainers.

Reads: GET app, GET revisions. Writes: narrow PATCHes (template, traffic or tags, never the whole
resource), POST activate and deactivate. No write is sent again blindly: the SDK's own retry is off
for them, and if the result is unknown, the app is read before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from deploy_action.adapters.container_app.creation import Creation
from deploy_action.adapters.container_app.errors import (
    AzureRefusedError,
    NotFoundError,
)
from deploy_action.adapters.container_app.pipeline import Reader, limits, make_client
from deploy_action.adapters.container_app.writer import Guard, Writer
from deploy_action.core.app import (
    App,
    Container,
    containers_from_azure,
    revision_from_azure,
)
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Split
from deploy_action.runtime.polling import Deadline, poll_until

_MOST_PAGES = 50


class ContainerApp:
    """One app.

    Args:
        credential: a credential for the SDK.
        subscription: id of the subscription.
        resource_group: name of its group.
        name: the app's name.
        operation_timeout_s: how long Azure may take for one change.
        say: writes a line to the log.
    """

    def __init__(
        self,
        credential: Any,
        *,
        subscription: str,
        resource_group: str,
        name: str,
        operation_timeout_s: float,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.resource_group = resource_group
        self.operation_timeout_s = operation_timeout_s
        self._client = make_client(credential, subscription)
        self._apps = self._client.container_apps
        self._revisions = self._client.container_apps_revisions
        self._reader = Reader(name, resource_group, timeout_s=operation_timeout_s, say=say)
        self._writer = Writer(
            self._client, resource_group, name, wait_until_idle=self.wait_until_idle, say=say
        )
        self.creation = Creation(self._client, self._reader, resource_group, name)

    # -- reads ---------------------------------------------------------------------------------

    def read(self, deadline: Deadline | None = None) -> App:
        """Return the app as it is now.

        Raises:
            PreflightError: it does not exist, or this identity may not see it.
            AzureRefusedError: Azure does not respond, or the response is not an app.
        """

        def request(limits: dict[str, Any]) -> App:
            dates: list[str] = []
            resource = self._apps.get(
                self.resource_group,
                self.name,
                raw_response_hook=lambda response: dates.append(
                    response.http_response.headers.get("Date") or ""
                ),
                **limits,
            )
            app = App.from_azure(resource.as_dict(), now_s=_seconds(dates[-1] if dates else ""))
            if app.name.lower() != self.name.lower():
                raise ValueError(f"it describes app '{app.name}'")
            return app

        return self._reader.read(request, deadline)

    def wait_until_idle(self, deadline: Deadline | None = None) -> App:
        """Return the app once no operation runs on it, by *deadline* or the operation time-out.

        Raises:
            PollTimeoutError: one still runs, or the app could not be read.
        """
        deadline = deadline or self._deadline()

        # Polling the app avoids the 15 s minimum interval of polling the operation.
        def probe() -> tuple[App | None, str]:
            try:
                app = self.read(deadline)
            except AzureRefusedError as error:
                return None, error.message.rstrip(".")
            return (None if app.busy else app), f"the app is {app.state}"

        return poll_until(probe, what="Azure to finish a change", deadline=deadline)

    def revisions(self) -> tuple[Revision, ...]:
        """Return all revisions, inactive ones too, oldest first."""

        def request(limits: dict[str, Any]) -> list[Revision]:
            listed = self._revisions.list_revisions(self.resource_group, self.name, **limits)
            pages = list(islice(listed.by_page(), _MOST_PAGES + 1))
            if len(pages) > _MOST_PAGES:
                raise ValueError("the list of revisions has too many pages")
            return [revision_from_azure(item.as_dict()) for page in pages for item in page]

        return tuple(sorted(self._reader.read(request), key=lambda revision: revision.created))

    def revision(self, name: str, deadline: Deadline | None = None) -> Revision | None:
        """Return one revision as it is now, or None if there is none of that name."""

        def request(limits: dict[str, Any]) -> Revision:
            resource = self._revisions.get_revision(self.resource_group, self.name, name, **limits)
            revision = revision_from_azure(resource.as_dict())
            if revision.name.lower() != name.lower():
                raise ValueError(f"it describes revision '{revision.name}'")
            return revision

        try:
            return self._reader.read(request, deadline)
        except NotFoundError:
            return None

    def containers(self, revision: str) -> tuple[Container, ...]:
        """Return the containers of a revision's replicas as they are now."""
        replicas = self._client.container_apps_revision_replicas

        def request(limits: dict[str, Any]) -> tuple[Container, ...]:
            listed = replicas.list_replicas(self.resource_group, self.name, revision, **limits)
            return containers_from_azure(item.as_dict() for item in listed.value or ())

        return self._reader.read(request)

    def list_secrets(self) -> tuple[dict[str, Any], ...]:
        """Return the app's secrets with their values; those in a key vault with their URL."""

        def request(limits: dict[str, Any]) -> tuple[dict[str, Any], ...]:
            listed = self._apps.list_secrets(self.resource_group, self.name, **limits)
            return tuple(_secret(item.as_dict()) for item in listed.value or ())

        return self._reader.read(request)

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
            split: the new split.
            tags: to merge; None removes one.
            guard: called before each retry and while the write is not visible, because
                someone else may have changed the app.
            deadline: when to give up; the operation time-out if none is given.
            strict: whether an operation that Azure reports as failed counts as failed although the
                split is in effect; false for a restore, where only the resulting split counts.

        Raises:
            AzureRefusedError: Azure refused, or the split differs in the end.
            PollTimeoutError: Azure did not finish in time.
        """
        body = {
            "properties": {"configuration": {"ingress": {"traffic": split.as_azure()}}},
            "tags": dict(tags),
        }

        def is_applied(app: App) -> bool:
            return app.split.same_as(split) and _has(app, tags)

        return self._writer.write(
            body,
            f"the split {split}",
            is_applied,
            guard,
            deadline or self._deadline(),
            strict=strict,
        )

    def write_template(
        self,
        template: Mapping[str, Any],
        revision: str,
        tags: Mapping[str, str | None],
        *,
        guard: Guard = lambda _: None,
        strict: bool = True,
    ) -> App:
        """Create *revision* from *template* (its suffix is set in it), with tags.

        The write is confirmed when the app reports the new revision as its latest. For *strict*
        see `write_split`.
        """
        body = {"properties": {"template": dict(template)}, "tags": dict(tags)}

        def is_applied(app: App) -> bool:
            return app.latest == revision and _has(app, tags)

        what = f"the revision {revision}"
        return self._writer.write(body, what, is_applied, guard, self._deadline(), strict=strict)

    def write_mode(self, mode: str, split: Split) -> App:
        """Switch the revision mode, and name the revisions that get the traffic."""
        configuration = {"activeRevisionsMode": mode, "ingress": {"traffic": split.as_azure()}}

        def is_applied(app: App) -> bool:
            return app.mode.lower() == mode.lower() and app.split.same_as(split)

        body = {"properties": {"configuration": configuration}}
        return self._writer.write(
            body, f"revision mode {mode}", is_applied, lambda _: None, self._deadline()
        )

    def write_configuration(
        self, secrets: Sequence[Mapping[str, Any]] | None, tags: Mapping[str, str | None]
    ) -> App:
        """Write the complete list of secrets (None leaves them), with tags in the same request.

        Raises:
            AzureRefusedError: Azure refused, or the result differs in the end.
        """
        body: dict[str, Any] = {"tags": dict(tags)}
        if secrets is not None:
            body["properties"] = {"configuration": {"secrets": [dict(item) for item in secrets]}}
        names = None if secrets is None else {str(item["name"]) for item in secrets}

        def is_applied(app: App) -> bool:
            return _has(app, tags) and (names is None or app.secret_names == names)

        return self._writer.write(
            body, "the app's secrets and tags", is_applied, lambda _: None, self._deadline()
        )

    def write_tags(self, tags: Mapping[str, str | None]) -> None:
        """Merge tags; None removes one. Does not wait until Azure has finished.

        Raises:
            AzureRefusedError: Azure did not accept the request within the operation time-out.
        """

        def send() -> None:
            self._writer.patch({"tags": dict(tags)}, deadline)

        deadline = self._deadline()
        self._writer.send(
            send, "the app's tags", lambda: _has(self.wait_until_idle(deadline), tags), deadline
        )

    def activate(self, name: str) -> None:
        """Activate a revision; it is ready only later.

        Raises:
            AzureRefusedError: Azure did not accept the request within the operation time-out.
        """
        self._set_active(name, active=True)

    def deactivate(self, name: str) -> None:
        """Deactivate a revision; the caller must make sure that nothing depends on it.

        Raises:
            AzureRefusedError: Azure did not accept the request within the operation time-out.
        """
        self._set_active(name, active=False)

    def _deadline(self) -> Deadline:
        return Deadline(self.operation_timeout_s)

    def _set_active(self, name: str, *, active: bool) -> None:
        turn = self._revisions.activate_revision if active else self._revisions.deactivate_revision
        deadline = self._deadline()

        def send() -> None:
            turn(self.resource_group, self.name, name, **limits(deadline))

        def done() -> bool:
            self.wait_until_idle(deadline)
            revision = self.revision(name, deadline)
            return revision is not None and revision.active is active

        doing = "the activation of" if active else "the deactivation of"
        self._writer.send(send, f"{doing} revision '{name}'", done, deadline)


def _seconds(date: str) -> float:
    """Return the time of a Date header in seconds since 1970; 0 without a valid one."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return 0.0


def _secret(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a secret as a request writes it."""
    kept = {"name": str(item.get("name") or "")}
    names = ("keyVaultUrl", "identity") if item.get("keyVaultUrl") else ("value",)
    return kept | {name: str(item.get(name) or "") for name in names}


def _has(app: App, tags: Mapping[str, str | None]) -> bool:
    return all((app.tags.get(name) or None) == (value or None) for name, value in tags.items())
