"""``secrets``: secrets of the app, for all of its revisions::

    secrets:
      redis-url: ${REDIS_URL}                  # a variable of the step's environment
      api-key: keyvault:my-vault/api-key       # the app reads it with its own identity
      db-v2:
        key-vault: https://my-vault.vault.azure.net/secrets/db
        identity: /subscriptions/…/userAssignedIdentities/reader
      old: null                                # removed once no revision uses it

As lines, in the spelling of ``az containerapp secret set``::

    redis-url=VALUE
    api-key=keyvaultref:https://my-vault.vault.azure.net/secrets/api-key,identityref:system
"""

from __future__ import annotations

import re
from typing import Any

from deploy_action.core.app_wide import SYSTEM, SecretValue
from deploy_action.core.revisions.changes import REMOVE, Remove
from deploy_action.core.settings import parsers
from deploy_action.core.settings.blocks import values
from deploy_action.core.settings.blocks.reading import Faults, Field, is_null, scalar_of
from deploy_action.core.settings.tree import Mapping, Node, Scalar

Secrets = dict[str, SecretValue | Remove]
_VAULT = r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]"
_SHORT = re.compile(
    rf"keyvault:(?P<vault>{_VAULT})/(?P<name>[A-Za-z0-9-]{{1,127}})(/(?P<version>[0-9a-f]{{32}}))?"
)
_URL = re.compile(
    rf"https://{_VAULT}\.vault\.azure\.net/secrets/[A-Za-z0-9-]{{1,127}}(/[0-9a-f]{{32}})?"
)
_IDENTITY = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/Microsoft\.ManagedIdentity"
    r"/userAssignedIdentities/[^/]+",
    re.IGNORECASE,
)
_REFERENCE, _IDENTITY_PART = "keyvaultref:", ",identityref:"

SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": {
        "anyOf": [
            {
                "type": "string",
                "pattern": r"^(\$\{[A-Za-z_]\w*\}|keyvault:[A-Za-z0-9-]+/[A-Za-z0-9/-]+)$",
            },
            {"type": "null"},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["key-vault"],
                "properties": {"key-vault": {"type": "string"}, "identity": {"type": "string"}},
            },
        ]
    },
}


def vault_url(text: str) -> str:
    """Read the URL of a secret in a key vault, or ``keyvault:VAULT/NAME``."""
    if short := _SHORT.fullmatch(text.strip()):
        version = f"/{short['version']}" if short["version"] else ""
        return f"https://{short['vault'].lower()}.vault.azure.net/secrets/{short['name']}{version}"
    if not _URL.fullmatch(text.strip().rstrip("/")):
        raise ValueError(
            "keyvault:VAULT/NAME or https://VAULT.vault.azure.net/secrets/NAME (a secret's name in "
            "a vault has letters, digits and '-')"
        )
    return text.strip().rstrip("/")


def user_assigned(text: str) -> str:
    """Read the resource ID of a user-assigned identity; empty stays empty."""
    if text.strip() and not _IDENTITY.fullmatch(text.strip()):
        raise ValueError("the resource ID of a user-assigned identity")
    return text.strip()


def identity(text: str) -> str:
    """Read ``system`` or the resource ID of a user-assigned identity."""
    if text.strip().lower() == SYSTEM:
        return SYSTEM
    if not _IDENTITY.fullmatch(text.strip()):
        raise ValueError("system, or the resource ID of a user-assigned identity")
    return text.strip()


_FIELDS: dict[str, Field] = {
    "key-vault": scalar_of(vault_url),
    "identity": scalar_of(identity),
    "value": scalar_of(str),
}


def block(node: Node) -> Secrets:
    """Read the setting ``secrets``.

    References ``${NAME}`` are already replaced by values of the step's environment, as
    ``{value: …}``.

    Raises:
        InputError: with every fault; none contains a value.
    """
    faults = Faults()
    secrets: Secrets = {}
    for key, value in faults.pairs(node, "secrets"):
        name = faults.scalar(key, "secrets", values.secret_name)
        secret = _secret(faults, value, f"secrets.{key.text}")
        if name is not None and secret is not None:
            secrets[name] = secret
    faults.raise_any()
    return secrets


def _secret(faults: Faults, node: Node, path: str) -> SecretValue | Remove | None:
    if is_null(node):
        return REMOVE
    if isinstance(node, Scalar):
        url = faults.scalar(node, path, vault_url)
        return SecretValue(url=url, identity=SYSTEM) if url else None
    before = len(faults.found)
    fields = faults.fields(node, path, _FIELDS)
    if len(faults.found) > before or not isinstance(node, Mapping):
        return None
    if fields.keys() == {"value"}:
        return SecretValue(value=fields["value"])
    if "key_vault" not in fields or "value" in fields:
        faults.add(path, "it must have key-vault, and may have identity.", node.location)
        return None
    return SecretValue(url=fields["key_vault"], identity=fields.get("identity", SYSTEM))


def lines(text: str) -> Secrets:
    """Read lines of ``name=value`` or ``name=keyvaultref:URL,identityref:IDENTITY``.

    Raises:
        ValueError: a line is neither; the message contains no value.
    """
    secrets: Secrets = {}
    for number, line in enumerate(parsers.lines(text), 1):
        name, equals, value = line.partition("=")
        if not equals or not value:
            raise ValueError(
                f"lines of name=value or name=keyvaultref:URL,identityref:system (line {number})"
            )
        try:
            values.secret_name(name)
        except ValueError as error:
            raise ValueError(f"lines of name=value with {error} (line {number})") from None
        if name in secrets:
            raise ValueError(f"lines with each name once (line {number} repeats '{name}')")
        if value.startswith(_REFERENCE):
            url, _, reader = value.removeprefix(_REFERENCE).partition(_IDENTITY_PART)
            secrets[name] = SecretValue(
                url=vault_url(url), identity=identity(reader) if reader else SYSTEM
            )
        else:
            secrets[name] = SecretValue(value=value)
    return secrets
