"""Connections to replicas; responses are streamed to the user's connection."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Protocol, cast

import httptools

from deploy_action.sandbox.plane.messages import (
    LAST_CHUNK,
    Fields,
    Framing,
    Request,
    answer_head,
    chunk,
    framing_of,
    switched_head,
)

CONNECT_S = 5.0
_INTERIM = range(102, 200)
_BODILESS = frozenset({204, 304})


class Broken(Exception):  # noqa: N818  what hits to an exchange, not a fault of ours
    """The connection closed before the response was complete.

    Args:
        begun: whether the user has received part of the response.
        stale: whether it was a keep-alive connection that had closed before it was reused.
    """

    def __init__(self, *, begun: bool, stale: bool) -> None:
        super().__init__("the replica's connection ended")
        self.begun = begun
        self.stale = stale


class Reader(Protocol):
    """The receiver of a response."""

    def write(self, data: bytes) -> None:
        """Take a part of it."""

    def hold(self, why: str) -> None:
        """Pause reading."""

    def free(self, why: str) -> None:
        """Resume reading."""


class Upstream(asyncio.Protocol):
    """One connection to a replica.

    Args:
        pool: where it is kept between two exchanges.
    """

    def __init__(self, pool: Pool, address: tuple[str, int]) -> None:
        self._pool = pool
        self._address = address
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._user: Reader | None = None
        self._request = Request()
        self._parser: httptools.HttpResponseParser | None = None
        self._used = self._begun = self._bodiless = self._until_close = self._keep = False
        self.answered: asyncio.Future[int]
        self.over: asyncio.Future[None] | None = None
        self.tunnel = False

    # -- one exchange --------------------------------------------------------------------------

    def begin(self, user: Reader, request: Request, head: bytes) -> None:
        """Send a request's head; its body follows by `body` and `end`."""
        self._user, self._request = user, request
        self._stale, self._used = self._used, True
        self._parser = httptools.HttpResponseParser(self)
        self._out: list[bytes] = []
        self._reset()
        self._begun = False
        self.answered = self._loop.create_future()
        self.over = self._loop.create_future()
        self._transport.write(head)

    def body(self, piece: bytes) -> None:
        """Send a part of the request's body, or of what is spoken after an upgrade."""
        self._transport.write(chunk(piece) if self._request.framing is Framing.CHUNKED else piece)

    def end(self) -> None:
        """Send the end of the request's body."""
        if self._request.framing is Framing.CHUNKED:
            self._transport.write(LAST_CHUNK)

    def hold(self) -> None:
        """Pause reading because the user reads slowly."""
        self._transport.pause_reading()

    def free(self) -> None:
        """Resume reading."""
        self._transport.resume_reading()

    def close(self) -> None:
        """Close the connection and the current exchange."""
        if self.over:
            self.over.cancel()
            self.answered.cancel()
        self._transport.abort()

    # -- the answer: httptools' callbacks --------------------------------------------------------

    def _reset(self) -> None:
        self._fields: Fields = []
        self._reason = b""
        self._interim = False
        self._framing = Framing.NONE

    def on_status(self, reason: bytes) -> None:
        """Take the reason phrase."""
        self._reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field; those of a trailer are dropped."""
        if not self._begun:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Pass the head on."""
        if self._parser is None:
            return
        status = self._parser.get_status_code()
        if status == 100 or status in _INTERIM:
            self._interim = True
            self._out.append(
                answer_head(status, self._reason, self._fields, Framing.NONE, keep=True)
            )
            return
        self._begun = True
        if status == 101:
            self.tunnel = True
            self._out.append(switched_head(self._fields))
            self.answered.set_result(status)
            return
        request = self._request
        self._bodiless = request.method == b"HEAD" or status in _BODILESS
        framing = framing_of(self._fields)
        self._until_close = framing is None and not self._bodiless
        if self._bodiless:
            self._framing = Framing.NONE
        elif framing is Framing.LENGTH:
            self._framing = Framing.LENGTH
        else:
            self._framing = Framing.CHUNKED if request.modern else Framing.CLOSE
        request.keep = request.keep and self._framing is not Framing.CLOSE
        self._keep = self._parser.should_keep_alive() and not self._until_close
        head = answer_head(status, self._reason, self._fields, self._framing, keep=request.keep)
        self._out.append(head)
        self.answered.set_result(status)

    def on_body(self, piece: bytes) -> None:
        """Pass a part of the body on."""
        self._out.append(chunk(piece) if self._framing is Framing.CHUNKED else piece)

    def on_message_complete(self) -> None:
        """Note the end of a message."""
        if self._interim:
            self._reset()
        elif not self.tunnel:
            self._finished()

    def _bodiless_done(self) -> bool:
        return self._begun and self._bodiless and not self.tunnel and self.over is not None

    def _finished(self) -> None:
        if self._framing is Framing.CHUNKED:
            self._out.append(LAST_CHUNK)
        self._flush()
        over, self.over, self._parser, self._user = self.over, None, None, None
        if over and not over.done():
            over.set_result(None)
        if self._keep and self._request.ended and not self._transport.is_closing():
            self._pool.keep(self._address, self)
        else:
            self._transport.close()

    def _flush(self) -> None:
        if self._out and self._user:
            self._user.write(b"".join(self._out))
            self._out.clear()

    # -- asyncio -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read a part of the answer."""
        if self.tunnel:
            if self._user:
                self._user.write(data)
            return
        if self._parser is None:
            self._transport.abort()  # unsolicited data
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as switch:
            self._out.append(data[switch.args[0] :])
        except httptools.HttpParserError:
            self._transport.abort()
            return
        if self._bodiless_done():
            self._finished()  # the parser cannot know that a HEAD has no body to wait for
        self._flush()

    def pause_writing(self) -> None:
        """Pause the user while the replica reads slowly."""
        if self._user:
            self._user.hold("replica")

    def resume_writing(self) -> None:
        """Resume the user."""
        if self._user:
            self._user.free("replica")

    def connection_lost(self, _: Exception | None) -> None:
        """End the current exchange."""
        self._pool.forget(self._address, self)
        over = self.over
        if over is None or over.done():
            return
        if self.tunnel or (self._begun and self._until_close):
            if not self.tunnel and self._framing is Framing.CHUNKED and self._user:
                self._user.write(LAST_CHUNK)
            over.set_result(None)
            return
        error = Broken(begun=self._begun, stale=self._stale)
        if not self.answered.done():
            self.answered.set_exception(error)
            over.cancel()
        else:
            over.set_exception(error)


class Pool:
    """Idle keep-alive connections to replicas."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, int], list[Upstream]] = defaultdict(list)

    async def get(self, address: tuple[str, int], *, fresh: bool) -> Upstream:
        """Return a connection.

        Args:
            address: of the replica.
            fresh: whether it must be a new one.

        Raises:
            OSError: connecting failed or took longer than five seconds.
        """
        if not fresh and self._idle[address]:
            return self._idle[address].pop()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            _, made = await loop.create_connection(lambda: Upstream(self, address), *address)
        return made

    def keep(self, address: tuple[str, int], connection: Upstream) -> None:
        """Take a connection back."""
        self._idle[address].append(connection)

    def forget(self, address: tuple[str, int], connection: Upstream) -> None:
        """Drop a connection that ended."""
        if connection in self._idle[address]:
            self._idle[address].remove(connection)
        if not self._idle[address]:
            del self._idle[address]

    def close(self) -> None:
        """Close all idle connections."""
        for some in list(self._idle.values()):
            for connection in list(some):
                connection.close()
