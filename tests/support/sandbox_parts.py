"""Runs parts of the sandbox on a separate event loop, for blocking clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
from aiohttp import web

T = TypeVar("T")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class BackgroundLoop:
    """An event loop in a thread; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._endings: list[Callable[[], Coroutine[Any, Any, Any]]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for ending in reversed(self._endings):
            self.run(ending())
        self.run(self._cancel_the_rest())
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* on the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @staticmethod
    async def _cancel_the_rest() -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def at_end(self, ending: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run *ending* at the end of the block, newest first."""
        self._endings.append(ending)

    def serve(self, handler: Handler) -> str:
        """Serve *handler* on loopback; return ``http://127.0.0.1:port``."""
        return self.run(self._serve(handler))

    async def _serve(self, handler: Handler) -> str:
        server = web.Server(handler)
        listening = await self._loop.create_server(server, "127.0.0.1", 0)

        async def end() -> None:
            listening.close()
            await server.shutdown(0.01)  # clients keep their connections open

        self.at_end(end)
        return f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


class Client:
    """Blocking requests to *url* under the public name *host*."""

    def __init__(self, url: str, host: str) -> None:
        self.url = url
        self.host = host
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(self, method: str, path: str, **about: Any) -> requests.Response:
        """Send one request; a full URL is accepted, too."""
        path = path.removeprefix(f"https://{self.host}")
        headers = {"Host": self.host, **about.pop("headers", {})}
        return self.session.request(
            method,
            f"{self.url}{path}",
            headers=headers,
            timeout=30,
            allow_redirects=False,
            **about,
        )
