"""Where the image comes from: given, built by a Docker engine, or built by the registry itself.

Whichever it was, from here on only its digest counts, read back from the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """What to build.

    Args:
        context: absolute path of the build context.
        dockerfile: path of the Dockerfile relative to the context.
        arguments: build arguments by name.
        labels: OCI labels by name.
        reference: where the result goes, as ``host/repository:tag``.
    """

    context: str
    dockerfile: str
    arguments: dict[str, str]
    labels: dict[str, str]
    reference: str


class Builder(Protocol):
    """Builds an image and pushes it."""

    def build(self, order: BuildOrder, on_line: Callable[[str], None]) -> None:
        """Build and push; each line of the builder's own output goes to *on_line*.

        Raises:
            DeployError: it failed; the message has the builder's last words.
        """
        ...
