"""Passes connections to other hosts on, unread, so that workflows can install packages.

Off by default: then no request leaves the sandbox.
"""

from __future__ import annotations

import asyncio
import base64
import os
from typing import Final
from urllib.parse import unquote, urlsplit

_LONGEST_HEAD: Final = 64 * 1024
_CONNECT_S: Final = 20.0


async def open_way(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the real *host*, through the proxy that this process itself was given, if any.

    Raises:
        OSError: connecting failed; the message says why.
    """
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    async with asyncio.timeout(_CONNECT_S):
        if not proxy or _bypasses_proxy(host):
            return await asyncio.open_connection(host, port)
        parts = urlsplit(proxy)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        if parts.username:
            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            head += f"Proxy-Authorization: Basic {base64.b64encode(who.encode()).decode()}\r\n"
        writer.write(f"{head}\r\n".encode())
        response = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in response.split(b"\r\n", 1)[0] + b" ":
            writer.close()
            raise OSError(response.split(b"\r\n", 1)[0].decode("latin-1"))
        return reader, writer


def _bypasses_proxy(host: str) -> bool:
    """Whether the proxy is not for *host*."""
    listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    names = [name.strip().lstrip(".") for name in listed.split(",") if name.strip()]
    return "*" in names or any(host == name or host.endswith(f".{name}") for name in names)


class Tunnel(asyncio.Protocol):
    """Forwards a client's data; `_answer` forwards the response."""

    def __init__(
        self,
        client: asyncio.Transport,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._client = client
        self._reader = reader
        self._writer = writer
        self._task = asyncio.ensure_future(self._answer())

    async def _answer(self) -> None:
        try:
            while data := await self._reader.read(_LONGEST_HEAD):
                self._client.write(data)
        except OSError:
            pass
        finally:
            self._client.close()

    def data_received(self, data: bytes) -> None:
        """Forward the data."""
        self._writer.write(data)

    def eof_received(self) -> bool:
        """Forward end-of-file; the response may still arrive."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End both sides."""
        del exc
        self._task.cancel()
        self._writer.close()
