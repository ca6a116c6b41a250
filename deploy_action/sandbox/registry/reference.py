"""Names of images, as a puller writes them.

Source of the grammar: OCI distribution specification 1.1, "Pulling manifests".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REPOSITORY = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"

_REFERENCE = re.compile(
    rf"(?P<host>[A-Za-z0-9.-]+(?::[0-9]+)?)/(?P<repository>{REPOSITORY})"
    rf"(?::(?P<tag>{TAG}))?(?:@(?P<digest>{DIGEST}))?"
)
_DOCKER_HUB = "index.docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One image name, taken apart; *wanted* is the digest where there is one, else the tag."""

    host: str
    repository: str
    tag: str
    digest: str

    @property
    def wanted(self) -> str:
        """Return the tag or digest in the request."""
        return self.digest or self.tag

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``host/repository[:tag][@digest]``; a name without host is Docker Hub's.

        Raises:
            ValueError: the text is no image name.
        """
        first, slash, _ = text.partition("/")
        if not slash or not ("." in first or ":" in first or first == "localhost"):
            text = f"{_DOCKER_HUB}/{text if slash else f'library/{text}'}"
        match = _REFERENCE.fullmatch(text)
        if not match:
            raise ValueError(f"could not parse reference: {text}")
        return cls(
            host=match["host"].lower(),
            repository=match["repository"],
            tag=match["tag"] or ("" if match["digest"] else "latest"),
            digest=match["digest"] or "",
        )
