"""Writes to one container app: sent once, retried only after a look at the app, and confirmed.

If the result of a request is unknown, the app is read before anything is sent again. A write is
done when Azure's operation has ended and the app shows its result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from deploy_action.adapters.container_app import operations
from deploy_action.adapters.container_app.errors import (
    RETRYABLE_STATUSES,
    AzureRefusedError,
    AzureUnavailableError,
    not_signed_in,
    refused,
    unavailable,
)
from deploy_action.adapters.container_app.pipeline import limits
from deploy_action.core.app import App
from deploy_action.errors import DeployError
from deploy_action.runtime.polling import Deadline, PollTimeoutError, backoff, pause, poll_until

_LAG_S = 15.0  # how long reads may still show the state before a confirmed write

Guard = Callable[[App], None]
"""Called with the app before a write is retried; raises if it must not be retried."""


class Writer:
    """Sends writes to one app and confirms them.

    Args:
        client: the SDK's client.
        resource_group: name of the app's group.
        name: the app's name.
        wait_until_idle: returns the app once no operation runs on it.
        say: writes a line to the log.
    """

    def __init__(
        self,
        client: Any,
        resource_group: str,
        name: str,
        *,
        wait_until_idle: Callable[[Deadline], App],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._apps = client.container_apps
        self._group = resource_group
        self._name = name
        self._wait_until_idle = wait_until_idle
        self._say = say

    def send(
        self, send: Callable[[], None], what: str, done: Callable[[], bool], deadline: Deadline
    ) -> None:
        """Send an idempotent request; if the result is unknown, check before sending it again.

        Args:
            send: sends it once.
            what: names it in messages.
            done: returns whether it has taken effect.
            deadline: when to give up.
        """
        for length in backoff(0.3, 5.0):
            doubt = self._attempt(send, what)
            if doubt is None or done():
                return
            if deadline.passed:
                raise doubt
            self._pause(what, doubt, length, deadline)

    def _pause(
        self, what: str, doubt: AzureUnavailableError, length: float, deadline: Deadline
    ) -> None:
        wait_s = min(max(length, doubt.retry_after_s), deadline.remaining)
        self._say(f"{what}: {doubt.cause}, retrying in {wait_s:.1f} s")
        pause(wait_s)

    def write(
        self,
        body: Mapping[str, Any],
        what: str,
        is_applied: Callable[[App], bool],
        guard: Guard,
        deadline: Deadline,
        *,
        strict: bool = True,
    ) -> App:
        """Send a PATCH until the app shows its result, and return the app.

        Args:
            body: of the PATCH.
            what: names it in messages.
            is_applied: whether the app shows the result.
            guard: called before each retry and while the result is not visible.
            deadline: when to give up.
            strict: whether an operation that Azure reports as failed counts as failed although its
                result is in effect.

        Raises:
            AzureRefusedError: Azure refused, or the result differs in the end.
            PollTimeoutError: Azure did not finish in time.
        """
        for length in backoff(0.3, 5.0):
            status_urls: list[str] = []
            doubt = self._attempt(lambda: status_urls.append(self.patch(body, deadline)), what)  # noqa: B023  called now
            status_url = status_urls[0] if status_urls else ""
            app = self._wait_until_idle(deadline)
            if strict and app.failed and (reason := operations.failure(self._client, status_url)):
                raise AzureRefusedError(
                    f"Azure accepted {what}, but it failed: {reason.rstrip('.')}."
                )
            if is_applied(app):
                return app
            if doubt is None:
                return self._confirmed(what, is_applied, guard, status_url, deadline)
            if deadline.passed:
                raise doubt
            self._pause(what, doubt, length, deadline)
            app = self._wait_until_idle(deadline)
            if is_applied(app):
                return app
            guard(app)
        raise AssertionError("pauses never run out")

    def _attempt(self, send: Callable[[], None], what: str) -> AzureUnavailableError | None:
        """Send a write once; return why it is not known whether it was carried out, or None.

        Raises:
            AzureRefusedError, PreflightError: a permanent refusal.
        """
        try:
            send()
        except ClientAuthenticationError as error:
            raise not_signed_in(error) from None
        except HttpResponseError as error:
            if error.status_code in RETRYABLE_STATUSES:
                return unavailable(what, error)
            if (error.status_code or 0) >= 400:
                raise refused(what, error) from None
            return unavailable(what, error)  # may have been applied; the response is invalid
        except AzureError as error:
            return unavailable(what, error)  # no answer: it may have been accepted
        except DeployError:
            raise
        except Exception as error:  # noqa: BLE001  the SDK may raise anything
            reason = f"Azure's response could not be parsed ({type(error).__name__})"
            return AzureUnavailableError(f"{what}: {reason}.", cause=reason)
        return None

    def patch(self, body: Mapping[str, Any], deadline: Deadline) -> str:
        """Send one PATCH, never twice, and return the URL of its status (may be empty)."""
        status_urls: list[str] = []

        def keep(response: Any) -> None:
            status_urls.append(operations.status_url(response))

        self._apps.begin_update(
            self._group,
            self._name,
            BytesIO(json.dumps(body).encode()),
            polling=False,
            raw_response_hook=keep,
            **limits(deadline),
        )
        return status_urls[-1] if status_urls else ""

    def _confirmed(
        self,
        what: str,
        is_applied: Callable[[App], bool],
        guard: Guard,
        status_url: str,
        deadline: Deadline,
    ) -> App:
        """Read back a write that Azure accepted; reads may lag a little behind."""
        lag = Deadline(min(deadline.remaining, _LAG_S))

        def probe() -> tuple[App | None, str]:
            app = self._wait_until_idle(deadline)
            if is_applied(app):
                return app, "as written"
            if reason := operations.failure(self._client, status_url):
                raise AzureRefusedError(
                    f"Azure accepted {what}, but it failed: {reason.rstrip('.')}."
                )
            guard(app)
            return None, f"the app is {app.state}, its split {app.split}"

        try:
            return poll_until(probe, what=f"{what} to take effect", deadline=lag)
        except DeployError as error:
            if not isinstance(error, PollTimeoutError):
                raise
            raise AzureRefusedError(
                f"Azure reported success, but {what} is not in effect: {error.message}",
                hint="Someone else may have changed the app at the same time. Run again.",
            ) from None
