"""Translates what a container would run into a command for this machine.

A process has no file system of its own: paths of the image are looked up in the folder that it was
unpacked to, Python is the one that runs the sandbox, and other programs come from the machine.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy_action.sandbox.interfaces import Image

_PYTHON: Final = re.compile(r"(?:/(?:usr/)?(?:local/)?bin/)?python(?:3(?:\.\d+)?)?")
_ENV: Final = re.compile(r"/(?:usr/)?bin/env")
_MACHINE_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin")
_PATH_LISTS: Final = frozenset({"PYTHONPATH", "NODE_PATH"})


def argv_of(image: Image, command: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return what a container would run: *command* and *arguments* over the image's own.

    Source: Kubernetes, "Define a command and arguments for a container": a command without
    arguments also replaces the image's arguments.

    Raises:
        RuntimeError: there is nothing to run.
    """
    if image.stand_in:
        return list(image.entrypoint)
    whole = [*image.entrypoint, *(arguments or image.command)]
    argv = [*command, *arguments] if command else whole
    if not argv:
        raise RuntimeError("no command specified: the image has neither ENTRYPOINT nor CMD")
    return argv


def wrappers(directory: Path) -> None:
    """Make ``python`` and ``python3`` for shell-form commands and scripts.

    Small scripts and no links: a link would hide the virtual environment that Python belongs to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        script = directory / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', "utf-8")
        script.chmod(0o700)


class Translation:
    """Translates paths and programs of one image.

    Args:
        root: the folder that the image was unpacked to.
        wrappers: the folder that `wrappers` made.
        path: the image's own PATH.
    """

    def __init__(self, root: Path, wrappers: Path, path: str) -> None:
        self._root = root
        inner = [str(translated) for part in path.split(":") if (translated := self.inside(part))]
        node = shutil.which("node")
        self.path = os.pathsep.join(
            dict.fromkeys(
                [
                    *inner,
                    str(wrappers),
                    str(Path(sys.executable).parent),
                    *([str(Path(node).parent)] if node else []),
                    *_MACHINE_PATH,
                ]
            )
        )

    def inside(self, path: str) -> Path | None:
        """Return where an absolute path of the image lies, or None if it has no such file."""
        if not path.startswith("/") or path.strip("/") == "":
            return None
        host_path = self._root / path.lstrip("/")
        real = Path(os.path.realpath(host_path))
        return (
            host_path
            if real.exists() and Path(os.path.realpath(self._root)) in real.parents
            else None
        )

    def argv(self, argv: Sequence[str], cwd: Path) -> list[str]:
        """Translate a whole command line.

        Raises:
            RuntimeError: its program is found neither in the image nor on this machine.
        """
        program, *rest = argv
        arguments = [str(self.inside(argument) or argument) for argument in rest]
        if _ENV.fullmatch(program) and rest and "=" not in rest[0] and not rest[0].startswith("-"):
            return self.argv(rest, cwd)
        return [*self._program(program, cwd), *arguments]

    def environment(
        self, image: Mapping[str, str], configured: Mapping[str, str], cwd: Path
    ) -> dict[str, str]:
        """Return the process's environment: the image's, the app's, and a few of our variables.

        Values of the image's own variables that name a file of the image are translated; those
        that the app was given are not touched: they may be paths of an address.
        """
        inner = {name: self._value(name, value) for name, value in image.items()}
        basic = {"HOME": str(self._root), "TMPDIR": str(cwd), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**basic, **inner, **configured, "PATH": self.path}

    def _value(self, name: str, value: str) -> str:
        if name in _PATH_LISTS:
            return ":".join(str(self.inside(part) or part) for part in value.split(":"))
        return str(self.inside(value) or value)

    def _program(self, program: str, cwd: Path) -> list[str]:
        if _PYTHON.fullmatch(program):
            return [sys.executable]
        if "/" not in program:
            path = shutil.which(program, path=self.path)
        elif program.startswith("/"):
            path = shutil.which(str(self.inside(program) or program))
        else:
            path = shutil.which(str(cwd / program))
        if not path:
            raise RuntimeError(f'exec: "{program}": executable file not found in $PATH')
        interpreter = self._interpreter(Path(path))
        return [*self.argv(interpreter, cwd), path] if interpreter else [path]

    def _interpreter(self, path: Path) -> list[str]:
        """Return the interpreter that a script of the image names; ours need no translation."""
        if self._root not in path.parents:
            return []
        with path.open("rb") as file:
            first = file.readline(256)
        return first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
