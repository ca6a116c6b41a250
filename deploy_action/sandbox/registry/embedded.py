"""The distribution API over a store of our own.

Source: OCI distribution specification 1.1; where it leaves a choice, what docker-registry 2.8 does.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from deploy_action.sandbox.registry import errors
from deploy_action.sandbox.registry.contents import Route
from deploy_action.sandbox.registry.store import Manifest, Store

_MANIFEST_LIMIT: Final = 4 * 1024 * 1024  # the specification's recommended limit
_CHUNK: Final = 256 * 1024
_CONTENT_RANGE: Final = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?")


class Embedded:
    """One host's contents, kept under *directory*."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)

    async def serve(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        """Answer one request; see `Contents`."""
        method = "GET" if request.method == "HEAD" else request.method
        answer = getattr(self, f"_{method.lower()}_{route.kind}", None)
        if answer is None:
            raise errors.unsupported(f"{request.method} of a {route.kind}")
        response: web.StreamResponse = await answer(request, route)
        return response

    # --- direct access for the sandbox ---------------------------------------------------------

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return a manifest; see `Contents`."""
        return self.store.manifest(repository, reference)

    async def blob(self, repository: str, digest: str) -> Path | None:
        """Return a blob's file; see `Contents`."""
        return self.store.blob(repository, digest)

    async def put_blob(self, repository: str, data: bytes) -> str:
        """Store a blob; see `Contents`."""
        return self.store.put_blob(repository, data)

    async def put_manifest(
        self, repository: str, reference: str, media_type: str, body: bytes
    ) -> str:
        """Store a manifest; see `Contents`."""
        return self.store.put_manifest(repository, reference, media_type, body)

    async def tags(self, repository: str) -> dict[str, str]:
        """Return the tags; see `Contents`."""
        return self.store.tags(repository)

    async def drop_tag(self, repository: str, tag: str) -> bool:
        """Delete a tag; see `Contents`."""
        return self.store.drop_tag(repository, tag)

    async def repositories(self) -> list[str]:
        """Return the repositories; see `Contents`."""
        return self.store.repositories()

    async def stored_at(self, repository: str, digest: str) -> float:
        """Return when a manifest came in; see `Contents`."""
        return self.store.stored_at(repository, digest)

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    # --- reading -------------------------------------------------------------------------------

    async def _get_base(self, _request: web.BaseRequest, _route: Route) -> web.Response:
        return _json({})

    async def _get_catalog(self, request: web.BaseRequest, _route: Route) -> web.Response:
        return page(request, self.store.repositories(), lambda names: {"repositories": list(names)})

    async def _get_tags(self, request: web.BaseRequest, route: Route) -> web.Response:
        tags = list(self.store.tags(route.repository))
        if not tags and not any(True for _ in self.store.manifests(route.repository)):
            raise errors.name_unknown(route.repository)
        return page(request, tags, lambda names: {"name": route.repository, "tags": list(names)})

    async def _get_manifest(self, _request: web.BaseRequest, route: Route) -> web.Response:
        manifest = self.store.manifest(route.repository, route.last)
        if not manifest:
            raise errors.manifest_unknown(route.last)
        headers = {
            "Content-Type": manifest.media_type,
            "Docker-Content-Digest": manifest.digest,
            "ETag": f'"{manifest.digest}"',
        }
        return web.Response(body=manifest.body, headers=headers)

    async def _get_blob(self, _request: web.BaseRequest, route: Route) -> web.FileResponse:
        path = self.store.blob(route.repository, route.last)
        if not path:
            raise errors.blob_unknown(route.last)
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": route.last,
        }
        return web.FileResponse(path, chunk_size=_CHUNK, headers=headers)  # knows Range and HEAD

    async def _get_referrers(self, request: web.BaseRequest, route: Route) -> web.Response:
        artifact_type = request.query.get("artifactType", "")
        entries = [
            entry
            for manifest in self.store.manifests(route.repository)
            if (entry := _referrer(manifest, route.last))
            and artifact_type in {"", entry["artifactType"]}
        ]
        index = "application/vnd.oci.image.index.v1+json"
        body = {"schemaVersion": 2, "mediaType": index, "manifests": entries}
        headers = {"Content-Type": index}
        if artifact_type:
            headers["OCI-Filters-Applied"] = "artifactType"
        return web.Response(body=json.dumps(body).encode(), headers=headers)

    # --- writing -------------------------------------------------------------------------------

    async def _post_uploads(self, request: web.BaseRequest, route: Route) -> web.Response:
        mount, source = request.query.get("mount", ""), request.query.get("from", "")
        if mount and source and self.store.mount(route.repository, mount, source):
            return _blob_made(route.repository, mount)
        upload = self.store.begin(route.repository)
        digest = request.query.get("digest", "")
        if not digest:
            return self._progress(route.repository, upload, 202)
        await self._receive(request, route.repository, upload)
        self.store.finish(route.repository, upload, digest)
        return _blob_made(route.repository, digest)

    async def _get_upload(self, _request: web.BaseRequest, route: Route) -> web.Response:
        return self._progress(route.repository, route.last, 204)

    async def _patch_upload(self, request: web.BaseRequest, route: Route) -> web.Response:
        self._check_range(request, route)
        await self._receive(request, route.repository, route.last)
        return self._progress(route.repository, route.last, 202)

    async def _put_upload(self, request: web.BaseRequest, route: Route) -> web.Response:
        digest = request.query.get("digest", "")
        if not digest:
            raise errors.digest_invalid("")
        self._check_range(request, route)
        await self._receive(request, route.repository, route.last)
        self.store.finish(route.repository, route.last, digest)
        return _blob_made(route.repository, digest)

    async def _delete_upload(self, _request: web.BaseRequest, route: Route) -> web.Response:
        self.store.cancel(route.repository, route.last)
        return web.Response(status=204)

    async def _put_manifest(self, request: web.BaseRequest, route: Route) -> web.Response:
        body = b""
        async for chunk in chunks(request):
            body += chunk
            if len(body) > _MANIFEST_LIMIT:
                raise errors.manifest_invalid("larger than 4 MiB")
        digest = self.store.put_manifest(route.repository, route.last, request.content_type, body)
        headers = {
            "Location": f"/v2/{route.repository}/manifests/{digest}",
            "Docker-Content-Digest": digest,
        }
        subject = json.loads(body).get("subject")
        if subject:
            headers["OCI-Subject"] = str(subject.get("digest", ""))
        return web.Response(status=201, headers=headers)

    async def _delete_manifest(self, _request: web.BaseRequest, route: Route) -> web.Response:
        if not route.last.startswith("sha256:"):
            raise errors.unsupported("DELETE of a manifest by its tag")
        if not self.store.drop_manifest(route.repository, route.last):
            raise errors.manifest_unknown(route.last)
        return web.Response(status=202)

    async def _delete_blob(self, _request: web.BaseRequest, route: Route) -> web.Response:
        if not self.store.drop_blob(route.repository, route.last):
            raise errors.blob_unknown(route.last)
        return web.Response(status=202)

    def _check_range(self, request: web.BaseRequest, route: Route) -> None:
        """Check that a chunk with a Content-Range continues the last one."""
        content_range = request.headers.get("Content-Range", "")
        at = self.store.upload(route.repository, route.last).size
        match = _CONTENT_RANGE.fullmatch(content_range)
        if content_range and (not match or int(match[1]) != at):
            raise errors.range_invalid(at)

    async def _receive(self, request: web.BaseRequest, repository: str, upload: str) -> None:
        incoming = self.store.upload(repository, upload)
        async for chunk in chunks(request):
            incoming.add(chunk)

    def _progress(self, repository: str, upload: str, status: int) -> web.Response:
        size = self.store.upload(repository, upload).size
        headers = {
            "Location": f"/v2/{repository}/blobs/uploads/{upload}",
            "Range": f"0-{max(size - 1, 0)}",
            "Docker-Upload-UUID": upload,
        }
        return web.Response(status=status, headers=headers)


async def chunks(request: web.BaseRequest) -> AsyncIterator[bytes]:
    """Yield a request's body as it comes, without the framework's limit of 1 MiB on whole reads."""
    async for chunk in request.content.iter_chunked(_CHUNK):
        yield chunk


def _blob_made(repository: str, digest: str) -> web.Response:
    headers = {
        "Location": f"/v2/{repository}/blobs/{digest}",
        "Docker-Content-Digest": digest,
    }
    return web.Response(status=201, headers=headers)


def _json(body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(),
        content_type="application/json",
        charset="utf-8",
        headers=dict(headers or {}),
    )


def page(
    request: web.BaseRequest, names: list[str], body: Callable[[list[str]], dict[str, Any]]
) -> web.Response:
    """Return the names after ``last``, at most ``n``, with a link to the next page.

    Source: OCI distribution specification 1.1, "Listing Tags"; the catalog works the same way.
    """
    last, most = request.query.get("last", ""), request.query.get("n", "")
    rest = [name for name in sorted(names) if name > last]
    if not most.isdigit() or len(rest) <= int(most):
        return _json(body(rest))
    shown = rest[: int(most)]
    after = f"last={quote(shown[-1])}&n={most}" if shown else f"n={most}"
    return _json(body(shown), {"Link": f'<{request.path}?{after}>; rel="next"'})


def _referrer(manifest: Manifest, subject: str) -> dict[str, Any] | None:
    """Return the descriptor of a manifest that refers to *subject*."""
    content = json.loads(manifest.body)
    if (content.get("subject") or {}).get("digest") != subject:
        return None
    config = content.get("config") or {}
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.body),
        "artifactType": content.get("artifactType") or config.get("mediaType", ""),
        "annotations": content.get("annotations") or {},
    }
