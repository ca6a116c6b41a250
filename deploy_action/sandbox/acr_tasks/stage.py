"""One stage of a Dockerfile, carried out without running anything.

Source: Dockerfile reference. RUN is not executed and the log says so each time; everything else
does what Docker's classic builder does, or fails with the name of what is not supported.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed, Instruction, word, words
from deploy_action.sandbox.acr_tasks.ignore import Ignore
from deploy_action.sandbox.acr_tasks.tree import (
    Blob,
    Copy,
    Entry,
    Tree,
    layer_of,
    read_tree,
    select,
)
from deploy_action.sandbox.acr_tasks.values import mode, nanoseconds, owner
from deploy_action.sandbox.registry.archives import UnsafeArchive, unpack

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_RUN: Final = (
    " ---> Not executed: the sandbox builds without a container engine. "
    "Files that this step would create are missing from the image."
)
_COPY_FLAGS: Final = frozenset({"from", "chown", "chmod", "link"})


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """The state that all stages of one build share.

    *sources* finds another stage's or image's files by name; None if it is unknown.
    """

    context: Tree
    arguments: Mapping[str, str]
    declared: Mapping[str, str]
    sources: Callable[[str], Tree | None]
    scratch: Path
    log: Callable[[str], None]
    escape: str = "\\"
    consumed: set[str] = field(default_factory=set)


class Stage:
    """A stage: its files so far, its layers, its configuration."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.tree: dict[str, Entry] = {}
        self.layers: list[Blob] = []
        self.history: list[dict[str, Any]] = []
        self.run: dict[str, Any] = {"Env": [f"PATH={DEFAULT_PATH}"]}
        self._arguments: dict[str, str] = {}
        self._command_is_own = False

    def inherit(self, base: Stage) -> None:
        """Begin where *base* ended."""
        self.tree, self.layers = dict(base.tree), list(base.layers)
        self.history = list(base.history)
        self.run = {name: _copied(value) for name, value in base.run.items()}

    def carry_out(self, step: Instruction) -> None:
        """Execute one instruction.

        Raises:
            BuildFailed: it cannot be done, or is not supported.
        """
        act = getattr(self, f"_do_{step.keyword.lower()}", None)
        if act is None:
            known = "is not supported by the sandbox" if step.keyword == "ONBUILD" else "is unknown"
            raise BuildFailed(
                f"dockerfile parse error on line {step.line}: instruction {step.keyword} {known}"
            )
        act(step)

    # --- words and variables -------------------------------------------------------------------

    def _variables(self) -> dict[str, str]:
        return {**self._arguments, **self._environment()}

    def _environment(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.run["Env"])
        return {name: value for name, _, value in pairs}

    def _words(self, text: str) -> list[str]:
        return words(text, self._variables(), self._around.escape)

    def _word(self, text: str) -> str:
        return word(text, self._variables(), self._around.escape)

    def _values(self, step: Instruction) -> list[str]:
        """Return the arguments of an instruction in JSON or shell form, with variables expanded."""
        array = step.array()
        return self._words(step.text) if array is None else [self._word(item) for item in array]

    def _pairs(self, step: Instruction) -> dict[str, str]:
        """Read ``name=value …``, or the old form ``name the rest``."""
        first = step.text.split(maxsplit=1)
        if first and "=" not in first[0]:
            if len(first) == 1:
                raise BuildFailed(f"{step.keyword} must have two arguments")
            return {first[0]: self._word(first[1])}
        pairs = {}
        for pair in self._words(step.text):
            name, equals, value = pair.partition("=")
            if not equals or not name:
                raise BuildFailed(
                    f"Syntax error - can't find = in {pair!r}. Must be of the form: name=value"
                )
            pairs[name] = value
        return pairs

    def _command(self, step: Instruction) -> list[str]:
        array = step.array()
        if array is not None:
            return array
        shell = self.run.get("Shell") or ["/bin/sh", "-c"]
        return [*shell, step.text] if step.text else []

    def _note(self, step: Instruction, *, empty: bool = True) -> None:
        created_by = f"{step.keyword} {step.text}"
        if step.keyword == "RUN" and self._arguments:  # as Docker does: arguments are part of it
            arguments = " ".join(
                f"{name}={self._arguments[name]}" for name in sorted(self._arguments)
            )
            created_by = f"|{len(self._arguments)} {arguments} {created_by}"
        entry: dict[str, Any] = {"created": EPOCH, "created_by": created_by}
        self.history.append({**entry, "empty_layer": True} if empty else entry)

    def _add(self, step: Instruction, made: Tree) -> None:
        blob, whole = layer_of(made, self.tree)
        self.tree.update(whole)
        self.layers.append(blob)
        self._note(step, empty=False)

    def _absolute(self, path: str) -> str:
        return posixpath.join(self.run.get("WorkingDir") or "/", path)

    # --- instructions --------------------------------------------------------------------------

    def _do_arg(self, step: Instruction) -> None:
        for text in shlex.split(step.text, posix=True) or [""]:
            name, equals, default = text.partition("=")
            if name in self._around.arguments:
                self._around.consumed.add(name)
                self._arguments[name] = self._around.arguments[name]
            elif equals:
                self._arguments[name] = self._word(default)
            elif name in self._around.declared:
                self._arguments[name] = self._around.declared[name]
        self._note(step)

    def _do_env(self, step: Instruction) -> None:
        merged = {**self._environment(), **self._pairs(step)}
        self.run["Env"] = [f"{name}={value}" for name, value in merged.items()]
        self._note(step)

    def _do_label(self, step: Instruction) -> None:
        self.run["Labels"] = {**(self.run.get("Labels") or {}), **self._pairs(step)}
        self._note(step)

    def _do_maintainer(self, step: Instruction) -> None:
        self._note(step)

    def _do_workdir(self, step: Instruction) -> None:
        path = posixpath.normpath(self._absolute(self._word(step.text)))
        self.run["WorkingDir"] = path
        inner = path.strip("/")
        if inner and inner not in self.tree:
            self._add(step, {inner: Entry("dir", 0o755)})
        else:
            self._note(step)

    def _do_user(self, step: Instruction) -> None:
        self.run["User"] = self._word(step.text)
        self._note(step)

    def _do_expose(self, step: Instruction) -> None:
        ports: dict[str, Any] = {
            port if "/" in port else f"{port}/tcp": {} for port in self._words(step.text)
        }
        self.run["ExposedPorts"] = {**(self.run.get("ExposedPorts") or {}), **ports}
        self._note(step)

    def _do_volume(self, step: Instruction) -> None:
        volumes: dict[str, Any] = {path: {} for path in self._values(step)}
        self.run["Volumes"] = {**(self.run.get("Volumes") or {}), **volumes}
        self._note(step)

    def _do_stopsignal(self, step: Instruction) -> None:
        self.run["StopSignal"] = self._word(step.text)
        self._note(step)

    def _do_shell(self, step: Instruction) -> None:
        shell = step.array()
        if not shell:
            raise BuildFailed("SHELL requires the arguments to be in JSON form")
        self.run["Shell"] = shell
        self._note(step)

    def _do_cmd(self, step: Instruction) -> None:
        self.run["Cmd"] = self._command(step)
        self._command_is_own = True
        self._note(step)

    def _do_entrypoint(self, step: Instruction) -> None:
        self.run["Entrypoint"] = self._command(step)
        if not self._command_is_own:  # an inherited CMD was meant for the inherited ENTRYPOINT
            self.run.pop("Cmd", None)
        self._note(step)

    def _do_healthcheck(self, step: Instruction) -> None:
        kind, _, rest = step.text.partition(" ")
        if kind.upper() == "NONE":
            self.run["Healthcheck"] = {"Test": ["NONE"]}
        elif kind.upper() == "CMD":
            inner = Instruction(step.line, "CMD", {}, rest.strip())
            array = inner.array()
            check: dict[str, Any] = {
                "Test": ["CMD", *array] if array else ["CMD-SHELL", inner.text]
            }
            for flag, key in _HEALTH_TIMES.items():
                if flag in step.flags:
                    check[key] = nanoseconds(step.flags[flag])
            if "retries" in step.flags:
                check["Retries"] = int(step.flags["retries"])
            self.run["Healthcheck"] = check
        else:
            raise BuildFailed(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
        self._note(step)

    def _do_run(self, step: Instruction) -> None:
        self._around.log(NOT_RUN)
        self._note(step)

    def _do_copy(self, step: Instruction) -> None:
        unknown = sorted(set(step.flags) - _COPY_FLAGS)
        if unknown:
            raise BuildFailed(f"{step.keyword} --{unknown[0]} is not supported by the sandbox")
        *patterns, to = self._values(step) or [""]
        files: Tree = {
            heredoc.name: self._here(heredoc.body, expand=heredoc.expand)
            for heredoc in step.heredocs
        }
        patterns = [item for item in patterns if not item.startswith("<<")] + list(files)
        if not patterns:
            raise BuildFailed(f"{step.keyword} requires at least two arguments")
        origin = self._word(step.flags.get("from", ""))
        sources = {**self._sources(origin), **files}
        ending = "/" if to.endswith("/") or to in {".", ""} else ""
        uid, gid = owner(self._word(step.flags.get("chown", "")))
        bits = mode(self._word(step.flags.get("chmod", "")))
        copy = Copy(
            patterns=patterns,
            to=posixpath.normpath(self._absolute(to)).lstrip("/") + ending,
            mode=bits,
            uid=uid,
            gid=gid,
        )
        made, missing = select(sources, copy, self.tree)
        for path in missing:
            self._missing(step, path, origin)
        if step.keyword == "ADD":
            made = self._opened(made, copy)
        if made:
            self._add(step, made)
        else:
            self._note(step)

    _do_add = _do_copy  # and archives are opened

    def _here(self, body: str, *, expand: bool) -> Entry:
        return Entry("file", 0o644, (self._expanded(body) if expand else body).encode())

    def _expanded(self, body: str) -> str:
        """Expand variables in a here-document, where quotes are ordinary characters."""
        quoted = re.sub(r"([\"'])", r"\\\1", body)
        return self._word(quoted)

    def _sources(self, origin: str) -> Tree:
        if not origin:
            return self._around.context
        tree = self._around.sources(origin)
        if tree is None:
            self._around.log(
                f" ---> {origin} is not pulled by the sandbox: nothing is copied from it."
            )
        return tree or {}

    def _missing(self, step: Instruction, path: str, origin: str) -> None:
        if origin:  # a RUN that was not executed may create it
            self._around.log(f" ---> Not found in {origin}, skipped: {path}")
            return
        if step.keyword == "ADD" and "://" in path:
            raise BuildFailed(f"ADD of a URL is not supported by the sandbox: {path}")
        raise BuildFailed(
            f"{step.keyword} failed: file not found in build context or excluded by "
            f".dockerignore: stat {path}: file does not exist"
        )

    def _opened(self, made: Tree, copy: Copy) -> dict[str, Entry]:
        """Unpack local archives at the destination, as ADD does."""
        out: dict[str, Entry] = {}
        for path, entry in made.items():
            folder = Path(mkdtemp(dir=self._around.scratch)) / "archive"
            if not _unpacked(entry, folder):
                out[path] = entry
                continue
            to = copy.to.rstrip("/")
            for inner, member in read_tree(folder, Ignore()).items():
                out[posixpath.join(to, inner)] = member
        return out


EPOCH: Final = "1970-01-01T00:00:00Z"
_HEALTH_TIMES: Final = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def _unpacked(entry: Entry, folder: Path) -> bool:
    if entry.kind != "file" or not isinstance(entry.source, Path):
        return False
    try:
        unpack(entry.source, folder)
    except UnsafeArchive:
        return False
    return True


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return list(value)
    return dict(value) if isinstance(value, dict) else value
