"""Full image names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy_action.errors import InputError

_REFERENCE = re.compile(
    r"(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?)"
    r"/(?P<repository>[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image's full name."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``host/repository:tag`` or ``host/repository@sha256:…``.

        Raises:
            InputError: *text* has neither form.
        """
        match = _REFERENCE.fullmatch(text)
        if not match or "." not in match["host"]:
            raise InputError(
                f"Input image: '{text}' must be a full name such as "
                "contoso.azurecr.io/api:1.2 or contoso.azurecr.io/api@sha256:…",
                hint="Prefix the image name with the registry host. For Docker Hub, that is "
                "docker.io.",
            )
        host, repository = match["host"], match["repository"]
        if host in {"index.docker.io", "registry-1.docker.io"}:
            host = "docker.io"
        if host == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        digest = match["digest"] or ""
        tag = match["tag"] or ("" if digest else "latest")
        return cls(host=host, repository=repository, tag=tag, digest=digest)

    def at(self, digest: str) -> str:
        """Return the name by digest, as it is deployed."""
        return f"{self.host}/{self.repository}@{digest}"

    def __str__(self) -> str:
        """Return the name as it was written."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"
