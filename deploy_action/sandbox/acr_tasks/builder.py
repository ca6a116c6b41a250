"""Builds an image from a Dockerfile without a container engine.

The result is a real image (configuration, gzip layers, a Docker v2 manifest) in the registry.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from deploy_action.sandbox.acr_tasks.dockerfile import (
    BuildFailed,
    Instruction,
    Parsed,
    parse,
    word,
)
from deploy_action.sandbox.acr_tasks.ignore import Ignore
from deploy_action.sandbox.acr_tasks.stage import EPOCH, Stage, Surroundings
from deploy_action.sandbox.acr_tasks.tree import Blob, Tree, read_tree, sha256
from deploy_action.sandbox.interfaces import Image, ImageNotFound
from deploy_action.sandbox.registry import Reference, Registry
from deploy_action.sandbox.registry.archives import unpack_layers
from deploy_action.sandbox.registry.images import Pulled

_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_PLATFORM: Final = {  # predefined arguments that a Dockerfile may declare
    "TARGETPLATFORM": "linux/amd64",
    "TARGETOS": "linux",
    "TARGETARCH": "amd64",
    "TARGETVARIANT": "",
    "BUILDPLATFORM": "linux/amd64",
    "BUILDOS": "linux",
    "BUILDARCH": "amd64",
    "BUILDVARIANT": "",
}

Log = Callable[[str], None]


class ImageBuilder(Protocol):
    """Turns a build context into an image in a registry."""

    async def build(
        self,
        context: Path,
        reference: str,
        dockerfile: str = "Dockerfile",
        arguments: Mapping[str, str] | None = None,
        *,
        also: Sequence[str] = (),
        target: str = "",
        push: bool = True,
        log: Log = lambda _: None,
    ) -> Image:
        """Build *context* and store the result.

        Args:
            context: the folder with the sources.
            reference: the image's name, ``host/repository:tag``.
            dockerfile: path of the Dockerfile in *context*.
            arguments: build arguments by name.
            also: further names of the same image.
            target: the stage to build; the last one by default.
            push: whether to store it at all.
            log: receives each line of the builder's output.

        Raises:
            BuildFailed: the message is the last line of the log.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _From:
    """One FROM line, with variables expanded."""

    step: Instruction
    base: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    config: bytes
    layers: tuple[Blob, ...]

    def manifest(self) -> bytes:
        entries = [
            {"mediaType": _LAYER, "size": len(blob.data), "digest": blob.digest}
            for blob in self.layers
        ]
        config = {"mediaType": _CONFIG, "size": len(self.config), "digest": sha256(self.config)}
        whole = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": entries}
        return json.dumps(whole, indent=3).encode()


class Builder:
    """The builder that needs no engine; an `ImageBuilder` for the registries of *registry*."""

    def __init__(self, *, registry: Registry) -> None:
        self._registry = registry
        self._scratch = registry.directory / "builds"

    async def build(
        self,
        context: Path,
        reference: str,
        dockerfile: str = "Dockerfile",
        arguments: Mapping[str, str] | None = None,
        *,
        also: Sequence[str] = (),
        target: str = "",
        push: bool = True,
        log: Log = lambda _: None,
    ) -> Image:
        """Build and store; see `ImageBuilder`."""
        names = [_named(tag, self._registry) for tag in (reference, *also)]
        parsed = parse(await asyncio.to_thread(_dockerfile, context, dockerfile))
        plan = _Plan(parsed, dict(arguments or {}))
        bases = {name: await self._base(name) for name in plan.images()}
        self._scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch) as scratch:
            work = _Work(plan, bases, Path(scratch), log)
            built = await asyncio.to_thread(work.carry_out, context, dockerfile, target)
        manifest = built.manifest()
        digest = sha256(manifest)
        if push:
            for name in names:
                await self._store(name, built, manifest)
        run = json.loads(built.config)["config"]
        return Image(
            reference=reference,
            digest=digest,
            entrypoint=tuple(run.get("Entrypoint") or ()),
            command=tuple(run.get("Cmd") or ()),
            environment=dict(pair.split("=", 1) for pair in run["Env"]),
            working_directory=run.get("WorkingDir") or "/",
        )

    async def _store(self, name: Reference, built: _Built, manifest: bytes) -> None:
        contents = self._registry.contents(name.host)
        for data in (*(blob.data for blob in built.layers), built.config):
            await contents.put_blob(name.repository, data)
        await contents.put_manifest(name.repository, name.tag, _MANIFEST, manifest)

    async def _base(self, name: str) -> Pulled | None:
        """Return an image of our own registries; others are empty, or refused by `strict`."""
        try:
            if self._registry.stand_ins.strict or (
                Reference.parse(name).host in self._registry.hosts
            ):
                return await self._registry.pull(name)
        except (ValueError, ImageNotFound) as error:
            raise BuildFailed(f"manifest for {name} not found: {error}") from None
        return None


class _Plan:
    """A parsed Dockerfile with its stages' base images resolved."""

    def __init__(self, parsed: Parsed, arguments: Mapping[str, str]) -> None:
        self.arguments = arguments
        self.escape = parsed.escape
        self.declared: dict[str, str] = dict(_PLATFORM)
        self.consumed: set[str] = set()
        self.stages: list[tuple[_From, list[Instruction]]] = []
        for step in parsed.instructions:
            if step.keyword == "FROM":
                self.stages.append((self._from(step), []))
            elif self.stages:
                self.stages[-1][1].append(step)
            elif step.keyword == "ARG":
                self._declare(step)
            else:
                raise BuildFailed("no build stage in current context")
        if not self.stages:
            raise BuildFailed("file with no instructions")

    def images(self) -> Iterator[str]:
        """Yield the names of all images that are not stages of this file."""
        names = {begin.name for begin, _ in self.stages if begin.name}
        numbers = {str(number) for number in range(len(self.stages))}
        bases = [begin.base for begin, _ in self.stages]
        for _, steps in self.stages:
            bases.extend(step.flags["from"] for step in steps if step.flags.get("from"))
        for name in dict.fromkeys(bases):
            known = name.lower() in names or name in numbers or name == "scratch"
            if not known and "$" not in name:
                yield name

    def _declare(self, step: Instruction) -> None:
        name, equals, default = step.text.partition("=")
        if name in self.arguments:
            self.consumed.add(name)
            self.declared[name] = self.arguments[name]
        elif equals:
            self.declared[name] = word(default, self.declared, self.escape)

    def _from(self, step: Instruction) -> _From:
        parts = step.text.split()
        if not (len(parts) == 1 or (len(parts) == 3 and parts[1].upper() == "AS")):
            raise BuildFailed(f"FROM requires either one or three arguments (line {step.line})")
        base = word(parts[0], self.declared, self.escape)
        if not base:
            raise BuildFailed(f"base name ({parts[0]}) should not be blank")
        return _From(step=step, base=base, name=parts[2].lower() if len(parts) == 3 else "")


class _Work:
    """Executes a plan; runs in a thread."""

    def __init__(
        self, plan: _Plan, bases: Mapping[str, Pulled | None], scratch: Path, log: Log
    ) -> None:
        self._plan = plan
        self._bases = bases
        self._scratch = scratch
        self._log = log
        self._done: dict[str, Stage] = {}
        self._trees: dict[str, Tree] = {}

    def carry_out(self, context: Path, dockerfile: str, target: str) -> _Built:
        around = Surroundings(
            context=read_tree(context, Ignore.of(context, dockerfile)),
            arguments=self._plan.arguments,
            declared=self._plan.declared,
            sources=self._files_of,
            scratch=self._scratch,
            log=self._log,
            escape=self._plan.escape,
            consumed=self._plan.consumed,
        )
        total = sum(1 + len(steps) for _, steps in self._plan.stages)
        number, stage = 0, Stage(around)
        for index, (begin, steps) in enumerate(self._plan.stages):
            stage = Stage(around)
            for step in (begin.step, *steps):
                number += 1
                self._log(f"Step {number}/{total} : {_describe(step)}")
                if step is begin.step:
                    self._begin(stage, begin.base)
                else:
                    stage.carry_out(step)
            self._done[str(index)] = stage
            self._done[begin.name or str(index)] = stage
            if target and target.lower() in {begin.name, str(index)}:
                break
        else:
            if target:
                raise BuildFailed(f"failed to reach build target {target} in Dockerfile")
        unused = sorted(set(self._plan.arguments) - around.consumed)
        if unused:
            self._log(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed")
        return self._assembled(stage)

    def _begin(self, stage: Stage, base: str) -> None:
        if base.lower() in self._done:
            stage.inherit(self._done[base.lower()])
        elif pulled := self._bases.get(base):
            stage.run = {"Env": [], **(pulled.config.get("config") or {})}
            stage.history = list(pulled.config.get("history") or [])
            diff_ids = pulled.config["rootfs"]["diff_ids"]
            stage.layers = [
                Blob(digest=layer.digest, diff_id=diff_id, data=layer.path.read_bytes())
                for layer, diff_id in zip(pulled.layers, diff_ids, strict=True)
            ]
            stage.tree = dict(self._unpacked(base, pulled))
        elif base != "scratch":
            self._log(
                f" ---> {base} is not pulled by the sandbox: the build starts from an empty image."
            )

    def _files_of(self, name: str) -> Tree | None:
        if name.lower() in self._done:
            return self._done[name.lower()].tree
        pulled = self._bases.get(name)
        return self._unpacked(name, pulled) if pulled else None

    def _unpacked(self, name: str, pulled: Pulled) -> Tree:
        if name not in self._trees:
            root = self._scratch / f"base-{len(self._trees)}"
            unpack_layers(pulled.layers, root)
            self._trees[name] = read_tree(root, Ignore())
        return self._trees[name]

    def _assembled(self, stage: Stage) -> _Built:
        config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": stage.run,
            "rootfs": {"type": "layers", "diff_ids": [blob.diff_id for blob in stage.layers]},
            "history": stage.history,
        }
        built = _Built(config=json.dumps(config).encode(), layers=tuple(stage.layers))
        self._log(f"Successfully built {sha256(built.config)[7:19]}")
        return built


def _describe(step: Instruction) -> str:
    flags = "".join(f"--{name}={value} " for name, value in step.flags.items())
    return f"{step.keyword} {flags}{step.text}"


def _dockerfile(context: Path, name: str) -> str:
    path = context / name
    if not path.resolve().is_relative_to(context.resolve()) or not path.is_file():
        raise BuildFailed(
            f"unable to prepare context: unable to evaluate symlinks in Dockerfile path: {name}: "
            "no such file or directory"
        )
    return path.read_text("utf-8")


def _named(reference: str, registry: Registry) -> Reference:
    try:
        name = Reference.parse(reference)
        registry.contents(name.host)
    except ValueError as error:
        raise BuildFailed(f"invalid argument '{reference}': {error}") from None
    if name.digest:
        raise BuildFailed(f"invalid argument '{reference}': a digest is given by the build")
    return name
