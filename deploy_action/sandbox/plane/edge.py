"""The users' side of the ingress: one replica for each request, bodies stream both ways."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote

import httptools

from deploy_action.sandbox.faults import Fault, Faults
from deploy_action.sandbox.interfaces import Backend, Refusal, Router
from deploy_action.sandbox.plane.messages import Framing, Request, framing_of, whole_answer
from deploy_action.sandbox.plane.upstream import Broken, Pool, Upstream
from deploy_action.sandbox.world import Clock

ANSWER_S = 240.0  # Azure Container Apps, "Ingress": a request times out after 240 seconds
_MOST_WAITING, _MOST_AHEAD, _LONGEST_HEAD = 256 * 1024, 16, 64 * 1024
_TOO_LARGE = "Request Header Fields Too Large\n"
_NO_UPSTREAM = (
    "upstream connect error or disconnect/reset before headers. reset reason: connection failure"
)


class Plane:
    """Serves the host names of the data plane.

    Args:
        router: chooses the replica for a request.
        faults: the scripted faults.
        clock: scales the faults' delays.
        seen: called with host, method, path and status of each response; 0 without one.
    """

    def __init__(
        self,
        router: Router,
        *,
        faults: Faults,
        clock: Clock,
        on_request: Callable[[str, str, str, int], None],
    ) -> None:
        self.router = router
        self.faults = faults
        self.clock = clock
        self.on_request = on_request
        self.pool = Pool()
        self.edges: set[Edge] = set()

    def protocol(self) -> asyncio.Protocol:
        """Return what serves one connection of a user."""
        return Edge(self)

    async def close(self) -> None:
        """End all connections."""
        tasks = [edge.end() for edge in list(self.edges)]
        await asyncio.gather(*tasks, return_exceptions=True)
        self.pool.close()


class Edge(asyncio.Protocol):
    """One connection of a user."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._transport: asyncio.Transport
        self._peer = ""
        self._parser = httptools.HttpRequestParser(self)
        self._task: asyncio.Task[None]
        self._coming = Request()
        self._head_size = self._unparsed = 0
        self._requests: deque[Request] = deque()
        self._arrived = asyncio.Event()
        self._held: set[str] = set()
        self._current: Request | None = None
        self._sink: Upstream | None = None
        self._lost = self._upgraded = False
        self._began = 0.0

    # -- requests come in: asyncio and httptools' callbacks --------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else "127.0.0.1"
        self._plane.edges.add(self)
        self._task = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request, or pass data on after an upgrade."""
        if self._sink and self._sink.tunnel:
            self._sink.body(data)
            return
        if self._upgraded:  # after an upgrade, the data belong to the other protocol
            self.on_body(data)
            return
        if self._lost or self._transport.is_closing():
            return
        self._unparsed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as switch:
            self._upgraded = True
            if rest := data[switch.args[0] :]:
                self.on_body(rest)
        except httptools.HttpParserError as error:
            self._refuse(400, f"Bad Request: {error}\n")
        if self._unparsed > 2 * _LONGEST_HEAD:
            self._refuse(431, _TOO_LARGE)

    def _refuse(self, status: int, text: str) -> None:
        self.write(whole_answer(status, text, keep=False, bodiless=False))
        self._transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._coming = Request()

    def on_url(self, target: bytes) -> None:
        """Take a part of the target."""
        self._coming.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field; those of a trailer are dropped."""
        if not self._coming.method:
            self._coming.fields.append((name, value))
            self._head_size += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """Let the request be answered; its body may still be on the way."""
        request, parser = self._coming, self._parser
        size, self._head_size, self._unparsed = self._head_size, 0, 0
        if size > _LONGEST_HEAD:
            self._refuse(431, _TOO_LARGE)
            return
        request.method = parser.get_method()
        request.framing = framing_of(request.fields) or Framing.NONE
        request.keep = parser.should_keep_alive()
        request.upgrade = parser.should_upgrade()
        request.modern = parser.get_http_version() != "1.0"
        self._requests.append(request)
        self._arrived.set()
        if len(self._requests) > _MOST_AHEAD:
            self.hold("ahead")

    def on_body(self, piece: bytes) -> None:
        """Pass a part of the body on, or buffer it until there is a replica."""
        self._unparsed = 0
        request = self._coming
        if self._sink and request is self._current:
            self._sink.body(piece)
        elif not request.unwanted:
            request.early.append(piece)
            request.early_size += len(piece)
            if request.early_size > _MOST_WAITING:
                self.hold("early")

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        self._unparsed = 0
        request = self._coming
        if request.upgrade:
            return
        request.ended = True
        if self._sink and request is self._current:
            self._sink.end()
        self._arrived.set()

    def hold(self, why: str) -> None:
        """Pause reading for the reason *why*."""
        if not self._held and not self._lost:
            self._transport.pause_reading()
        self._held.add(why)

    def free(self, why: str) -> None:
        """Resume reading, unless it is paused for another reason."""
        if self._held:
            self._held.discard(why)
            if not self._held and not self._lost:
                self._transport.resume_reading()

    # -- answers go out --------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        if not self._lost:
            self._transport.write(data)

    def pause_writing(self) -> None:
        """Pause the replica while the user reads too slowly."""
        if self._sink:
            self._sink.hold()

    def resume_writing(self) -> None:
        """Resume the replica."""
        if self._sink:
            self._sink.free()

    def connection_lost(self, _: Exception | None) -> None:
        """Cancel the request to the replica when the user disconnects."""
        self._lost = True
        self._plane.edges.discard(self)
        self._task.cancel()

    def end(self) -> asyncio.Task[None]:
        """End the connection; return what to wait for."""
        self._transport.abort()
        self._task.cancel()
        return self._task

    # -- one request after another ---------------------------------------------------------------

    async def _serve(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                request = await self._next()
                await self._answer(request)
                if not request.keep:
                    break
                await self._rest_of(request)
        self._transport.close()

    async def _next(self) -> Request:
        while not self._requests:
            self._arrived.clear()
            await self._arrived.wait()
        self.free("ahead")
        return self._requests.popleft()

    async def _rest_of(self, request: Request) -> None:
        """Discard the rest of a request body that the app did not read."""
        request.unwanted = True
        request.early.clear()
        self.free("early")
        while not request.ended:
            self._arrived.clear()
            await self._arrived.wait()

    async def _answer(self, request: Request) -> None:
        host = request.get(b"host").partition(b":")[0].decode("latin-1").lower()
        path = unquote(request.target.partition(b"?")[0].decode("latin-1"))
        method = request.method.decode("latin-1")
        status, self._began = 0, time.monotonic()
        try:
            status = await self._status(request, host, method, path)
        finally:
            self._plane.on_request(host, method, path, status)

    def _answered(self, host: str, source: Backend | Refusal, status: int) -> None:
        took_s = time.monotonic() - self._began
        self._plane.router.answered(host, source, status, took_s)

    async def _status(self, request: Request, host: str, method: str, path: str) -> int:
        """Answer; return with which status."""
        plane, router = self._plane, self._plane.router
        picked = await router.pick(host)
        if isinstance(picked, Refusal):
            self._answered(host, picked, picked.status)
            return self._own(request, picked.status, picked.reason)
        for revision in ("", picked.revision):
            fault = plane.faults.strike(host, method, path, revision)
            if (
                fault
                and (status := await self._apply_fault(fault, request, host, picked)) is not None
            ):
                return status
        for fresh in (False, True):
            try:
                upstream = await plane.pool.get((picked.host, picked.port), fresh=fresh)
                return await self._exchange(upstream, request, host, picked)
            except Broken as broken:
                if broken.begun:
                    raise ConnectionResetError from None
                # A kept connection may end just as it is used again; a body is not sent twice.
                if broken.stale and request.framing is Framing.NONE and not fresh:
                    continue
                break
            except OSError:  # TimeoutError, too
                break
        self._answered(host, picked, 503)
        return self._own(request, 503, _NO_UPSTREAM)

    async def _exchange(
        self, upstream: Upstream, request: Request, host: str, picked: Backend
    ) -> int:
        upstream.begin(
            self, request, request.head(peer=self._peer, request_id=secrets.token_hex(16))
        )
        self._sink, self._current = upstream, request
        try:
            for piece in request.early:
                upstream.body(piece)
            request.early.clear()
            self.free("early")
            if request.ended:
                upstream.end()
            over = upstream.over
            try:
                async with asyncio.timeout(ANSWER_S):
                    status = await upstream.answered
            except TimeoutError:
                upstream.close()  # or its late response would be used for the next request
                self._answered(host, picked, 504)
                return self._own(request, 504, "stream timeout")
            self._answered(host, picked, status)
            if over:
                await over
        except BaseException:
            upstream.close()
            raise
        finally:
            self._sink = None
            self.free("replica")
        if request.upgrade:
            request.keep = False
        return status

    async def _apply_fault(
        self, fault: Fault, request: Request, host: str, picked: Backend
    ) -> int | None:
        """Apply a scripted fault; return the status that is sent instead."""
        await self._plane.clock.sleep(fault.delay)
        if fault.crash:
            self._plane.router.crash(picked)
        if fault.drop:
            self._answered(host, picked, 0)
            self._transport.abort()
            raise ConnectionResetError("a scripted fault")
        if fault.status is None:
            return None
        self._answered(host, picked, fault.status)
        return self._own(request, fault.status, fault.body, fault.fields)

    def _own(
        self, request: Request, status: int, text: str, fields: dict[str, str] | None = None
    ) -> int:
        bodiless = request.method == b"HEAD"
        items = (fields or {}).items()
        self.write(whole_answer(status, text, items, keep=request.keep, bodiless=bodiless))
        return status
