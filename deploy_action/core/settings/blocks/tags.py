"""``tags``: tags of the app's resource::

tags:
cost-centre: well-intake
old: null            # removed
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.journal import MOST_TAGS, PREFIX
from deploy_action.core.revisions.changes import REMOVE, Remove
from deploy_action.core.settings.blocks.reading import Faults, is_null
from deploy_action.core.settings.tree import Node

Tags = dict[str, str | Remove]
# Azure Resource Manager: "Use tags to organize your Azure resources", limitations.
_LONGEST_NAME, _LONGEST_VALUE, _RESERVED = 512, 256, "<>%&\\?/"

SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "maxProperties": MOST_TAGS,
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}


def _value(text: str) -> str:
    if len(text) > _LONGEST_VALUE:
        raise ValueError(f"at most {_LONGEST_VALUE} characters long")
    return text


def block(node: Node) -> Tags:
    """Read the setting ``tags``.

    Raises:
        InputError: with every fault.
    """
    faults = Faults()
    tags: Tags = {}
    names: dict[str, str] = {}
    for key, value in faults.pairs(node, "tags"):
        name = key.text
        if problem := _problem(name, names):
            faults.add(f"tags.{name}", problem, key.location)
        names[name.lower()] = name
        if is_null(value):
            tags[name] = REMOVE
        elif (text := faults.scalar(value, f"tags.{name}", _value)) is not None:
            tags[name] = text
    if len(tags) > MOST_TAGS:
        faults.add("tags", f"a resource has at most {MOST_TAGS} tags.", node.location)
    faults.raise_any()
    return tags


def _problem(name: str, names: dict[str, str]) -> str:
    if name.lower().startswith(PREFIX):
        return f"names that begin with {PREFIX} are reserved for the deployment's own data."
    if not name or len(name) > _LONGEST_NAME or any(sign in _RESERVED for sign in name):
        return f"a tag name can have at most {_LONGEST_NAME} characters, and none of {_RESERVED}."
    if name.lower() in names:
        return f"it is the same tag as '{names[name.lower()]}': tag names are case-insensitive."
    return ""
