"""``app-insights``: where a deployment is marked, as a resource ID or as a block::

    app-insights:
      resource: /subscriptions/…/providers/Microsoft.Insights/components/contoso
      connection-string: ${APPLICATIONINSIGHTS_CONNECTION_STRING}

Each of the two may be omitted.
"""

from __future__ import annotations

import re
from typing import Any

from deploy_action.core.app_insights import AppInsights
from deploy_action.core.settings.blocks.reading import Faults, Field, scalar_of
from deploy_action.core.settings.tree import Node, Scalar

SECRET_KEYS = ("connection-string",)
_RESOURCE = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Insights"
    r"/components/[^/\s]+",
    re.IGNORECASE,
)
SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": ["string", "null"]},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "resource": {"type": "string"},
                "connection-string": {
                    "type": "string",
                    "pattern": r"^(\$\{[A-Za-z_]\w*\}|keyvault:[A-Za-z0-9-]+/[A-Za-z0-9-]+)$",
                },
            },
        },
    ]
}


def text(raw: str) -> AppInsights:
    """Read a resource ID; nothing disables it."""
    return AppInsights(resource=_resource(raw) if raw.strip() else "")


def block(node: Node) -> AppInsights:
    """Read the setting; ``${NAME}`` is already replaced where it has a value.

    Raises:
        InputError: with every fault; none contains a connection string.
        ValueError: a text is not a resource ID.
    """
    if isinstance(node, Scalar):
        return text("" if node.null else node.text)
    faults = Faults()
    fields = faults.fields(node, "app-insights", _FIELDS)
    faults.raise_any()
    return AppInsights(**fields)


def _resource(raw: str) -> str:
    if not _RESOURCE.fullmatch(raw.strip()):
        raise ValueError(
            "a resource ID such as /subscriptions/ID/resourceGroups/GROUP/providers/"
            "Microsoft.Insights/components/NAME"
        )
    return raw.strip()


_FIELDS: dict[str, Field] = {
    "resource": scalar_of(_resource),
    "connection-string": scalar_of(str.strip),
}
