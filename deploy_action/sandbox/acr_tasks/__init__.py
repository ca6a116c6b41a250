"""The registries' remote build: ARM's routes for it, the blob store it reads, the builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from deploy_action.sandbox.registry import Registry
from deploy_action.sandbox.seams import Image


class ImageBuilder(Protocol):
    """Turns a build context into an image in a registry."""

    async def build(
        self,
        context: Path,
        reference: str,
        dockerfile: str = "Dockerfile",
        arguments: Mapping[str, str] | None = None,
        *,
        target: str = "",
        log: Callable[[str], None] = lambda line: None,
    ) -> Image:
        """Build *context* and store the result as *reference* (``host/repository:tag``)."""
        ...


class Builder:
    """Builds without a Docker engine: `Builder(registry=registry)`."""

    def __init__(self, *, registry: Registry) -> None:
        self._registry = registry

    async def build(
        self,
        context: Path,
        reference: str,
        dockerfile: str = "Dockerfile",
        arguments: Mapping[str, str] | None = None,
        *,
        target: str = "",
        log: Callable[[str], None] = lambda line: None,
    ) -> Image:
        """Build."""
        raise NotImplementedError


class Tasks:
    """ARM's Microsoft.ContainerRegistry and the blob host of its builds.

    *groups*: registry name -> ``/subscriptions/…/resourceGroups/…``.
    """

    blob_host = "tasksstore.blob.core.windows.net"

    def __init__(
        self,
        *,
        registry: Registry,
        directory: Path,
        builder: ImageBuilder,
        groups: Mapping[str, str] | None = None,
    ) -> None:
        self._registry = registry

    async def handle_arm(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer an ARM request of Microsoft.ContainerRegistry, or None if it is not one."""
        raise NotImplementedError

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer for the blob host."""
        raise NotImplementedError

    def registries(self, subscription: str) -> list[dict[str, Any]]:
        """Return the ARM resources of the registries of *subscription*."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop builds that run."""
