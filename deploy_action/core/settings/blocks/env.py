"""``env``: environment variables of a container, as a block or as lines::

    env:
      LOG_LEVEL: info                # a value
      REDIS_URL: {secret: redis-url} # the value of one of the app's secrets
      OLD_FLAG: null                 # removed

As lines, in the spelling of ``az containerapp update --set-env-vars``::

    LOG_LEVEL=info
    REDIS_URL=secretref:redis-url
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.revisions.changes import REMOVE, EnvValue, Remove
from deploy_action.core.revisions.provenance import PREFIX
from deploy_action.core.settings import parsers
from deploy_action.core.settings.blocks import values
from deploy_action.core.settings.blocks.reading import Faults, is_null, scalar_of
from deploy_action.core.settings.tree import Mapping, Node, Scalar, Sequence

Env = dict[str, EnvValue | Remove]
_SECRET_REFERENCE = "secretref:"  # noqa: S105  az's prefix

SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean", "null"]},
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {"secret": {"type": "string"}, "value": {"type": "string"}},
            },
        ]
    },
}


def read(faults: Faults, node: Node, path: str) -> Env:
    """Read the block."""
    env: Env = {}
    for key, value in faults.pairs(node, path):
        place = f"{path}.{key.text}"
        if problem := _problem(key.text):
            faults.add(place, problem, key.location)
        elif is_null(value):
            env[key.text] = REMOVE
        elif isinstance(value, Mapping):
            env[key.text] = _mapped(faults, value, place)
        elif isinstance(value, Scalar):
            env[key.text] = EnvValue(text=value.text)
        else:
            faults.add(place, "it must be a string, {secret: NAME} or null.", value.location)
    return env


def _mapped(faults: Faults, node: Mapping, path: str) -> EnvValue:
    known = {"secret": scalar_of(values.secret_name), "value": scalar_of(str)}
    before = len(faults.found)
    fields = faults.fields(node, path, known)
    if len(fields) != 1 and len(faults.found) == before:
        faults.add(path, "it must have either secret or value.", node.location)
    return EnvValue(text=fields.get("value") or "", secret=fields.get("secret") or "")


def _problem(name: str) -> str:
    if name.upper().startswith(PREFIX):
        return "this variable is reserved for the deployment's own data. Use another name."
    try:
        values.variable_name(name)
    except ValueError as error:
        return f"'{name}' must be {error}."
    return ""


def block(node: Node) -> Env:
    """Read the setting ``env`` of a settings file: a block, or lines.

    Raises:
        InputError: with every fault.
    """
    faults = Faults()
    env: Env = {}
    if isinstance(node, Mapping):
        env = read(faults, node, "env")
    else:
        for item in node.items if isinstance(node, Sequence) else (node,):
            env |= faults.scalar(item, "env", lines) or {} if not is_null(item) else {}
    faults.raise_any()
    return env


def lines(raw: str) -> Env:
    """Read lines of ``NAME=value`` or ``NAME=secretref:SECRET``.

    Raises:
        ValueError: a line has neither form.
    """
    env: Env = {}
    for line in parsers.lines(raw):
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError("lines of NAME=value or NAME=secretref:SECRET")
        if problem := _problem(name):
            raise ValueError(f"lines of NAME=value; {problem.rstrip('.')}")
        if name in env:
            raise ValueError(f"lines of NAME=value, each name once; '{name}' is given twice")
        if value.startswith(_SECRET_REFERENCE):
            secret = values.secret_name(value.removeprefix(_SECRET_REFERENCE))
            env[name] = EnvValue(secret=secret)
        else:
            env[name] = EnvValue(text=value)
    return env
