"""Resolves an image reference to manifest, configuration and layers.

Source: OCI image specification 1.1 (manifest, index, config); Docker's v2 schema 2 has the same
fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_action.sandbox.interfaces import Image, ImageNotFound
from deploy_action.sandbox.registry import errors
from deploy_action.sandbox.registry.contents import Contents
from deploy_action.sandbox.registry.errors import Refusal
from deploy_action.sandbox.registry.reference import Reference
from deploy_action.sandbox.registry.store import INDEX_TYPES, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: a file with a tar archive, perhaps compressed (see *media_type*)."""

    digest: str
    media_type: str
    size: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """An image with everything in it: *config* is the whole configuration document."""

    image: Image
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]


async def resolve(contents: Mapping[str, Contents], reference: str) -> Image:
    """Return what *reference* means now; see `interfaces.Images.resolve`."""
    parsed, holder = _holder(contents, reference)
    manifest = await holder.manifest(parsed.repository, parsed.wanted)
    if not manifest:
        raise ImageNotFound(_as_platform(errors.manifest_unknown(parsed.wanted)))
    config = await _config(holder, parsed, await _for_platform(holder, parsed, manifest))
    return _image(reference, manifest.digest, config)


async def pull(contents: Mapping[str, Contents], reference: str) -> Pulled:
    """Return an image with its layers' files; raises `ImageNotFound` as `resolve` does."""
    parsed, holder = _holder(contents, reference)
    manifest = await holder.manifest(parsed.repository, parsed.wanted)
    if not manifest:
        raise ImageNotFound(_as_platform(errors.manifest_unknown(parsed.wanted)))
    chosen = await _for_platform(holder, parsed, manifest)
    config = await _config(holder, parsed, chosen)
    layers = []
    for entry in json.loads(chosen.body).get("layers", []):
        path = await holder.blob(parsed.repository, entry["digest"])
        if not path:
            raise ImageNotFound(_as_platform(errors.blob_unknown(entry["digest"])))
        layers.append(
            Layer(
                digest=entry["digest"],
                media_type=entry["mediaType"],
                size=entry["size"],
                path=path,
            )
        )
    image = _image(reference, manifest.digest, config)
    return Pulled(image=image, config=config, layers=tuple(layers))


def _holder(contents: Mapping[str, Contents], reference: str) -> tuple[Reference, Contents]:
    try:
        parsed = Reference.parse(reference)
    except ValueError as error:
        raise ImageNotFound(str(error)) from None
    if parsed.host not in contents:
        # Nothing but the sandbox's own registries can be reached; reported as Azure's puller would.
        raise ImageNotFound(
            f'Get "https://{parsed.host}/v2/": dial tcp: lookup {parsed.host}: no such host'
        )
    return parsed, contents[parsed.host]


async def _for_platform(holder: Contents, name: Reference, manifest: Manifest) -> Manifest:
    """Choose linux/amd64 from an index, as Container Apps does."""
    if manifest.media_type not in INDEX_TYPES:
        return manifest
    for entry in json.loads(manifest.body).get("manifests", []):
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            child = await holder.manifest(name.repository, entry["digest"])
            if child:
                return child
    raise ImageNotFound("no child with platform linux/amd64 in index " + manifest.digest)


async def _config(holder: Contents, name: Reference, manifest: Manifest) -> dict[str, Any]:
    digest = json.loads(manifest.body).get("config", {}).get("digest", "")
    path = await holder.blob(name.repository, digest) if digest else None
    if not path:
        raise ImageNotFound(_as_platform(errors.blob_unknown(digest)))
    try:
        config = json.loads(path.read_bytes())
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise ImageNotFound(f"image {name.wanted} has no readable configuration")
    return config


def _image(reference: str, digest: str, config: Mapping[str, Any]) -> Image:
    run = config.get("config") or {}
    pairs = (pair.partition("=") for pair in run.get("Env") or [])
    return Image(
        reference=reference,
        digest=digest,
        entrypoint=tuple(run.get("Entrypoint") or ()),
        command=tuple(run.get("Cmd") or ()),
        environment={name: value for name, _, value in pairs},
        working_directory=run.get("WorkingDir") or "/",
    )


def _as_platform(refusal: Refusal) -> str:
    """Return a registry's refusal as Container Apps quotes it (its puller's Go error)."""
    detail = refusal.detail or {}
    fields = " ".join(f"{name}:{value}" for name, value in detail.items())
    return f"GET https:: {refusal.code}: {refusal.message}; map[{fields}]"
