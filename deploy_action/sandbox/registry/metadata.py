"""The registry's own API beside the distribution API: what `az acr repository` reads.

Source: Azure Container Registry data plane API 2021-07-01 (`/acr/v1`). Only reading, and `untag`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from deploy_action.sandbox.registry import errors
from deploy_action.sandbox.registry.contents import Contents
from deploy_action.sandbox.registry.reference import REPOSITORY

_PATH: Final = re.compile(
    rf"/acr/v1/(?P<repository>{REPOSITORY})(?:/(?P<kind>_tags|_manifests)(?:/(?P<last>[^/]+))?)?"
)
_ATTRIBUTES: Final = {
    "deleteEnabled": True,
    "writeEnabled": True,
    "readEnabled": True,
    "listEnabled": True,
}


def repository_of(path: str) -> str | None:
    """Return the repository in a path of this API, or None for other paths."""
    match = _PATH.fullmatch(path)
    return match["repository"] if match else None


async def serve(request: web.BaseRequest, host: str, contents: Contents) -> web.Response:
    """Answer one request; the caller is already authorised.

    Raises:
        Refusal: unknown, or not supported.
    """
    match = _PATH.fullmatch(request.path)
    if not match:
        raise errors.name_invalid(request.path)
    repository, kind, last = match["repository"], match["kind"], match["last"]
    tags = await contents.tags(repository)
    if not tags:
        raise errors.name_unknown(repository)
    if request.method == "DELETE" and kind == "_tags" and last:
        if not await contents.drop_tag(repository, last):
            raise errors.manifest_unknown(last)
        return web.Response(status=202)
    if request.method != "GET":
        raise errors.unsupported(f"{request.method} {request.path}")
    entries = await _entries(contents, repository, tags, by_tag=kind != "_manifests")
    about = {"registry": host, "imageName": repository}
    if kind is None:
        return _json({**about, **_summary(entries, tags)})
    if last:
        return _json({**about, kind.strip("_s"): _one(entries, last)})
    return _json({**about, kind.strip("_"): _page(request, entries)})


async def _entries(
    contents: Contents, repository: str, tags: Mapping[str, str], *, by_tag: bool
) -> list[dict[str, Any]]:
    entries = []
    names = tags if by_tag else dict.fromkeys(tags.values(), "")
    for name in names:
        digest = tags[name] if by_tag else name
        when = datetime.fromtimestamp(await contents.stored_at(repository, digest), UTC)
        time = when.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        entry: dict[str, Any] = {
            "digest": digest,
            "createdTime": time,
            "lastUpdateTime": time,
            "changeableAttributes": dict(_ATTRIBUTES),
        }
        if by_tag:
            entries.append({"name": name, "signed": False, **entry})
        else:
            tag_names = sorted(tag for tag, meant in tags.items() if meant == digest)
            entries.append({"architecture": "amd64", "os": "linux", "tags": tag_names, **entry})
    return entries


def _page(request: web.BaseRequest, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    key = "name" if entries and "name" in entries[0] else "digest"
    order = request.query.get("orderby", "")
    by_time = order.startswith("time")
    ordered = sorted(
        entries,
        key=lambda entry: (entry["lastUpdateTime"], entry[key]) if by_time else (entry[key],),
        reverse=order.endswith("desc"),
    )
    last, most = request.query.get("last", ""), request.query.get("n", "")
    names = [entry[key] for entry in ordered]
    start = names.index(last) + 1 if last in names else 0
    return ordered[start : start + int(most)] if most.isdigit() else ordered[start:]


def _one(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if name in {entry.get("name"), entry["digest"]}:
            return entry
    raise errors.manifest_unknown(name)


def _summary(entries: list[dict[str, Any]], tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "createdTime": min(entry["createdTime"] for entry in entries),
        "lastUpdateTime": max(entry["lastUpdateTime"] for entry in entries),
        "manifestCount": len(set(tags.values())),
        "tagCount": len(tags),
        "changeableAttributes": dict(_ATTRIBUTES),
    }


def _json(body: dict[str, Any]) -> web.Response:
    return web.json_response(body)
