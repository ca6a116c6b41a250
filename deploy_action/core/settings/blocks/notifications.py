"""``notifications``: recipients of messages about a deployment::

notifications:
  - channel: slack
    url: ${SLACK_WEBHOOK}                  # a variable of the step's environment
  - channel: webhook
    url: https://…                         # refused: the URL is a secret
    secret: keyvault:my-vault/hook-secret
    events: [succeeded, action-required]
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.notification import DEFAULT_EVENTS, Channel, Event, Notification
from deploy_action.core.settings import parsers
from deploy_action.core.settings.blocks.reading import Faults, Field, is_null, scalar_of, texts
from deploy_action.core.settings.tree import Mapping, Node, Scalar, Sequence

SECRET_KEYS = ("url", "secret")
_REFERENCE = {
    "type": "string",
    "pattern": r"^(\$\{[A-Za-z_]\w*\}|keyvault:[A-Za-z0-9-]+/[A-Za-z0-9-]+)$",
}
SCHEMA: dict[str, Any] = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["channel", "url"],
        "properties": {
            "channel": {"enum": [channel.value for channel in Channel]},
            "url": _REFERENCE,
            "secret": _REFERENCE,
            "events": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": [event.value for event in Event]},
            },
        },
    },
}


def text(raw: str) -> tuple[Notification, ...]:
    """Refuse every text: the setting is a list of blocks."""
    if raw.strip():
        raise ValueError("a list of channels, see docs/notifications.md")
    return ()


def block(node: Node) -> tuple[Notification, ...]:
    """Read the setting ``notifications``; ``${NAME}`` is already replaced where it has a value.

    Raises:
        InputError: with every fault; none contains a URL or a secret.
    """
    faults = Faults()
    items: tuple[Node, ...] = ()
    if isinstance(node, Sequence):
        items = node.items
    elif not is_null(node):
        faults.add("notifications", "it must be a list of channels.", node.location)
    notifications = [
        _notification(faults, item, f"notifications.{number}")
        for number, item in enumerate(items, 1)
    ]
    faults.raise_any()
    return tuple(item for item in notifications if item)


def _events(faults: Faults, node: Node, path: str) -> frozenset[Event] | None:
    is_single = isinstance(node, Scalar) and not node.null
    names = (node.text,) if isinstance(node, Scalar) and is_single else texts(faults, node, path)
    events = set()
    for name in names or ():
        try:
            events.add(parsers.one_of(Event)(name))
        except ValueError as error:
            faults.add(path, f"'{name}' must be {error}.", node.location)
    if not names:
        faults.add(path, "it has no event.", node.location)
    return frozenset(events)


_FIELDS: dict[str, Field] = {
    "channel": scalar_of(parsers.one_of(Channel)),
    "url": scalar_of(str.strip),
    "secret": scalar_of(str.strip),
    "events": _events,
}


def _notification(faults: Faults, node: Node, path: str) -> Notification | None:
    if not isinstance(node, Mapping):
        faults.add(path, "it must be a block with channel and url.", node.location)
        return None
    before = len(faults.found)
    fields = faults.fields(node, path, _FIELDS)
    for name in ("channel", "url"):
        if node.get(name) is None:
            faults.add(path, f"{name} is missing.", node.location)
    if len(faults.found) > before:
        return None
    signed, has_secret = fields["channel"] is Channel.WEBHOOK, "secret" in fields
    if signed and not has_secret:
        faults.add(path, "secret is missing; it signs the webhook's messages.", node.location)
    if has_secret and not signed:
        faults.add(f"{path}.secret", "only channel: webhook has one.", node.location)
    return Notification(
        channel=fields["channel"],
        events=fields.get("events", DEFAULT_EVENTS),
        url=fields["url"],
        secret=fields.get("secret", ""),
    )
