"""A message for a webhook of Teams' app Workflows, as an adaptive card.

Source: the schema of adaptive cards 1.4 (Teams supports up to 1.5). All text is in the ``TextRun``
of a ``RichTextBlock``, which renders no Markdown, unlike ``TextBlock`` and ``FactSet``.
"""

from __future__ import annotations

import json
from typing import Any

from deploy_action.core.notification import Event
from deploy_action.report.notifications.message import Message

MOST_BYTES = 28 * 1024  # of the whole request
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
_COLOURS = {
    Event.STARTED: "Default",
    Event.SUCCEEDED: "Good",
    Event.ROLLED_BACK: "Warning",
    Event.ABORTED: "Attention",
    Event.ACTION_REQUIRED: "Attention",
}


def payload(message: Message) -> dict[str, Any]:
    """Return the message as JSON data; if it is too long, without reason and next step."""
    whole = _envelope(message, message.reason, message.next_step)
    size = len(json.dumps(whole).encode())
    return whole if size <= MOST_BYTES else _envelope(message, "See the run.", "")


def _envelope(message: Message, reason: str, next_step: str) -> dict[str, Any]:
    content_type = "application/vnd.microsoft.card.adaptive"
    card = _card(message, reason, next_step)
    attachment = {"contentType": content_type, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _card(message: Message, reason: str, next_step: str) -> dict[str, Any]:
    colour = _COLOURS[message.event]
    body = [_block(_run(message.headline, weight="Bolder", size="Large", color=colour))]
    for label, text in (("", reason), ("Next: ", next_step)):
        if text:
            body.append(_block(*_label(label), _run(text)))
    for number, (title, text) in enumerate(message.facts()):
        block = _block(*_label(f"{title}: "), _run(text))
        body.append(block if number == 0 else {**block, "spacing": "Small"})
    return {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.headline,
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": title, "url": url}
            for title, url in message.links.items()
        ],
    }


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}


def _label(text: str) -> list[dict[str, Any]]:
    return [_run(text, weight="Bolder")] if text else []
