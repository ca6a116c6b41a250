"""What Azure's refusals mean, in sentences; the SDK's own exceptions end here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)

from deploy_action.errors import DeployError, PreflightError

# Statuses after which the same write may be tried again once the app was read.
RETRYABLE_STATUSES = {408, 409, 412, 429, 500, 502, 503, 504}
_MOST_RETRY_AFTER_S = 30.0


class AzureRefusedError(DeployError):
    """Azure refused a change, or reported that it failed; the message quotes Azure."""


@contextmanager
def translate_errors(app: str, resource_group: str) -> Iterator[None]:
    """Turn the SDK's exceptions into sentences about *app*.

    Raises:
        PreflightError: it does not exist, or this identity may not do that.
        AzureRefusedError: anything else.
    """
    try:
        yield
    except ResourceNotFoundError as error:
        raise PreflightError(
            f"Azure does not find app '{app}' in resource group '{resource_group}': {text(error)}",
            hint="Check the inputs app, resource-group and subscription-id.",
        ) from None
    except ClientAuthenticationError as error:
        raise not_signed_in(error) from None
    except HttpResponseError as error:
        if error.status_code == 403:
            raise PreflightError(
                f"This identity may not do that: {text(error)}",
                hint="Give it the role Container Apps Contributor on the app.",
            ) from None
        raise refused(f"app '{app}'", error) from None
    except AzureError as error:
        raise AzureRefusedError(f"Azure could not be reached: {type(error).__name__}.") from None


def not_signed_in(error: Exception) -> PreflightError:
    """Return the refusal of a sign-in."""
    return PreflightError(
        f"Azure refused the sign-in: {text(error)}",
        hint="Check client-id, tenant-id and the federated credential's subject.",
    )


def refused(what: str, error: Exception) -> AzureRefusedError:
    """Return the refusal of *what*."""
    return AzureRefusedError(f"Azure refused {what}: {text(error)}")


def text(error: Exception) -> str:
    """Return Azure's own words without the SDK's decoration."""
    inner = getattr(error, "error", None)
    if inner is not None and getattr(inner, "message", None):
        return f"{inner.code}: {inner.message}"
    message = getattr(error, "message", "") or type(error).__name__
    return str(message).splitlines()[0]


def retry_after(error: HttpResponseError) -> float:
    """Return the seconds that Azure asks to wait, within reason."""
    headers = getattr(error.response, "headers", {})
    try:
        return min(float(headers.get("Retry-After") or 0), _MOST_RETRY_AFTER_S)
    except ValueError:
        return 0.0
