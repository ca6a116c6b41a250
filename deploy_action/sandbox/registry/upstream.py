"""Forwards the distribution API to a real registry (Debian's docker-registry).

The real registry does not handle hosts and tokens: each of our hosts is a folder in it, and
requests are authorised before they arrive here. Bodies stream in both directions.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs, web

from deploy_action.sandbox.registry import errors
from deploy_action.sandbox.registry.contents import Route
from deploy_action.sandbox.registry.embedded import chunks, page
from deploy_action.sandbox.registry.store import Manifest

_HOP_BY_HOP: Final = frozenset(
    {
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
)
_NOT_SENT_ON: Final = _HOP_BY_HOP | {"authorization", "host", "content-length", "expect"}
_NOT_SENT_BACK: Final = _HOP_BY_HOP | {"server", "date"}
_ACCEPT: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_CHUNK: Final = 256 * 1024


class Upstream:
    """One host's contents, a folder of the registry at *url*.

    Args:
        url: ``http://127.0.0.1:port``.
        folder: our registry's name, the first part of every repository there.
        directory: where blobs are kept once fetched.
    """

    def __init__(self, url: str, folder: str, directory: Path) -> None:
        self._url = url.rstrip("/")
        self._folder = folder
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._started = time.time()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close connections."""
        if self._session:
            await self._session.close()

    async def serve(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        """Forward one request; see `Contents`."""
        if route.kind == "base":
            return web.json_response({})
        if route.kind == "catalog":
            names = await self.repositories()
            return page(request, names, lambda some: {"repositories": some})
        if route.kind == "tags" and request.method in {"GET", "HEAD"}:
            # Listed by ourselves: docker-registry 2.8 gives no order and no pages.
            names = await self._tag_names(route.repository)
            if not names:
                raise errors.name_unknown(route.repository)
            return page(request, names, lambda some: {"name": route.repository, "tags": some})
        if route.kind == "manifest" and request.method in {"GET", "HEAD"}:
            await self._known(route)
        return await self._carry(request, route)

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return a manifest; see `Contents`."""
        url = f"{self._base(repository)}/manifests/{reference}"
        async with self._client().get(url, headers={"Accept": _ACCEPT}) as reply:
            if reply.status != 200:
                return None
            body = await reply.read()
        return Manifest(f"sha256:{hashlib.sha256(body).hexdigest()}", reply.content_type, body)

    async def blob(self, repository: str, digest: str) -> Path | None:
        """Fetch a blob once; see `Contents`."""
        path = self._directory / digest.partition(":")[2]
        if path.exists():
            return path
        async with self._client().get(f"{self._base(repository)}/blobs/{digest}") as reply:
            if reply.status != 200:
                return None
            beside = path.with_suffix(f".{id(reply):x}")
            with beside.open("wb") as file:
                async for chunk in reply.content.iter_chunked(_CHUNK):
                    await asyncio.to_thread(file.write, chunk)
        beside.replace(path)
        return path

    async def put_blob(self, repository: str, data: bytes) -> str:
        """Push a blob; see `Contents`."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        async with self._client().post(f"{self._base(repository)}/blobs/uploads/") as reply:
            self._expect(reply, 202)
            location = (
                self._url
                + urlsplit(reply.headers["Location"])._replace(scheme="", netloc="").geturl()
            )
        mark = "&" if "?" in location else "?"
        kind = {"Content-Type": "application/octet-stream"}
        async with self._client().put(
            f"{location}{mark}digest={digest}", data=data, headers=kind
        ) as reply:
            self._expect(reply, 201)
        return digest

    async def put_manifest(
        self, repository: str, reference: str, media_type: str, body: bytes
    ) -> str:
        """Push a manifest; see `Contents`."""
        url = f"{self._base(repository)}/manifests/{reference}"
        async with self._client().put(
            url, data=body, headers={"Content-Type": media_type}
        ) as reply:
            self._expect(reply, 201)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    async def tags(self, repository: str) -> dict[str, str]:
        """Return the tags; see `Contents`."""
        names = await self._tag_names(repository)
        manifests = {name: await self.manifest(repository, name) for name in names}
        return {name: manifest.digest for name, manifest in manifests.items() if manifest}

    async def drop_tag(self, repository: str, tag: str) -> bool:
        """Refuse: docker-registry 2.8 deletes manifests, not single tags."""
        raise errors.unsupported(f"deleting tag {repository}:{tag} with this registry")

    async def repositories(self) -> list[str]:
        """Return the repositories; see `Contents`."""
        async with self._client().get(f"{self._url}/v2/_catalog?n=10000") as reply:
            names: list[str] = (await reply.json()).get("repositories") or []
        ours = f"{self._folder}/"
        return sorted(name.removeprefix(ours) for name in names if name.startswith(ours))

    async def stored_at(self, _repository: str, _digest: str) -> float:
        """Return the sandbox's start: docker-registry has no times."""
        return self._started

    async def _tag_names(self, repository: str) -> list[str]:
        async with self._client().get(f"{self._base(repository)}/tags/list") as reply:
            return sorted((await reply.json()).get("tags") or []) if reply.status == 200 else []

    async def _known(self, route: Route) -> None:
        """Report a missing manifest as Azure's registry does."""
        url = f"{self._base(route.repository)}/manifests/{route.last}"
        async with self._client().head(url, headers={"Accept": _ACCEPT}) as reply:
            if reply.status == 404:
                raise errors.manifest_unknown(route.last)

    async def _carry(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        target = self._inward(request.rel_url.raw_path_qs, route.repository)
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in _NOT_SENT_ON
        ]
        if route.kind == "manifest" and "manifest" not in request.headers.get("Accept", ""):
            # Without an Accept header the registry converts manifests to schema 1.
            headers = [pair for pair in headers if pair[0].lower() != "accept"]
            headers.append(("Accept", _ACCEPT))
        body: AsyncIterator[bytes] | None = None
        if request.body_exists:
            body = chunks(request)
            if request.content_length is not None:
                headers.append((hdrs.CONTENT_LENGTH, str(request.content_length)))
        elif request.method in {"POST", "PUT", "PATCH"}:
            headers.append((hdrs.CONTENT_LENGTH, "0"))
        async with self._client().request(
            request.method,
            f"{self._url}{target}",
            headers=headers,
            data=body,
            allow_redirects=False,
        ) as reply:
            return await self._send_back(request, reply)

    async def _send_back(
        self, request: web.BaseRequest, reply: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status)
        for name, value in reply.headers.items():
            if name.lower() == "location":
                response.headers[name] = self._outward(value)
            elif name.lower() not in _NOT_SENT_BACK:
                response.headers.add(name, value)
        response.headers["Server"] = errors.SERVER
        await response.prepare(request)
        if request.method != "HEAD":
            async for chunk in reply.content.iter_chunked(_CHUNK):
                await response.write(chunk)
        await response.write_eof()
        return response

    def _inward(self, path: str, repository: str) -> str:
        """Put our folder before the repository, also before one that a blob is mounted from."""
        path = path.replace(f"/v2/{repository}/", f"/v2/{self._folder}/{repository}/", 1)
        return re.sub(r"([?&]from=)", rf"\g<1>{self._folder}%2F", path)

    def _outward(self, location: str) -> str:
        """Take our folder off again; the URL becomes relative to the requested host."""
        path = urlsplit(location)._replace(scheme="", netloc="").geturl()
        return path.replace(f"/v2/{self._folder}/", "/v2/", 1)

    def _base(self, repository: str) -> str:
        return f"{self._url}/v2/{self._folder}/{repository}"

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:  # made where the loop runs; decoding would change blobs
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            )
        return self._session

    @staticmethod
    def _expect(reply: aiohttp.ClientResponse, status: int) -> None:
        if reply.status != status:
            raise errors.unsupported(f"upstream answered {reply.status}, not {status}")
