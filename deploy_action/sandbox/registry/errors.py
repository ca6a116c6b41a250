"""The registry's refusals, one catalogue.

Sources: OCI distribution specification 1.1, "Error Codes"; the texts that Azure's registry gives
are from recorded answers (UNAUTHORIZED, MANIFEST_UNKNOWN by tag); the others are chosen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SERVER = "AzureContainerRegistry"


@dataclass
class Refusal(Exception):  # noqa: N818  a refusal is an ordinary answer of a registry
    """One answer in the registry's error form: ``{"errors": [{code, message, detail}]}``."""

    status: int
    code: str
    message: str
    detail: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """Return it as HTTP."""
        error = {"code": self.code, "message": self.message, "detail": self.detail}
        return web.Response(
            status=self.status,
            body=json.dumps({"errors": [error]}).encode(),
            content_type="application/json",
            charset="utf-8",
            headers=dict(self.headers),
        )


def unauthorized(challenge: str) -> Refusal:
    """The token is missing or insufficient; *challenge* says where to get one."""
    return Refusal(
        401,
        "UNAUTHORIZED",
        "authentication required, visit https://aka.ms/acr/authorization for more information.",
        headers={"WWW-Authenticate": challenge},
    )


def token_refused(message: str, *, status: int = 401) -> Refusal:
    """A token endpoint rejects the request."""
    return Refusal(status, "UNAUTHORIZED" if status == 401 else "BAD_REQUEST", message)


def manifest_unknown(reference: str) -> Refusal:
    """No manifest under this tag or digest."""
    if reference.startswith("sha256:"):
        return Refusal(
            404, "MANIFEST_UNKNOWN", f"manifest {reference} is not found", {"Revision": reference}
        )
    return Refusal(
        404,
        "MANIFEST_UNKNOWN",
        f'manifest tagged by "{reference}" is not found',
        {"Tag": reference},
    )


def name_unknown(repository: str) -> Refusal:
    """No such repository."""
    return Refusal(
        404, "NAME_UNKNOWN", f'repository "{repository}" is not found', {"name": repository}
    )


def name_invalid(path: str) -> Refusal:
    """The path is not part of the registry's API."""
    return Refusal(404, "NAME_INVALID", "invalid repository name or unknown route", {"path": path})


def blob_unknown(digest: str) -> Refusal:
    """The repository does not hold this blob."""
    return Refusal(404, "BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})


def upload_unknown(upload: str) -> Refusal:
    """The upload does not exist or has ended."""
    return Refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", {"uuid": upload})


def digest_invalid(expected: str, actual: str = "") -> Refusal:
    """The digest is malformed, or does not match the content."""
    return Refusal(
        400,
        "DIGEST_INVALID",
        "provided digest did not match uploaded content",
        {"said": expected, "found": actual},
    )


def range_invalid(at: int) -> Refusal:
    """A chunk does not start where the last one ended."""
    return Refusal(
        416,
        "BLOB_UPLOAD_INVALID",
        "the chunk does not follow the last one",
        headers={"Range": f"0-{max(at - 1, 0)}"},
    )


def manifest_invalid(why: str) -> Refusal:
    """The manifest is malformed."""
    return Refusal(400, "MANIFEST_INVALID", "manifest invalid", {"reason": why})


def manifest_blob_unknown(digest: str) -> Refusal:
    """A manifest names a blob that was never pushed here."""
    return Refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})


def unsupported(what: str) -> Refusal:
    """The operation is not supported, or not allowed by the specification."""
    return Refusal(405, "UNSUPPORTED", f"the operation is unsupported: {what}")
