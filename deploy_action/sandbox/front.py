"""The HTTPS proxy: it answers for every host name itself, so that no request leaves the machine.

``CONNECT host:443`` is accepted for the host names of the sandbox; TLS ends here with a
certificate for that name. Requests that are not proxy requests are for the sandbox itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from deploy_action.sandbox.certificates import Authority
from deploy_action.sandbox.faults import Fault, Faults
from deploy_action.sandbox.interfaces import Service
from deploy_action.sandbox.mutations import mutated
from deploy_action.sandbox.tunnel import Tunnel, open_way
from deploy_action.sandbox.world import DOOM, Clock
from deploy_action.sandbox.world.change import what_changes

_LOOK_S = 0.01
_LONGEST_HEAD = 64 * 1024


class Front:
    """Listens on a free loopback port.

    Args:
        authority: for the certificates.
        hosts: the service for a host name, or None for a name that is not supported.
        plane: answers users, for all host names of apps.
        local: answers requests to the sandbox itself.
        seen: called with host, method, path and status of each response.
        faults: the scripted faults.
        clock: scales the faults' delays.
        let_through: whether requests to other hosts are passed on.
    """

    def __init__(
        self,
        *,
        authority: Authority,
        hosts: Callable[[str], Service | None],
        plane: Callable[[str], asyncio.Protocol | None],
        local: Service,
        on_request: Callable[[str, str, str, int], None],
        faults: Faults,
        clock: Clock,
        let_through: bool = False,
    ) -> None:
        self.authority = authority
        self._hosts = hosts
        self._plane = plane
        self._local = local
        self._on_request = on_request
        self._faults = faults
        self._clock = clock
        self.let_through = let_through
        self._public = web.Server(self._answer, access_log=None)
        self.own = web.Server(local.handle, access_log=None)
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Opening(self), "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end connections."""
        if self._server:
            self._server.close()
        await self._public.shutdown(1.0)
        await self.own.shutdown(1.0)

    def inner(self, host: str) -> asyncio.Protocol | None:
        """Return the protocol that serves *host*, or None if it is unknown."""
        if service := self._plane(host):
            return service
        return cast("asyncio.Protocol", self._public()) if self._hosts(host) else None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.host.partition(":")[0].lower()
        service = self._hosts(host)
        if service is None:
            return web.Response(status=502, text=_unknown(host))
        status = 0
        try:
            response = await self._carried_out(host, service, request)
            status = response.status
        finally:
            self._on_request(host, request.method, request.path, status)
        return response

    async def _carried_out(
        self, host: str, service: Service, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Let the service answer, unless a fault applies."""
        changes = await _changes(request) if self._faults.about_changes else ()
        fault = self._faults.strike(host, request.method, request.path, changes=changes)
        if fault is None:
            return await service.handle(request)
        await self._clock.sleep(fault.delay)
        ending = DOOM.set(fault.operation)
        try:
            replaced = fault.drop or fault.hold or fault.status is not None
            response = await service.handle(request) if fault.after or not replaced else None
        finally:
            DOOM.reset(ending)
        if fault.hold:
            await self._held(fault, request)
        if fault.drop or fault.hold:
            if request.transport:
                request.transport.abort()
            raise ConnectionResetError("a scripted fault")
        if fault.status is not None or response is None:
            return fault.answer()
        return mutated(response, fault.mutate) if fault.mutate else response

    async def _held(self, fault: Fault, request: web.BaseRequest) -> None:
        """Hold the request until the client disconnects or the fault is removed."""
        fault.holding += 1
        try:
            while self._faults.in_force(fault) and _connected(request):  # noqa: ASYNC110  unsignalled
                await asyncio.sleep(_LOOK_S)
        finally:
            fault.holding -= 1


async def _changes(request: web.BaseRequest) -> tuple[str, ...]:
    """Return what a write to Resource Manager changes, as the values of a fault's ``change``."""
    match request.method:
        case "PATCH":
            try:
                body = json.loads(await request.read())
            except ValueError:
                return ()
            return tuple(what_changes(body)) if isinstance(body, dict) else ()
        case "PUT":
            return ("app",)
        case "DELETE":
            return ("deletion",)
        case "POST":
            return (request.path.rpartition("/")[2].lower(),)
    return ()


def _connected(request: web.BaseRequest) -> bool:
    return request.transport is not None and not request.transport.is_closing()


class _Opening(asyncio.Protocol):
    """The first bytes of a connection: a CONNECT, or a request for the sandbox itself."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._head = b""
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" not in self._head:
            if len(self._head) > _LONGEST_HEAD:
                self._transport.close()
            return
        method, _, rest = self._head.partition(b" ")
        if method != b"CONNECT":
            own = cast("asyncio.Protocol", self._front.own())
            own.connection_made(self._transport)
            self._transport.set_protocol(own)
            own.data_received(self._head)
            return
        target = rest.partition(b" ")[0].decode("ascii", "replace").lower()
        host, _, port = target.rpartition(":")
        inner = self._front.inner(host)
        if inner is None:
            if self._front.let_through and port.isdecimal():
                self._task = asyncio.ensure_future(self._through(host, int(port)))
            else:
                self._refuse(_unknown(host))
            return
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._task = asyncio.ensure_future(self._secure(host, inner))

    def _refuse(self, why: str) -> None:
        body = why.encode()
        self._transport.write(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        self._transport.close()

    async def _through(self, host: str, port: int) -> None:
        try:
            reader, writer = await open_way(host, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self._refuse(f"{host} could not be reached: {type(error).__name__} {error}\n")
            return
        self._transport.set_protocol(Tunnel(self._transport, reader, writer))
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def _secure(self, host: str, inner: asyncio.Protocol) -> None:
        late = _Late(inner)
        loop = asyncio.get_running_loop()
        context = self._front.authority.context_for(host)
        try:
            secured = await loop.start_tls(self._transport, late, context, server_side=True)
        except (OSError, ConnectionError):
            self._transport.abort()
            return
        if secured is not None:
            late.begin(secured)


class _Late(asyncio.Protocol):
    """Buffers data that arrives with the end of the handshake until the inner protocol starts."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._early: list[bytes] = []
        self._begun = self._lost = False

    def begin(self, transport: asyncio.BaseTransport) -> None:
        self._begun = True
        self._inner.connection_made(transport)
        for data in self._early:
            self._inner.data_received(data)
        if self._lost:
            self._inner.connection_lost(None)

    def data_received(self, data: bytes) -> None:
        if self._begun:
            self._inner.data_received(data)
        else:
            self._early.append(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._begun else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._begun:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _unknown(host: str) -> str:
    return (
        f"the sandbox does not serve {host}; start it with --let-through to forward such requests\n"
    )
