"""A message for Slack's incoming webhooks, in Block Kit.

Source: "Sending messages using incoming webhooks" and the reference of Block Kit's blocks. External
text is only in elements that Slack shows literally (``plain_text`` and the ``text`` of
``rich_text``); the fallback ``text`` is the only mrkdwn, in which ``&``, ``<`` and ``>`` are
escaped.
"""

from __future__ import annotations

from typing import Any

from deploy_action.report.notifications.message import LONGEST_HEADLINE, Message, cut

_LONGEST_HEADER = 150
_BOLD = {"bold": True}


def payload(message: Message) -> dict[str, Any]:
    """Return the message as JSON data."""
    header = cut(message.headline.replace("\n", " "), min(LONGEST_HEADLINE, _LONGEST_HEADER))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}
    ]
    for label, text in (("", message.reason), ("Next: ", message.next_step)):
        if text:
            blocks.append(_section([*_bold(label), _text(text)]))
    elements: list[dict[str, Any]] = []
    for title, text in message.facts():
        elements += [*_bold(f"{title}: "), _text(f"{text}\n")]
    if elements:
        blocks.append(_section(elements))
    links: list[dict[str, Any]] = []
    for title, url in message.links.items():
        links += [*([_text("  ·  ")] if links else []), {"type": "link", "url": url, "text": title}]
    if links:
        blocks.append(_section(links))
    return {"text": escape(header), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def escape(text: str) -> str:
    """Escape the three characters that are control characters in mrkdwn.

    >>> escape("<!channel> & <https://evil.example|click>")
    '&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(elements: list[dict[str, Any]]) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "elements": [section]}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _bold(label: str) -> list[dict[str, Any]]:
    return [{**_text(label), "style": _BOLD}] if label else []
