"""A test app for the ingress: streams, echoes, upgrades, refuses, disconnects."""

from __future__ import annotations

import asyncio

from aiohttp import web

WRITTEN = {"endless": 0}
CAME: list[str] = []
GONE: list[str] = []
PIECE = b"x" * 65_536


async def healthy(_: web.Request) -> web.Response:
    """Report that the app is healthy."""
    return web.Response(text="ok")


async def events(request: web.Request) -> web.StreamResponse:
    """Send one event now, the next one only when asked to elsewhere."""
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b"data: first\n\n")
    await request.app[NEXT].wait()
    await answer.write(b"data: second\n\n")
    return answer


async def go_on(request: web.Request) -> web.Response:
    """Trigger the second event."""
    request.app[NEXT].set()
    return web.Response(text="ok")


async def echo(request: web.Request) -> web.StreamResponse:
    """Send the body back while it comes in."""
    answer = web.StreamResponse()
    if "length" in request.query:
        answer.content_length = request.content_length
    await answer.prepare(request)
    async for piece in request.content.iter_any():
        await answer.write(piece)
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    """Send until the user disconnects, and count the bytes."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    try:
        while True:
            await answer.write(PIECE)
            WRITTEN["endless"] += len(PIECE)
    finally:
        GONE.append("endless")


async def counts(_: web.Request) -> web.Response:
    """Return the counts."""
    return web.json_response({"written": WRITTEN, "came": CAME, "gone": GONE})


async def waits(_: web.Request) -> web.Response:
    """Never respond, and record when the user disconnects."""
    CAME.append("waits")
    try:
        await asyncio.Event().wait()
    finally:
        GONE.append("waits")
    return web.Response()


async def refuses(request: web.Request) -> web.Response:
    """Refuse a body without reading it."""
    answer = web.Response(status=413, text="too large")
    answer.force_close()
    await asyncio.sleep(0)
    return answer if request.can_read_body else web.Response(text="nothing to refuse")


async def hangs_up(request: web.Request) -> web.Response:
    """Answer, then close the connection although the client wants to keep it."""
    asyncio.get_running_loop().call_later(0.001, _close, request)
    return web.Response(text="once")


def _close(request: web.Request) -> None:
    if request.transport:
        request.transport.close()


async def half(request: web.Request) -> web.StreamResponse:
    """Declare ten bytes, send five, and disconnect."""
    answer = web.StreamResponse()
    answer.content_length = 10
    await answer.prepare(request)
    await answer.write(b"12345")
    if request.transport:
        request.transport.abort()
    return answer


async def talk(request: web.Request) -> web.WebSocketResponse:
    """Echo messages over a WebSocket."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if isinstance(message.data, str):
            await socket.send_str(f"you said {message.data}")
        else:
            await socket.send_bytes(message.data)
    GONE.append("talk")
    return socket


async def bare(request: web.Request) -> web.Response:
    """Answer with the requested status and no body."""
    return web.Response(status=int(request.match_info["status"]))


async def shown(request: web.Request) -> web.Response:
    """Return the received request."""
    fields = [[name, value] for name, value in request.headers.items()]
    return web.json_response({"target": request.raw_path, "fields": fields})


NEXT = web.AppKey("NEXT", asyncio.Event)


def main() -> None:
    """Serve."""
    app = web.Application(client_max_size=1 << 30)
    app[NEXT] = asyncio.Event()
    app.add_routes(
        [
            web.get("/health/ready", healthy),
            web.get("/events", events),
            web.post("/go-on", go_on),
            web.post("/echo", echo),
            web.get("/endless", endless),
            web.get("/counts", counts),
            web.get("/waits", waits),
            web.post("/refuses", refuses),
            web.get("/hangs-up", hangs_up),
            web.get("/half", half),
            web.get("/talk", talk),
            web.get("/bare/{status}", bare),
            web.get("/shown", shown),
        ]
    )
    web.run_app(app, host=None, port=8000, handler_cancellation=True)


if __name__ == "__main__":
    main()
