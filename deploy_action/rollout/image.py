"""The image of a deployment: given or built, and from there on known by its digest only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deploy_action.adapters.images import Builder, BuildOrder
from deploy_action.adapters.images.registry import Reference, Registry
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.errors import DeployError, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Where this deployment's image comes from.

    Args:
        registry: the registry that holds it.
        given: full name of an image that exists; empty where one is built.
        builder: returns who builds; not asked where the image is given.
        repository: the image's name in the registry.
        context: absolute path of the build context.
        dockerfile: relative to the context; empty means Dockerfile.
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

    def obtain(self, tag: str, run: Run, version: str) -> str:
        """Return the image to deploy, by digest.

        Args:
            tag: fresh tag for a built image.
            run: whose commit and link the image's labels tell.
            version: the add-in's version, or empty.

        Raises:
            InputError: the given image does not exist.
            DeployError: building, pushing or asking the registry failed.
        """
        if self.given:
            return self._found(Reference.parse(self.given))
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
        self.builder().build(order, self.record.say)
        digest = self.registry.digest(reference)
        if digest is None:
            raise DeployError(f"The image {order.reference} was pushed, but is not there.")
        return reference.at(digest)

    def _found(self, reference: Reference) -> str:
        digest = self.registry.digest(reference)
        if digest is None:
            raise InputError(
                f"Input image: '{self.given}' is not in the registry.",
                hint="Push it first, or leave image empty to build one.",
            )
        return reference.at(digest)
