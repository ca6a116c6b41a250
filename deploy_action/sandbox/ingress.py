"""The ingress: one replica chosen for each request, bodies streamed both ways."""

from __future__ import annotations

import secrets

import aiohttp
from aiohttp import web

from deploy_action.sandbox.faults import Faults
from deploy_action.sandbox.seams import Backend, Directory, Refusal
from deploy_action.sandbox.world import Clock

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_TRIES = 2
_NO_UPSTREAM = (
    "upstream connect error or disconnect/reset before headers. reset reason: connection failure"
)


class Ingress:
    """Answers for the data plane's host names.

    Args:
        directory: knows which replica answers.
        faults: what goes wrong on purpose.
        clock: scales the faults' delays.
    """

    def __init__(self, directory: Directory, *, faults: Faults, clock: Clock) -> None:
        self._directory = directory
        self._faults = faults
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool of connections to replicas."""
        timeout = aiohttp.ClientTimeout(total=240, sock_connect=5)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15),
            timeout=timeout,
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the pool."""
        if self._session:
            await self._session.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of a user."""
        host = request.host.partition(":")[0].lower()
        picked = await self._directory.pick(host)
        if isinstance(picked, Refusal):
            self._directory.answered(host, None, picked.status)
            return web.Response(status=picked.status, text=picked.reason)
        if struck := await self._struck(host, request, picked):
            return struck
        body = request.content if request.body_exists else None
        for attempt in range(_TRIES):
            try:
                reply = await self._ask(f"http://{picked.host}:{picked.port}", request, body)
            except aiohttp.ServerDisconnectedError:
                # A kept connection may end just as it is used again; a body is not sent twice.
                if body is None and attempt + 1 < _TRIES:
                    continue
                break
            except aiohttp.ClientError:
                break
            self._directory.answered(host, picked, reply.status)
            return await _passed_on(request, reply)
        self._directory.answered(host, picked, 503)
        return web.Response(status=503, text=_NO_UPSTREAM)

    async def _struck(
        self, host: str, request: web.BaseRequest, picked: Backend
    ) -> web.Response | None:
        """Let go wrong what is to go wrong; return what is answered instead, if anything is."""
        fault = self._faults.strike(host, request.method, request.path, picked.revision)
        if fault is None:
            return None
        await self._clock.sleep(fault.delay)
        if fault.crash:
            self._directory.crash(picked)
        if fault.drop:
            self._directory.answered(host, picked, 0)
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError("a scripted fault")
        if fault.status is None:
            return None
        self._directory.answered(host, picked, fault.status)
        return fault.answer()

    async def _ask(
        self, base: str, request: web.BaseRequest, body: aiohttp.StreamReader | None
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the ingress was not started")
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP]
        headers += [
            ("X-Forwarded-For", request.remote or "127.0.0.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Request-Id", secrets.token_hex(16)),
        ]
        return await self._session.request(
            request.method,
            base + request.raw_path,
            headers=headers,
            data=body,
            allow_redirects=False,
        )


async def _passed_on(request: web.BaseRequest, reply: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, reason=reply.reason)
    for name, value in reply.headers.items():
        if name.lower() not in _HOP_BY_HOP:
            response.headers.add(name, value)
    async with reply:
        await response.prepare(request)
        async for chunk in reply.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response
