"""Images: built by Docker or by the registry, or taken from any registry.

Whatever the source, only the digest is used after that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deploy_action.adapters.images.build_context import BuildContext
from deploy_action.adapters.images.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret:
    """A secret for ``RUN --mount=type=secret,id=…``: a value or a file."""

    id: str
    value: str = field(default="", repr=False)
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """The inputs of a build.

    Args:
        context: folder and Dockerfile.
        reference: where the image goes, with a tag that nothing else uses.
        arguments: build arguments by name.
        labels: OCI labels by name.
        target: the stage to build; empty for the last one.
        secrets: for mounts of type secret.
        cache_from: images or other sources to take unchanged layers from.
    """

    context: BuildContext
    reference: Reference
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    target: str = ""
    secrets: tuple[BuildSecret, ...] = ()
    cache_from: tuple[str, ...] = ()


class Builder(Protocol):
    """Builds an image and pushes it."""

    def check(self) -> None:
        """Find out whether a build can start, without changing anything.

        Raises:
            InputError, PreflightError: it cannot.
        """
        ...

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> str:
        """Build and push; return the digest of the pushed image.

        Each line of the builder's output goes to *on_line*.

        Raises:
            DeployError: it failed; the message has the last lines of the output.
        """
        ...
