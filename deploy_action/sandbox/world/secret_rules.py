"""Azure's rules for secrets and tags.

Source: "Manage secrets in Azure Container Apps", "Use tags to organize your Azure resources", and
reported refusals.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from deploy_action.sandbox.world.refusals import Problem, invalid, refuse

_NAME: Final = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_LONGEST_NAME: Final = 63
_REFERENCE: Final = re.compile(
    r"https://[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.vault\.azure\.net/secrets/[0-9a-z-]{1,127}"
    r"(?:/[0-9a-f]{32})?/?",
    re.IGNORECASE,
)
_MOST_TAGS, _LONGEST_TAG_NAME, _LONGEST_TAG = 50, 512, 256
_RESERVED: Final = "<>%&\\?/"


def check_secrets(secrets: Iterable[Mapping[str, Any]]) -> None:
    """Check names and Key Vault references.

    Raises:
        Refused: 400, with the secret's name.
    """
    listed = list(secrets)
    for secret in listed:
        name = str(secret.get("name") or "")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            raise invalid(
                "configuration.secrets.name",
                f"'{name}' is not made of at most {_LONGEST_NAME} lower-case letters, digits, '-' "
                "and '.'",
            )
        url = secret.get("keyVaultUrl")
        if url and not _REFERENCE.fullmatch(str(url)):
            raise refuse(
                400,
                "ContainerAppSecretKeyVaultUrlInvalid",
                f"Invalid Request: the Key Vault URL '{url}' of secret '{name}' is invalid. It has "
                "the form https://VAULT.vault.azure.net/secrets/NAME[/VERSION].",
            )
    counted = Counter(secret.get("name") for secret in listed)
    if twice := next((name for name, times in counted.items() if times > 1), None):
        raise invalid("configuration.secrets.name", f"'{twice}' is the name of two secrets")


def unreadable_reference(secret: Mapping[str, Any]) -> Problem:
    """Return the error of an operation whose Key Vault reference cannot be resolved."""
    name, identity = secret["name"], secret.get("identity")
    text = (
        "Failed to update secrets. Error details: The following field(s) are either invalid or "
        f"missing. Field 'configuration.secrets' is invalid with details: 'Invalid value: "
        f'"{name}": Unable to get value using Managed identity {identity} for secret {name}. '
        f"Error: unable to fetch secret '{name}' using Managed identity '{identity}'';."
    )
    return Problem(200, "ContainerAppOperationError", text)


def check_tags(tags: Mapping[str, Any]) -> None:
    """Check number, names and values of tags.

    Raises:
        Refused: 400, with the tag.
    """
    if len(tags) > _MOST_TAGS:
        raise invalid("tags", f"{len(tags)} tags, at most {_MOST_TAGS} are allowed")
    names = Counter(name.lower() for name in tags)
    if twice := next((name for name, times in names.items() if times > 1), ""):
        raise invalid("tags", f"'{twice}' is the name of two tags: tag names are case-insensitive")
    for name, value in tags.items():
        if any(character in _RESERVED for character in name):
            raise refuse(
                400,
                "InvalidTagNameCharacters",
                f"The tag names '{name}' have reserved characters '<,>,%,&,\\,?,/' or control "
                "characters.",
            )
        if not 1 <= len(name) <= _LONGEST_TAG_NAME:
            raise invalid(
                "tags", f"the name '{name}' is longer than {_LONGEST_TAG_NAME} characters"
            )
        if len(str(value)) > _LONGEST_TAG:
            raise invalid("tags", f"the value of '{name}' is longer than {_LONGEST_TAG} characters")
