"""The add-in's files, read once: content, media type and entity tag by path."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".png": "image/png",
}


class Page(NamedTuple):
    """One file as it is served: its bytes, media type and entity tag."""

    body: bytes
    type: str
    etag: str


def read_pages(root: Path) -> dict[str, Page]:
    """Return every file that may be served, by its path; nothing else is ever opened."""
    files = [root / "manifest.xml", *sorted((root / "public").rglob("*"))]
    pages = {}
    for file in files:
        if file.is_file() and file.suffix in TYPES:
            body = file.read_bytes()
            name = file.relative_to(root).as_posix().removeprefix("public/")
            etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            pages[f"/{name}"] = Page(body, TYPES[file.suffix], etag)
    return pages


def version_of(manifest: bytes) -> str:
    """Return the manifest's Version, or an empty string."""
    manifest = re.sub(rb"<!--.*?-->", b"", manifest, flags=re.DOTALL)
    found = re.search(rb"<Version>\s*([0-9.]+)\s*</Version>", manifest)
    return found[1].decode() if found else ""
