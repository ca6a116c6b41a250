"""The image of a deployment: existing or newly built, then referenced by digest only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy_action.adapters.images import Builder, BuildRequest, BuildSecret
from deploy_action.adapters.images.build_context import BuildContext
from deploy_action.adapters.images.ignore_file import IgnoreRules
from deploy_action.adapters.images.reference import Reference
from deploy_action.adapters.images.registry import ImageInfo, Registry, require_platform
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.errors import DeployError, InputError

_LONGEST_TAG = 128
_COMMIT = re.compile(r"[0-9a-f]{40}")
# An image may inherit the standard version label from its base image, so we use our own.
VERSION_LABEL = "deploy-action.version"
_COMMIT_LABEL = "org.opencontainers.image.revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOrigin:
    """The origin of an existing image, read from its labels; empty without them."""

    version: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of a deployment's image.

    Args:
        context: folder and Dockerfile; called when the image is built.
        builder: builds and pushes.
        repository: the image's name in the registry.
        pushes: whether the builder pushes with this identity.
        unique: makes the image's tag unique to the app and this process.
        arguments, target, secrets, cache_from: as in `BuildRequest`.
    """

    context: Callable[[], BuildContext]
    builder: Builder
    repository: str
    pushes: bool
    unique: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    secrets: tuple[BuildSecret, ...] = ()
    cache_from: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ImageSource:
    """Provides the image of a deployment.

    Args:
        registry: holds the image.
        source: an image that exists, or how to build one.
        extra_tags: also point to the image after promotion.
        record: receives the builder's output.
    """

    registry: Registry
    source: Reference | Build
    extra_tags: tuple[str, ...]
    record: Record
    _given: ImageInfo | None = field(default=None, init=False)

    def check(self) -> None:
        """Check for everything that would make the image fail later, without changing anything.

        Raises:
            InputError: the image, the Dockerfile or a setting is invalid.
            PreflightError: no builder is available, or the registry refuses this identity.
        """
        if isinstance(self.source, Build):
            self._check_build(self.source)
        else:
            self._given = self._given or self._inspect(self.source)
            require_platform(self._given, str(self.source))
            if self.extra_tags:
                self.registry.check_push(self.source.repository)

    def origin(self) -> ImageOrigin | None:
        """Return the origin of an existing image; None if this run builds the image.

        Raises:
            InputError, PreflightError: see `check`.
        """
        if isinstance(self.source, Build):
            return None
        self._given = self._given or self._inspect(self.source)
        labels = self._given.labels
        commit = labels.get(_COMMIT_LABEL, "")
        return ImageOrigin(
            version=labels.get(VERSION_LABEL, ""),
            commit=commit if _COMMIT.fullmatch(commit) else "",
        )

    def obtain(self, tag: str, run: Run, version: str) -> str:
        """Return the image to deploy, by digest.

        Args:
            tag: describes version, commit and run.
            run: its commit and link become labels of the image.
            version: the add-in's version, or empty.

        Raises:
            DeployError: building or pushing failed.
        """
        if not isinstance(self.source, Build):
            info = self._given or self._inspect(self.source)
            return self.source.at(info.digest)
        build = self.source
        reference = self._reference(build, tag)
        request = BuildRequest(
            context=build.context(),
            reference=reference,
            arguments=dict(build.arguments),
            labels={
                VERSION_LABEL: version,
                _COMMIT_LABEL: run.commit,
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.source": run.link.partition("/actions/")[0],
            },
            target=build.target,
            secrets=build.secrets,
            cache_from=build.cache_from,
        )
        digest = build.builder.build(request, self.record.say)
        if self.registry.digest(Reference.parse(reference.at(digest))) is None:
            raise DeployError(
                f"The image {reference} was pushed, but the registry does not have its digest "
                f"{digest}."
            )
        return reference.at(digest)

    def tag_promoted(self, image: str) -> None:
        """Point the extra tags to *image*; a failure is only a warning, as the image serves."""
        for tag in self.extra_tags:
            try:
                self.registry.tag(Reference.parse(image), tag)
            except DeployError as error:
                self.record.warn(f"Tag {tag} was not set on the image: {error}")
            else:
                self.record.say(f"Tagged the image {tag}")

    def _check_build(self, build: Build) -> None:
        context = build.context()
        IgnoreRules(context.ignore_file())
        self._reference(build, "check")
        build.builder.check()
        if build.pushes or self.extra_tags:
            self.registry.check_push(build.repository)

    def _reference(self, build: Build, tag: str) -> Reference:
        """Return the image's name; the end of its tag differs for every app and process."""
        end = re.sub(r"[^\w.-]+", "-", build.unique)[-64:]
        name = f"{self.registry.host}/{build.repository}"
        try:
            return Reference.parse(f"{name}:{tag[: _LONGEST_TAG - len(end) - 1]}-{end}")
        except InputError:
            raise InputError(
                f"Input repository: '{build.repository}' is not a valid image name.",
                hint="Use lower-case letters, digits and single separators (. _ - /).",
            ) from None

    def _inspect(self, reference: Reference) -> ImageInfo:
        info = self.registry.inspect(reference)
        if info is None:
            raise InputError(
                f"Input image: '{reference}' does not exist in the registry.",
                hint="Push it first, or leave image empty to build one.",
            )
        return info
