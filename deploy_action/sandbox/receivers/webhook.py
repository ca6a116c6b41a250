"""A receiver of signed webhooks.

Source: the specification of Standard Webhooks: HMAC-SHA256 over id, timestamp and body, a
tolerance of five minutes, several signatures separated by spaces.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Final

from aiohttp import web

from deploy_action.sandbox.receivers.inbox import Inbox

HOST: Final = "webhooks.example.com"
_TOLERANCE_S, _MOST_BYTES = 300, 1024 * 1024


class Webhook:
    """A `interfaces.Service` for `HOST`; the message is refused unless its signature is right.

    Args:
        inbox: keeps the messages.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._key = secrets.token_bytes(24)

    @property
    def secret(self) -> str:
        """The secret that the sender signs with."""
        return "whsec_" + base64.b64encode(self._key).decode()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        raw = await request.read()
        problem = self._problem(request, raw)
        status = 401 if problem else 204
        if request.method != "POST":
            status, problem = 405, "only POST is received"
        elif len(raw) > _MOST_BYTES:
            status, problem = 413, "the message has more than 1 MB"
        self._inbox.keep("webhook", request, raw, status, problem)
        if status == 204:
            return web.Response(status=204)
        return web.json_response({"error": problem}, status=status)

    def _problem(self, request: web.BaseRequest, raw: bytes) -> str:
        """Return why the signature is not accepted."""
        headers = {
            name: request.headers.get(f"webhook-{name}", "")
            for name in ("id", "timestamp", "signature")
        }
        if missing := [name for name, value in headers.items() if not value]:
            return f"the header webhook-{missing[0]} is missing"
        stamp = headers["timestamp"]
        if not stamp.isdecimal() or abs(time.time() - int(stamp)) > _TOLERANCE_S:
            return "the timestamp is not within five minutes of now"
        signed = f"{headers['id']}.{stamp}.".encode() + raw
        digest = hmac.new(self._key, signed, hashlib.sha256).digest()
        right = b"v1," + base64.b64encode(digest)
        signatures = headers["signature"].encode("utf-8", "replace").split(b" ")
        if not any(hmac.compare_digest(signature, right) for signature in signatures):
            return "no signature matches"
        return ""
