"""Microsoft Teams' webhooks of Workflows (Power Automate).

They respond 202 before they process the message, so an invalid card is accepted, too, and just
never shown. Source: reports of users of both kinds of addresses, and the schema of adaptive cards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.receivers.inbox import Inbox, read_json

_HOST: Final = re.compile(r"[a-z0-9.-]+\.(logic\.azure\.com|api\.powerplatform\.com)")
_MOST_BYTES: Final = 28 * 1024
_CARD: Final = "application/vnd.microsoft.card.adaptive"
_VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
_ELEMENTS: Final = frozenset(
    {
        *("TextBlock", "RichTextBlock", "Image", "ImageSet", "Media", "Container", "ColumnSet"),
        *("FactSet", "ActionSet", "Table", "CodeBlock"),
    }
)
_ACTIONS: Final = frozenset(
    {"Action.OpenUrl", "Action.ShowCard", "Action.Submit", "Action.ToggleVisibility"}
)


def is_teams(host: str) -> bool:
    """Whether *host* is one of those that Workflows gives its webhooks."""
    return _HOST.fullmatch(host) is not None


class Teams:
    """A `interfaces.Service` for the hosts of `is_teams`.

    Args:
        inbox: keeps the messages, and why one is not shown.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        raw = await request.read()
        if request.method != "POST" or not request.query.get("sig"):
            code = "DirectApiAuthorizationRequired"
            text = "The request must be authenticated only by Shared Access scheme."
            body = {"error": {"code": code, "message": text}}
            self._inbox.keep("teams", request, raw, 401, "the URL has no signature")
            return web.json_response(body, status=401)
        if len(raw) > _MOST_BYTES:
            self._inbox.keep("teams", request, raw, 413, "the message has more than 28 KB")
            return web.Response(status=413, text="Request Entity too large")
        self._inbox.keep("teams", request, raw, 202, _problem(read_json(raw)))
        return web.Response(status=202)


def _problem(message: Any) -> str:
    """Return why a message is not shown."""
    if not isinstance(message, dict):
        return "the body is not a JSON object"
    attachments = message.get("attachments")
    if not isinstance(attachments, list) or not attachments:
        return "Send_each_adaptive_card: the property 'attachments' is of type 'Null'"
    for item in attachments:
        if not isinstance(item, dict) or item.get("contentType") != _CARD:
            return f"an attachment's contentType is not {_CARD}"
        if problem := _card_problem(item.get("content")):
            return problem
    return ""


def _card_problem(card: Any) -> str:
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return "the content is not an AdaptiveCard"
    if card.get("version") not in _VERSIONS:
        return f"the version is not one of {', '.join(_VERSIONS)}"
    body, actions = card.get("body") or [], card.get("actions") or []
    if not isinstance(body, list) or not isinstance(actions, list):
        return "body and actions are lists"
    problems = [*map(_element_problem, body), *map(_action_problem, actions)]
    return next((problem for problem in problems if problem), "")


def _element_problem(element: Any) -> str:
    if not isinstance(element, dict) or element.get("type") not in _ELEMENTS:
        return f"'{_type_of(element)}' is not a card element"
    kind = element["type"]
    if kind == "TextBlock" and not isinstance(element.get("text"), str):
        return "a TextBlock has a text"
    if kind == "FactSet" and not all(map(_is_fact, element.get("facts") or [None])):
        return "a FactSet has facts, each with title and value"
    inner: list[Any] = []
    if kind == "Container":
        inner = element.get("items") or []
    elif kind == "ColumnSet":
        columns = element.get("columns") or []
        inner = [item for column in columns for item in column.get("items") or []]
    return next((problem for problem in map(_element_problem, inner) if problem), "")


def _is_fact(fact: Any) -> bool:
    names = ("title", "value")
    return isinstance(fact, dict) and all(isinstance(fact.get(name), str) for name in names)


def _action_problem(action: Any) -> str:
    if not isinstance(action, dict) or action.get("type") not in _ACTIONS:
        return f"'{_type_of(action)}' is not a card action"
    if action["type"] == "Action.OpenUrl" and not str(action.get("url")).startswith("https://"):
        return "Action.OpenUrl has an address that begins with https://"
    return ""


def _type_of(item: Mapping[str, Any] | Any) -> Any:
    return item.get("type") if isinstance(item, dict) else item
