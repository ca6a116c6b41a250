"""The contents of one registry host on disk: blobs, manifests, tags, unfinished uploads.

No HTTP here. Layout: ``blobs/<hex>`` holds every blob and manifest once; a repository's folder
says which of them it has (``_layers``, ``_manifests``) and what its tags mean (``_tags``).
Underscores cannot occur at the start of a repository's name, so nothing collides.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy_action.sandbox.registry import errors
from deploy_action.sandbox.registry.reference import DIGEST, REPOSITORY, TAG

INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_DIGEST = re.compile(DIGEST)
_NAME = re.compile(REPOSITORY)
_TAG = re.compile(TAG)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as stored: its bytes are what its digest is of."""

    digest: str
    media_type: str
    body: bytes


@dataclass(slots=True)
class Upload:
    """An unfinished upload of a blob."""

    repository: str
    path: Path
    size: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def add(self, chunk: bytes) -> None:
        """Append *chunk*."""
        with self.path.open("ab") as file:
            file.write(chunk)
        self.sha256.update(chunk)
        self.size += len(chunk)


class Store:
    """One registry's contents under *directory*."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs"
        self._repositories = directory / "repositories"
        self._incoming = directory / "uploads"
        for folder in (self._blobs, self._repositories, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._uploads: dict[str, Upload] = {}

    # --- blobs -------------------------------------------------------------------------------

    def blob(self, repository: str, digest: str) -> Path | None:
        """Return the file of a blob that *repository* holds, or None."""
        return self._path(digest) if self._link(repository, "_layers", digest).exists() else None

    def put_blob(self, repository: str, data: bytes) -> str:
        """Store *data* in *repository*; return its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if not self._path(digest).exists():
            self._write(self._path(digest), data)
        self._touch(self._link(repository, "_layers", digest))
        return digest

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Add a blob of *source* to *repository*, too; False if *source* does not have it."""
        if not _NAME.fullmatch(source) or not self.blob(source, digest):
            return False
        self._touch(self._link(repository, "_layers", digest))
        return True

    def drop_blob(self, repository: str, digest: str) -> bool:
        """Remove a blob from *repository*; its bytes stay for other repositories."""
        link = self._link(repository, "_layers", digest)
        existed = link.exists()
        link.unlink(missing_ok=True)
        return existed

    # --- uploads -----------------------------------------------------------------------------

    def begin(self, repository: str) -> str:
        """Start an upload; return its id."""
        upload = secrets.token_hex(16)
        path = self._incoming / upload
        path.touch()
        self._uploads[upload] = Upload(repository, path)
        return upload

    def upload(self, repository: str, upload: str) -> Upload:
        """Return an unfinished upload.

        Raises:
            Refusal: there is none of this id in this repository.
        """
        incoming = self._uploads.get(upload)
        if not incoming or incoming.repository != repository:
            raise errors.upload_unknown(upload)
        return incoming

    def finish(self, repository: str, upload: str, digest: str) -> None:
        """Turn an upload into a blob.

        Raises:
            Refusal: the bytes have another digest; the upload is dropped then.
        """
        incoming = self.upload(repository, upload)
        actual = f"sha256:{incoming.sha256.hexdigest()}"
        if digest != actual:
            self.cancel(repository, upload)
            raise errors.digest_invalid(digest, actual)
        incoming.path.replace(self._path(digest))
        self._touch(self._link(repository, "_layers", digest))
        del self._uploads[upload]

    def cancel(self, repository: str, upload: str) -> None:
        """Forget an upload."""
        self.upload(repository, upload).path.unlink(missing_ok=True)
        del self._uploads[upload]

    # --- manifests and tags ------------------------------------------------------------------

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return the manifest of a tag or digest, or None."""
        digest = reference if _DIGEST.fullmatch(reference) else self._tagged(repository, reference)
        if not digest:
            return None
        link = self._link(repository, "_manifests", digest)
        if not link.exists():
            return None
        return Manifest(digest, link.read_text("utf-8"), self._path(digest).read_bytes())

    def put_manifest(self, repository: str, reference: str, media_type: str, body: bytes) -> str:
        """Store a manifest under a tag or its digest; return the digest.

        Raises:
            Refusal: it is malformed, names blobs that are missing, or its digest is another.
        """
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        by_digest = reference.startswith("sha256:")
        if by_digest and reference != digest:
            raise errors.digest_invalid(reference, digest)
        if not by_digest and not _TAG.fullmatch(reference):
            raise errors.manifest_invalid(f"'{reference}' is not a tag")
        content = _checked(body, media_type)
        for missing in self._missing(repository, media_type, content):
            raise errors.manifest_blob_unknown(missing)
        self._write(self._path(digest), body)
        link = self._link(repository, "_manifests", digest)
        link.parent.mkdir(parents=True, exist_ok=True)
        self._write(link, media_type.encode())
        if not by_digest:
            tag = self._folder(repository, "_tags") / reference
            tag.parent.mkdir(parents=True, exist_ok=True)
            self._write(tag, digest.encode())
        return digest

    def drop_manifest(self, repository: str, digest: str) -> bool:
        """Delete a manifest and every tag that points to it."""
        link = self._link(repository, "_manifests", digest)
        existed = link.exists()
        link.unlink(missing_ok=True)
        for tag, meant in self.tags(repository).items():
            if meant == digest:
                self.drop_tag(repository, tag)
        return existed

    def drop_tag(self, repository: str, tag: str) -> bool:
        """Delete a tag; its manifest stays."""
        path = self._folder(repository, "_tags") / tag
        existed = bool(_TAG.fullmatch(tag)) and path.exists()
        if existed:
            path.unlink()
        return existed

    def tags(self, repository: str) -> dict[str, str]:
        """Return the digest of each tag, tags in lexical order."""
        folder = self._folder(repository, "_tags")
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return {file.name: file.read_text("utf-8") for file in files}

    def manifests(self, repository: str) -> Iterator[Manifest]:
        """Walk a repository's manifests, oldest first."""
        folder = self._folder(repository, "_manifests")
        files = list(folder.iterdir()) if folder.is_dir() else []
        for file in sorted(files, key=lambda item: (item.stat().st_mtime_ns, item.name)):
            manifest = self.manifest(repository, f"sha256:{file.name}")
            if manifest:
                yield manifest

    def stored_at(self, repository: str, digest: str) -> float:
        """Return when a manifest came in, in seconds since the epoch."""
        return self._link(repository, "_manifests", digest).stat().st_mtime

    def repositories(self) -> list[str]:
        """Return the names of repositories that hold a manifest, in lexical order."""
        names = (
            str(path.parent.relative_to(self._repositories))
            for path in self._repositories.rglob("_manifests")
            if any(path.iterdir())
        )
        return sorted(names)

    def _missing(self, repository: str, media_type: str, content: dict[str, Any]) -> Iterator[str]:
        if media_type in INDEX_TYPES:
            for entry in content.get("manifests", []):
                if not self._link(repository, "_manifests", entry["digest"]).exists():
                    yield entry["digest"]
            return
        for entry in [content.get("config"), *content.get("layers", [])]:
            if entry and not entry.get("urls") and not self.blob(repository, entry["digest"]):
                yield entry["digest"]

    def _tagged(self, repository: str, tag: str) -> str | None:
        path = self._folder(repository, "_tags") / tag
        return path.read_text("utf-8") if _TAG.fullmatch(tag) and path.is_file() else None

    def _folder(self, repository: str, kind: str) -> Path:
        if not _NAME.fullmatch(repository):
            raise errors.name_invalid(repository)
        return self._repositories / repository / kind

    def _link(self, repository: str, kind: str, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise errors.digest_invalid(digest)
        return self._folder(repository, kind) / digest.partition(":")[2]

    def _path(self, digest: str) -> Path:
        return self._blobs / digest.partition(":")[2]

    def _write(self, path: Path, data: bytes) -> None:
        """Write so that a reader sees all of it or nothing."""
        beside = self._incoming / secrets.token_hex(16)
        beside.write_bytes(data)
        beside.replace(path)

    @staticmethod
    def _touch(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _checked(body: bytes, media_type: str) -> dict[str, Any]:
    """Return the manifest as data when every descriptor in it has a digest."""
    try:
        content = json.loads(body)
        declared = content.get("mediaType", media_type)
        entries = [*content.get("manifests", []), *content.get("layers", [])]
        if media_type not in INDEX_TYPES:
            entries.append(content["config"])
        digests = [str(entry["digest"]) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.manifest_invalid(f"{type(error).__name__}: {error}") from None
    if declared != media_type:
        raise errors.manifest_invalid(f"mediaType {declared} was sent as {media_type}")
    for digest in digests:
        if not _DIGEST.fullmatch(digest):
            raise errors.manifest_invalid(f"'{digest}' is not a sha256 digest")
    return dict(content)
