"""Slack's incoming webhooks, with the limits of Block Kit.

Source: "Sending messages using incoming webhooks" and the reference of blocks; answers are short
texts. Slack's limit of one message per second is not simulated; use a fault with status 429.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from deploy_action.sandbox.receivers.inbox import Inbox, read_json

HOST: Final = "hooks.slack.com"
_HOOK: Final = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")
_MOST_BLOCKS, _LONGEST_MESSAGE = 50, 13_200
_RICH_SECTIONS: Final = frozenset(
    {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
)
_RICH_ELEMENTS: Final = frozenset(
    {*("text", "link", "emoji", "user", "usergroup", "channel", "broadcast", "date", "color")}
)
_PLAIN, _ANY_TEXT = ("plain_text",), ("plain_text", "mrkdwn")


class Slack:
    """A `interfaces.Service` for `HOST`.

    Args:
        inbox: keeps the messages.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        raw = await request.read()
        status, text, problem = _answer(request, raw)
        self._inbox.keep("slack", request, raw, status, problem)
        return web.Response(status=status, text=text)


def _answer(request: web.BaseRequest, raw: bytes) -> tuple[int, str, str]:
    """Return the status, the text and why a message is refused."""
    if request.method != "POST" or not _HOOK.fullmatch(request.path):
        return 404, "no_service", "there is no such webhook"
    if request.content_type == "application/x-www-form-urlencoded":
        fields = parse_qs(raw.decode("utf-8", "replace"))
        raw = fields.get("payload", [""])[0].encode()
    message = read_json(raw)
    if not isinstance(message, dict):
        return 400, "invalid_payload", "the body is not a JSON object"
    blocks = message.get("blocks")
    if not (message.get("text") or blocks or message.get("attachments")):
        return 400, "no_text", "neither text nor blocks"
    if blocks is None:
        return 200, "ok", ""
    try:
        _check_blocks(blocks)
    except _InvalidError as error:
        code = "msg_blocks_too_long" if error.too_long else "invalid_blocks"
        return 400, code, str(error)
    return 200, "ok", ""


class _InvalidError(Exception):
    def __init__(self, text: str, *, too_long: bool = False) -> None:
        super().__init__(text)
        self.too_long = too_long


def _need(fine: object, text: str) -> None:
    if not fine:
        raise _InvalidError(text)


def _check_blocks(blocks: Any) -> None:
    _need(isinstance(blocks, list), "blocks is a list")
    _need(len(blocks) <= _MOST_BLOCKS, f"at most {_MOST_BLOCKS} blocks")
    names: list[str] = []
    for block in blocks:
        _need(isinstance(block, dict), "a block is an object")
        kind = block.get("type")
        _need(kind in _BLOCKS, f"'{kind}' is not a block type")
        name = str(block.get("block_id") or "")
        _need(len(name) <= 255, "block_id has at most 255 characters")
        _need(not name or name not in names, f"block_id '{name}' is used twice")
        names.append(name)
        _BLOCKS[kind](block)
    if sum(map(_length, blocks)) > _LONGEST_MESSAGE:
        text = f"all blocks have at most {_LONGEST_MESSAGE} characters"
        raise _InvalidError(text, too_long=True)


def _length(value: Any) -> int:
    """Return how many characters the texts of a block have."""
    if isinstance(value, dict):
        own = len(value["text"]) if isinstance(value.get("text"), str) else 0
        return own + sum(_length(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(map(_length, value))
    return 0


def _check_text(value: Any, longest: int, kinds: tuple[str, ...]) -> None:
    _need(isinstance(value, dict), "a text is an object")
    _need(value.get("type") in kinds, f"a text of type {' or '.join(kinds)} was expected")
    text = value.get("text")
    _need(isinstance(text, str) and text, "a text is not empty")
    _need(len(str(text)) <= longest, f"the text has more than {longest} characters")


def _header(block: Mapping[str, Any]) -> None:
    _check_text(block.get("text"), 150, _PLAIN)


def _section(block: Mapping[str, Any]) -> None:
    fields = block.get("fields")
    _need(block.get("text") or fields, "a section has text or fields")
    if block.get("text"):
        _check_text(block["text"], 3000, _ANY_TEXT)
    if fields is not None:
        _need(isinstance(fields, list) and 0 < len(fields) <= 10, "a section has 1 to 10 fields")
        for item in fields:
            _check_text(item, 2000, _ANY_TEXT)
    if block.get("accessory"):
        _element(block["accessory"])


def _context(block: Mapping[str, Any]) -> None:
    elements = block.get("elements")
    _need(isinstance(elements, list) and 0 < len(elements) <= 10, "a context has 1 to 10 elements")
    for item in elements or ():
        if isinstance(item, dict) and item.get("type") == "image":
            _image(item)
        else:
            _check_text(item, 2000, _ANY_TEXT)


def _actions(block: Mapping[str, Any]) -> None:
    elements = block.get("elements")
    _need(isinstance(elements, list) and 0 < len(elements) <= 25, "actions has 1 to 25 elements")
    for item in elements or ():
        _element(item)


def _element(item: Any) -> None:
    _need(isinstance(item, dict) and item.get("type"), "an element has a type")
    if item["type"] == "button":
        _check_text(item.get("text"), 75, _PLAIN)
        _need(len(str(item.get("url") or "")) <= 3000, "a button's url has at most 3000 characters")
        _need(len(str(item.get("value") or "")) <= 2000, "a value has at most 2000 characters")
        _need(item.get("style") in {None, "primary", "danger"}, "a style is primary or danger")


def _image(block: Mapping[str, Any]) -> None:
    _need(block.get("image_url") or block.get("slack_file"), "an image has an address")
    _need(len(str(block.get("image_url") or "")) <= 3000, "image_url has at most 3000 characters")
    _need(0 < len(str(block.get("alt_text") or "")) <= 2000, "alt_text has 1 to 2000 characters")


def _markdown(block: Mapping[str, Any]) -> None:
    text = block.get("text")
    _need(isinstance(text, str) and 0 < len(text) <= 12_000, "markdown has 1 to 12,000 characters")


def _rich_text(block: Mapping[str, Any]) -> None:
    sections = block.get("elements")
    _need(isinstance(sections, list) and sections, "rich_text has elements")
    for section in sections or ():
        kind = section.get("type") if isinstance(section, dict) else None
        _need(kind in _RICH_SECTIONS, f"'{kind}' is not an element of rich_text")
        _need(isinstance(section.get("elements"), list), f"{kind} has elements")
        for element in section["elements"] if kind != "rich_text_list" else ():
            _rich_element(element)


def _rich_element(element: Any) -> None:
    kind = element.get("type") if isinstance(element, dict) else None
    _need(kind in _RICH_ELEMENTS, f"'{kind}' is not an element of a rich_text_section")
    if kind == "text":
        _need(isinstance(element.get("text"), str) and element["text"], "a text is not empty")
    if kind == "link":
        _need(str(element.get("url") or "").startswith("http"), "a link has a url")
    style = element.get("style", {})
    styles = {"bold", "italic", "strike", "code", "underline"}
    _need(isinstance(style, dict) and set(style) <= styles, "a style has bold, italic, …")


def _anything(_: Mapping[str, Any]) -> None:
    """Accept a block whose limits are not checked."""


_BLOCKS: Final[Mapping[Any, Callable[[Mapping[str, Any]], None]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "markdown": _markdown,
    "divider": _anything,
    "rich_text": _rich_text,
    "table": _anything,
}
