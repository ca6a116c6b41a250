"""The container registries: sign-in as Azure's, contents of their own or of Debian's registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from deploy_action.sandbox.seams import Image


class Registry:
    """All registries of one sandbox; a `Service` for their hosts and the platform's `Images`."""

    def __init__(
        self,
        *,
        directory: Path,
        hosts: Sequence[str],
        check_token: Callable[[str], bool],
        upstream: str | None = None,
    ) -> None:
        self.hosts = tuple(hosts)

    async def start(self) -> None:
        """Make ready."""

    async def close(self) -> None:
        """Let go of connections."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer for ``<name>.azurecr.io``."""
        raise NotImplementedError

    async def resolve(self, reference: str) -> Image:
        """Look up an image; raises `ImageNotFound`."""
        raise NotImplementedError
