"""Azure's error responses, each with the source of its text.

R: recorded traffic. I: reported by third parties. Chosen: not established, see DIFFERENCES.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_MORE = "For more details please go to https://aka.ms/ARMResourceNotFoundFix"


@dataclass(frozen=True, slots=True)
class Problem:
    """A status with Azure's code and text."""

    status: int
    code: str
    message: str


class Refused(Exception):  # noqa: N818  a response, not a bug
    """A request was refused; nothing has changed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def refuse(status: int, code: str, message: str) -> Refused:
    """Return the exception for one refusal."""
    return Refused(Problem(status, code, message))


def resource_missing(kind: str, name: str, group: str) -> Refused:
    """R: ARM's own answer for a resource that is not there; *kind* like the type's path."""
    what = f"The Resource '{kind}/{name}' under resource group '{group}' was not found."
    return refuse(404, "ResourceNotFound", f"{what} {_MORE}")


def parent_missing(parent: str) -> Refused:
    """R for the code; the sentence is ARM's general one."""
    what = "Can not perform requested operation on nested resource."
    text = f"{what} Parent resource '{parent}' not found."
    return refuse(404, "ParentResourceNotFound", text)


def group_missing(group: str) -> Refused:
    """R."""
    text = f"Resource group '{group}' could not be found."
    return refuse(404, "ResourceGroupNotFound", text)


def subscription_missing(subscription: str) -> Refused:
    """R: ARM's general answer."""
    text = f"The subscription '{subscription}' could not be found."
    return refuse(404, "SubscriptionNotFound", text)


def environment_not_ready(name: str, state: str) -> Refused:
    """R for the code; the sentence is chosen."""
    text = f"The managed environment '{name}' is in state '{state}' and not ready for apps."
    return refuse(400, "ManagedEnvironmentNotProvisioned", text)


def revision_missing(app: str, revision: str) -> Refused:
    """Chosen: the exact body is not established."""
    text = f"The revision '{revision}' of container app '{app}' was not found."
    return refuse(404, "RevisionNotFound", text)


def operation_running(app: str, operation: str) -> Refused:
    """I, many logs of 2026."""
    text = (
        f"Cannot modify a container app '{app}' because there is an active provisioning "
        f"operation in progress. OperationId: '{operation}'."
    )
    return refuse(409, "ContainerAppOperationInProgress", text)


def registry_secret_missing(secret: str, server: str) -> Refused:
    """R."""
    text = f"PasswordSecretRef '{secret}' defined for registry server '{server}' not found."
    return refuse(400, "ContainerAppRegistriesPasswordSecretRefNotFound", text)


def secret_invalid(names: str) -> Refused:
    """I: the error of a read-modify-write, as reads do not return secret values."""
    text = (
        f"Invalid Request: Container app secret(s) with name(s) '{names}' are invalid: "
        "value or keyVaultUrl and identity should be provided."
    )
    return refuse(400, "ContainerAppSecretInvalid", text)


def invalid(field: str, detail: str) -> Refused:
    """Chosen: an invalid value, with the field's name."""
    return refuse(400, "InvalidRequestContent", f"The field '{field}' is invalid: {detail}")


def not_supported(what: str) -> Refused:
    """The sandbox's own error for what it does not support."""
    text = f"The sandbox does not support {what}. See deploy_action/sandbox/DIFFERENCES.md."
    return refuse(501, "NotSupportedBySandbox", text)


def suffix_taken(app: str, suffix: str) -> Problem:
    """I (August 2026): the error of an operation whose revision suffix already exists."""
    detail = (
        f"Field 'template.revisionsuffix' is invalid with details: 'Invalid value: \"{suffix}\": "
        f"revision with suffix {suffix} already exists.';.."
    )
    return _provisioning(app, detail)


def image_missing(app: str, container: str, image: str, words: str) -> Problem:
    """I: the error of an operation whose image cannot be pulled; *words* is the registry's text."""
    detail = (
        f"Field 'template.containers.{container}.image' is invalid with details: "
        f"'Invalid value: \"{image}\": {words}';.."
    )
    return _provisioning(app, detail)


def _provisioning(app: str, detail: str) -> Problem:
    text = (
        f"Failed to provision revision for container app '{app}'. Error details: "
        f"The following field(s) are either invalid or missing. {detail}"
    )
    return Problem(200, "ContainerAppOperationError", text)


def json_object(body: bytes) -> dict[str, Any]:
    """Parse the body of a request, or refuse it as Resource Manager does."""
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise invalid("body", f"it is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise invalid("body", "an object was expected")
    return parsed
