"""The image of a deployment: given or built, and from there on known by its digest only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy_action.adapters.images import Builder, BuildOrder
from deploy_action.adapters.images.registry import Reference, Registry
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.errors import DeployError, InputError


@dataclass(slots=True, kw_only=True)
class Images:
    """Where this deployment's image comes from.

    Args:
        registry: the registry that holds it.
        given: full name of an image that exists; empty where one is built.
        builder: returns who builds; not asked where the image is given.
        repository: the image's name in the registry.
        context: absolute path of the build context.
        dockerfile: relative to the context.
        arguments: build arguments by name.
    """

    registry: Registry
    given: str
    builder: Callable[[], Builder]
    repository: str
    context: str
    dockerfile: str
    record: Record
    arguments: dict[str, str] = field(default_factory=dict)
    _given_digest: str = field(default="", init=False)
    _ready: Builder | None = field(default=None, init=False)

    def check(self) -> None:
        """Find out now, with nothing changed, what would stop the image half-way.

        Raises:
            InputError: the given image, or the Dockerfile, is not there.
            PreflightError: no engine answers, or the registry does not let this identity in.
        """
        if self.given:
            self._given_digest = self._digest_of_given()
            return
        if not (Path(self.context) / self.dockerfile).is_file():
            raise InputError(
                f"Input dockerfile: there is no '{self.dockerfile}' in '{self.context}'.",
                hint="Check the inputs context and dockerfile.",
            )
        self.registry.refresh_token()
        self._ready = self.builder()

    def obtain(self, tag: str, run: Run, version: str) -> str:
        """Return the image to deploy, by digest.

        Args:
            tag: fresh tag for a built image.
            run: whose commit and link the image's labels tell.
            version: the add-in's version, or empty.

        Raises:
            DeployError: building, pushing or asking the registry failed.
        """
        if self.given:
            return Reference.parse(self.given).at(self._given_digest)
        reference = Reference(host=self.registry.host, repository=self.repository, tag=tag)
        order = BuildOrder(
            context=self.context,
            dockerfile=self.dockerfile,
            arguments=self.arguments,
            labels={
                "org.opencontainers.image.revision": run.commit,
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.source": run.link.partition("/actions/")[0],
            },
            reference=f"{reference.host}/{reference.repository}:{reference.tag}",
        )
        (self._ready or self.builder()).build(order, self.record.say)
        digest = self.registry.digest(reference)
        if digest is None:
            raise DeployError(f"The image {order.reference} was pushed, but is not there.")
        return reference.at(digest)

    def _digest_of_given(self) -> str:
        digest = self.registry.digest(Reference.parse(self.given))
        if digest is None:
            raise InputError(
                f"Input image: '{self.given}' is not in the registry.",
                hint="Push it first, or leave image empty to build one.",
            )
        return digest
