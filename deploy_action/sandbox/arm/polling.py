"""URLs of long-running operations: signed, long, and valid only unchanged.

Source: recorded traffic since autumn 2023: subscription-scoped, about 3,000 characters, the query
parameters ``t``, ``c``, ``s`` and ``h``; the whole query must be sent back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from aiohttp import web

from deploy_action.sandbox.world import Operation

HOST: Final = "https://management.azure.com"
_CERTIFICATE: Final = secrets.token_urlsafe(1900)  # as long as the certificate that Azure puts here


class Addresses:
    """Makes and checks these URLs; the key exists as long as the sandbox runs."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def status(
        self,
        operation: Operation,
        subscription: str,
        api_version: str,
        *,
        kind: str = "containerappOperationStatuses",
    ) -> str:
        """Return the address for ``Azure-AsyncOperation``."""
        path = self._path(operation, subscription, kind)
        return self._signed(path, {"api-version": api_version, "azureAsyncOperation": "true"})

    def result(self, operation: Operation, subscription: str, api_version: str) -> str:
        """Return the address for ``Location``."""
        path = self._path(operation, subscription, "containerappOperationResults")
        return self._signed(path, {"api-version": api_version})

    def is_valid(self, request: web.BaseRequest) -> bool:
        """Whether a request has the query that was issued for its path."""
        query = dict(parse_qsl(urlsplit(request.raw_path).query, keep_blank_values=True))
        signature = query.pop("h", "")
        return hmac.compare_digest(signature, self._digest(request.path, query))

    def _path(self, operation: Operation, subscription: str, kind: str) -> str:
        home = f"/subscriptions/{subscription}/providers/Microsoft.App/locations"
        return f"{home}/{operation.location}/{kind}/{operation.id}"

    def _signed(self, path: str, query: dict[str, str]) -> str:
        query["t"] = str(time.time_ns() // 100)
        query["c"] = _CERTIFICATE
        query["s"] = secrets.token_urlsafe(256)
        query["h"] = self._digest(path, query)
        return f"{HOST}{quote(path)}?{urlencode(query)}"

    def _digest(self, path: str, query: dict[str, str]) -> str:
        text = f"{path.lower()}?{urlencode(sorted(query.items()))}"
        mac = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")
