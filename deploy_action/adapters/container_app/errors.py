"""Translates the SDK's exceptions into `DeployError` with a message for the user."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)

from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime.bounded_session import BodyTooLargeError

# Statuses after which a read may be sent again.
RETRYABLE_READS = {408, 429, 500, 502, 503, 504}
# Statuses after which the same write may be sent again once the app was read.
RETRYABLE_STATUSES = {*RETRYABLE_READS, 409, 412}
_MOST_RETRY_AFTER_S = 30.0
_LONGEST_TEXT = 500
_CAUSES = {
    408: "Azure did not receive the request in time (408)",
    409: "another change of the app is still running (409)",
    412: "the app was changed at the same moment (412)",
    429: "Azure is throttling requests (429)",
}


class AzureRefusedError(DeployError):
    """Azure refused a change, or reported that it failed; the message quotes Azure."""


class AzureUnavailableError(AzureRefusedError):
    """Azure did not respond, or requested a retry later.

    Args:
        cause: what happened, without a dot.
        retry_after_s: how long Azure asks to wait; 0 where it does not say.
    """

    def __init__(self, message: str, *, cause: str, retry_after_s: float = 0.0) -> None:
        super().__init__(
            message,
            hint="Check status.azure.com, and run again later or increase operation-timeout.",
        )
        self.cause = cause
        self.retry_after_s = retry_after_s


class UnexpectedResponseError(AzureRefusedError):
    """A response of Azure that is invalid."""


class NotFoundError(PreflightError):
    """The app or the requested revision does not exist."""


@contextmanager
def translate_errors(app: str, resource_group: str) -> Iterator[None]:
    """Translate exceptions of the SDK, and of parsing its results, into `DeployError`.

    Raises:
        PreflightError: the app does not exist, or this identity is not authorized.
        AzureRefusedError: anything else; see its subclasses.
    """
    try:
        yield
    except DeployError:
        raise
    except ResourceNotFoundError as error:
        raise NotFoundError(
            f"App '{app}' was not found in resource group '{resource_group}': {text(error)}",
            hint="Check the inputs app, resource-group and subscription-id.",
        ) from None
    except ClientAuthenticationError as error:
        raise not_signed_in(error) from None
    except HttpResponseError as error:
        raise _from_response(app, error) from None
    except AzureError as error:
        if _too_large(error):
            raise _unexpected(app, "it is too large") from None
        raise unavailable(f"the request for app '{app}'", error) from None
    except Exception as error:  # noqa: BLE001  the SDK meets anything that a server may answer
        reason = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise _unexpected(app, reason) from None


def _from_response(app: str, error: HttpResponseError) -> DeployError:
    status = error.status_code or 0
    if status == 403:
        return PreflightError(
            f"This identity is not authorized for this operation: {text(error)}",
            hint="Assign it the role Container Apps Contributor on the app.",
        )
    if status in RETRYABLE_READS:
        return unavailable(f"the request for app '{app}'", error)
    if isinstance(error, DecodeError) or status < 400:
        return _unexpected(app, f"status {status}, {text(error)}")
    return refused(f"the request for app '{app}'", error)


def not_signed_in(error: Exception) -> PreflightError:
    """Return the error for a failed sign-in."""
    return PreflightError(
        f"Azure rejected the sign-in: {text(error)}",
        hint="Check client-id, tenant-id and the federated credential's subject.",
    )


def refused(what: str, error: Exception) -> AzureRefusedError:
    """Return the error for a refused *what*, or for an unreachable Azure."""
    if isinstance(error, HttpResponseError) and error.status_code not in _CAUSES:
        return AzureRefusedError(f"Azure rejected {what}: {text(error)}")
    return unavailable(what, error)


def unavailable(what: str, error: Exception) -> AzureUnavailableError:
    """Return the error that Azure cannot do *what* now."""
    reason = cause(error)
    return AzureUnavailableError(
        f"Azure could not complete {what}: {reason}.",
        cause=reason,
        retry_after_s=retry_after(error),
    )


def cause(error: Exception) -> str:
    """Return in a few words why a request may be sent again."""
    if isinstance(error, AzureUnavailableError):
        return error.cause
    if isinstance(error, HttpResponseError):
        status = error.status_code or 0
        message = text(error).removeprefix("Operation returned an invalid status ").strip("'")
        return _CAUSES.get(status, f"Azure returned status {status} ({message})")
    if isinstance(error, ServiceRequestTimeoutError | ServiceResponseTimeoutError):
        return "Azure did not respond in time"
    if isinstance(error, ServiceRequestError):
        return "Azure could not be reached"
    return "the connection to Azure was closed"


def text(error: Exception) -> str:
    """Return Azure's own text without the SDK's decoration."""
    inner = getattr(error, "error", None)
    if inner is not None and getattr(inner, "message", None):
        return f"{inner.code}: {inner.message}"[:_LONGEST_TEXT]
    message = str(getattr(error, "message", "") or type(error).__name__)
    return next(iter(message.splitlines()), "")[:_LONGEST_TEXT]


def retry_after(error: Exception) -> float:
    """Return the seconds that Azure asks to wait, within reason."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        seconds = float(headers.get("Retry-After") or 0)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _MOST_RETRY_AFTER_S) if math.isfinite(seconds) else 0.0


def _unexpected(app: str, reason: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"Azure's response for app '{app}' could not be parsed: {reason[:_LONGEST_TEXT]}.",
        hint="Run again. If requests to management.azure.com go through a proxy, check the proxy.",
    )


def _too_large(error: AzureError) -> bool:
    return isinstance(error.inner_exception, BodyTooLargeError)
