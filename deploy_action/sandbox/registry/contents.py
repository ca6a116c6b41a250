"""The interface to the contents of a registry host; it has two implementations.

`embedded.Embedded` keeps it on disk itself; `upstream.Upstream` asks Debian's docker-registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from aiohttp import web

from deploy_action.sandbox.registry.reference import REPOSITORY
from deploy_action.sandbox.registry.store import Manifest

Kind = Literal["base", "catalog", "tags", "manifest", "blob", "uploads", "upload", "referrers"]

_ROUTES: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("base", re.compile(r"/v2/?")),
    ("catalog", re.compile(r"/v2/_catalog")),
    ("tags", re.compile(rf"/v2/(?P<repository>{REPOSITORY})/tags/list")),
    ("manifest", re.compile(rf"/v2/(?P<repository>{REPOSITORY})/manifests/(?P<last>[^/]+)")),
    ("referrers", re.compile(rf"/v2/(?P<repository>{REPOSITORY})/referrers/(?P<last>[^/]+)")),
    ("uploads", re.compile(rf"/v2/(?P<repository>{REPOSITORY})/blobs/uploads/?")),
    ("upload", re.compile(rf"/v2/(?P<repository>{REPOSITORY})/blobs/uploads/(?P<last>[^/]+)")),
    ("blob", re.compile(rf"/v2/(?P<repository>{REPOSITORY})/blobs/(?P<last>[^/]+)")),
)


@dataclass(frozen=True, slots=True)
class Route:
    """One path of the distribution API, taken apart."""

    kind: Kind
    repository: str = ""
    last: str = ""

    @classmethod
    def of(cls, path: str) -> Route | None:
        """Return the route of *path*, or None if it is not a path of the API."""
        for kind, pattern in _ROUTES:
            match = pattern.fullmatch(path)
            if match:
                parts = match.groupdict()
                return cls(kind, parts.get("repository") or "", parts.get("last") or "")
        return None


class Contents(Protocol):
    """The contents of one registry host."""

    async def serve(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        """Answer an authorised request of the distribution API; may raise `Refusal`."""
        ...

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return the manifest of a tag or digest, or None."""
        ...

    async def blob(self, repository: str, digest: str) -> Path | None:
        """Return a file with a blob's bytes (not to be changed), or None."""
        ...

    async def put_blob(self, repository: str, data: bytes) -> str:
        """Store a blob; return its digest."""
        ...

    async def put_manifest(
        self, repository: str, reference: str, media_type: str, body: bytes
    ) -> str:
        """Store a manifest under a tag or digest; return its digest."""
        ...

    async def tags(self, repository: str) -> dict[str, str]:
        """Return the digest of each tag, in lexical order; empty for an unknown repository."""
        ...

    async def drop_tag(self, repository: str, tag: str) -> bool:
        """Delete a tag but not its manifest; False when there is none."""
        ...

    async def repositories(self) -> list[str]:
        """Return the names of all repositories, in lexical order."""
        ...

    async def stored_at(self, repository: str, digest: str) -> float:
        """Return when a manifest came in, in seconds since the epoch."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
