"""The SDK's client without its automatic behaviour, and the only retry loop for reads.

No retries, redirects, provider registration or logging of the SDK: a retry is decided and reported
here, within our deadline. A response has a size limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from azure.core.pipeline import policies
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.appcontainers import ContainerAppsAPIClient

from deploy_action.adapters.container_app.authentication import AuthenticationPolicy
from deploy_action.adapters.container_app.errors import AzureUnavailableError, translate_errors
from deploy_action.runtime.bounded_session import LONGEST_CONNECT_S, BoundedSession
from deploy_action.runtime.http import USER_AGENT
from deploy_action.runtime.polling import Deadline, backoff, pause

Result = TypeVar("Result")
RESPONSE_LIMIT = 4 << 20
_ONE_RESPONSE_S = 30.0
_READ_S = 60.0
_SHORTEST_S = 1.0  # for a last read after the deadline


def make_client(credential: Any, subscription: str) -> ContainerAppsAPIClient:
    """Return the SDK's client; *credential* is a credential for the SDK."""
    return ContainerAppsAPIClient(
        credential,
        subscription,
        transport=RequestsTransport(
            session=BoundedSession(body_limit=RESPONSE_LIMIT, cut=False), session_owner=False
        ),
        policies=[
            policies.RequestIdPolicy(),
            policies.HeadersPolicy(),
            policies.UserAgentPolicy(USER_AGENT),
            policies.ContentDecodePolicy(),
            AuthenticationPolicy(credential),
            policies.CustomHookPolicy(),
        ],
    )


class Reader:
    """Reads from Azure; retries transient failures and logs each retry.

    Args:
        app: the app's name, for messages.
        resource_group: its group.
        timeout_s: how long one read may take, all attempts included.
        say: writes a line to the log.
    """

    def __init__(
        self, app: str, resource_group: str, *, timeout_s: float, say: Callable[[str], None]
    ) -> None:
        self._app = app
        self._resource_group = resource_group
        self._timeout_s = min(timeout_s, _READ_S)
        self._say = say

    def read(
        self, request: Callable[[dict[str, Any]], Result], deadline: Deadline | None = None
    ) -> Result:
        """Return what *request* returns; it gets the SDK's options for one request.

        Raises:
            PreflightError, AzureRefusedError: see `translate_errors`.
        """
        deadline = deadline or Deadline(self._timeout_s)
        for length in backoff(0.3, 5.0):
            try:
                with translate_errors(self._app, self._resource_group):
                    return request(limits(deadline))
            except AzureUnavailableError as error:
                if deadline.passed:
                    raise
                wait_s = min(max(length, error.retry_after_s), deadline.remaining)
                self._say(f"{error.cause}, retrying in {wait_s:.1f} s")
                pause(wait_s)
        raise AssertionError("pauses never run out")


def limits(deadline: Deadline) -> dict[str, Any]:
    """Return the SDK's options that end one request at *deadline*."""
    total_s = min(max(deadline.remaining, _SHORTEST_S), _ONE_RESPONSE_S)
    return {"connection_timeout": min(total_s, LONGEST_CONNECT_S), "read_timeout": total_s}
