"""The storage account behind remote builds: contexts come in, logs go out, by signed addresses.

Source: Azure Storage REST, Put Blob, Put Block, Put Block List, Get Blob, Get Blob Properties
(2019-07-07). Nothing else is supported.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from aiohttp import web

from deploy_action.sandbox.registry.embedded import chunks

VERSION: Final = "2019-07-07"
_LIFE: Final = timedelta(hours=1)
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_MESSAGES: Final = {
    "AuthenticationFailed": "Server failed to authenticate the request. Make sure the value of "
    "Authorization header is formed correctly including the signature.",
    "AuthorizationPermissionMismatch": "This request is not authorized to perform this operation "
    "using this permission.",
    "BlobNotFound": "The specified blob does not exist.",
    "InvalidRange": "The range specified is invalid for the current size of the resource.",
    "InvalidBlockList": "The specified block list is invalid.",
    "UnsupportedHttpVerb": "The resource doesn't support specified Http Verb.",
}


@dataclass(slots=True, kw_only=True)
class Blob:
    """One blob; it exists for readers once *written*."""

    path: Path
    signature: str
    permissions: str
    expires: datetime
    kind: str = "BlockBlob"
    written: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    blocks: dict[str, bytes] = field(default_factory=dict)

    def append(self, text: str) -> None:
        """Add to a log."""
        with self.path.open("ab") as file:
            file.write(text.encode())
        self.written = True
        self.modified = datetime.now(UTC)


class Blobs:
    """The blobs of one account; a `interfaces.Service` for its *host*.

    Args:
        host: such as ``x.blob.core.windows.net``.
        directory: where their bytes are kept.
    """

    def __init__(self, host: str, directory: Path) -> None:
        self.host = host
        self._directory = directory
        self._blobs: dict[str, Blob] = {}

    def create(self, name: str, permissions: str, *, kind: str = "BlockBlob") -> Blob:
        """Create an unwritten blob; *permissions* are those of its address (``r``, ``cw``)."""
        self._directory.mkdir(parents=True, exist_ok=True)
        blob = Blob(
            path=self._directory / secrets.token_hex(16),
            signature=base64.b64encode(secrets.token_bytes(32)).decode(),
            permissions=permissions,
            expires=datetime.now(UTC) + _LIFE,
            kind=kind,
        )
        self._blobs[name] = blob
        return blob

    def find(self, name: str) -> Blob | None:
        """Return a blob that has been written."""
        blob = self._blobs.get(name)
        return blob if blob and blob.written else None

    def address(self, name: str) -> str:
        """Return the signed address of a blob."""
        blob = self._blobs[name]
        query = {
            "sv": VERSION,
            "se": blob.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sr": "b",
            "sp": blob.permissions,
            "sig": blob.signature,
        }
        return f"https://{self.host}/{quote(name)}?{urlencode(query)}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        blob = self._blobs.get(request.path.lstrip("/"))
        response: web.StreamResponse
        if not blob or not _signed(request, blob):
            response = _refused(403, "AuthenticationFailed")
        elif request.method == "PUT":
            response = await self._put(request, blob)
        elif request.method in {"GET", "HEAD"}:
            response = self._get(request, blob)
        else:
            response = _refused(405, "UnsupportedHttpVerb")
        response.headers.update(_common(request))
        return response

    async def _put(self, request: web.BaseRequest, blob: Blob) -> web.Response:
        if "w" not in blob.permissions:
            return _refused(403, "AuthorizationPermissionMismatch")
        part = request.query.get("comp", "")
        if part == "block":
            data = b"".join([chunk async for chunk in chunks(request)])
            blob.blocks[request.query.get("blockid", "")] = data
        elif part == "blocklist":
            listed = b"".join([chunk async for chunk in chunks(request)]).decode()
            ids = re.findall(r"<(?:Latest|Uncommitted|Committed)>([^<]*)<", listed)
            if any(block_id not in blob.blocks for block_id in ids):
                return _refused(400, "InvalidBlockList")
            blob.path.write_bytes(b"".join(blob.blocks[block_id] for block_id in ids))
            blob.blocks.clear()
            blob.written = True
        else:
            with blob.path.open("wb") as file:
                async for chunk in chunks(request):
                    file.write(chunk)
            blob.written = True
        blob.modified = datetime.now(UTC)
        return web.Response(status=201, headers=_about(blob))

    def _get(self, request: web.BaseRequest, blob: Blob) -> web.Response:
        if "r" not in blob.permissions:
            return _refused(403, "AuthorizationPermissionMismatch")
        if not blob.written:
            return _refused(404, "BlobNotFound")
        whole = blob.path.read_bytes()
        headers = _about(blob)
        range_header = request.headers.get("x-ms-range") or request.headers.get("Range") or ""
        match = _RANGE.fullmatch(range_header)
        if not match or request.method == "HEAD":
            return web.Response(body=whole, headers=headers)
        start = int(match[1])
        if start >= len(whole):
            headers["Content-Range"] = f"bytes */{len(whole)}"
            return _refused(416, "InvalidRange", headers)
        part = whole[start : int(match[2]) + 1 if match[2] else None]
        headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
        return web.Response(status=206, body=part, headers=headers)


def _signed(request: web.BaseRequest, blob: Blob) -> bool:
    """Whether the URL has the issued signature and has not expired."""
    sent = request.query.get("sig", "").encode()
    return hmac.compare_digest(sent, blob.signature.encode()) and blob.expires > datetime.now(UTC)


def _about(blob: Blob) -> dict[str, str]:
    headers = {
        "Last-Modified": format_datetime(blob.modified, usegmt=True),
        "ETag": f'"0x{int(blob.modified.timestamp() * 1e6):X}"',
        "x-ms-blob-type": blob.kind,
        "x-ms-request-server-encrypted": "true",
        "Content-Type": "application/octet-stream",
    }
    return {**headers, **{f"x-ms-meta-{name}": text for name, text in blob.metadata.items()}}


def _common(request: web.BaseRequest) -> dict[str, str]:
    headers = {
        "Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
        "x-ms-request-id": secrets.token_hex(16),
        "x-ms-version": request.headers.get("x-ms-version", VERSION),
    }
    client = request.headers.get("x-ms-client-request-id")
    return {**headers, "x-ms-client-request-id": client} if client else headers


def _refused(status: int, code: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{code}</Code><Message>{escape(_MESSAGES[code])}</Message></Error>"
    )
    return web.Response(
        status=status,
        body=body.encode(),
        headers={**(headers or {}), "x-ms-error-code": code, "Content-Type": "application/xml"},
    )
