"""The Docker client on the runner: which one can build with BuildKit, and with which logins.

A client from version 23 on builds through its buildx plugin; earlier ones have BuildKit built in.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy_action.adapters.images.docker_config import DockerConfig, Login
from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime import process

_TIMEOUT_S = 15.0
_FIRST_WITHOUT_BUILDKIT = 23
_HELPER = "deploy-action"
# Answers the Docker client's questions for logins from the environment, so that none is written.
_HELPER_SOURCE = """\
import json, os, sys

name = sys.stdin.read().strip()
login = json.loads(os.environ.get("DEPLOY_ACTION_LOGINS", "{}")).get(name)
if sys.argv[1:] == ["get"] and login:
    print(json.dumps({"ServerURL": name, **login}))
elif sys.argv[1:] == ["list"]:
    print("{}")
else:
    print("credentials not found in native keychain")
    sys.exit(1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerClient:
    """A client that builds with BuildKit.

    Args:
        program: its path.
        buildx: whether it builds through the buildx plugin.
    """

    program: Path
    buildx: bool

    @property
    def build_command(self) -> tuple[str, ...]:
        """The command that builds an image and keeps it in the engine."""
        program = str(self.program)
        return (program, "buildx", "build", "--load") if self.buildx else (program, "build")


def find_client(environment: Mapping[str, str]) -> DockerClient:
    """Return the first client on the PATH that can build with BuildKit.

    Raises:
        PreflightError: there is none; the message says what is missing.
    """
    problems = []
    for program in _programs(environment.get("PATH", "")):
        version = _output([program, "--version"], environment)
        if _output([program, "buildx", "version"], environment):
            return DockerClient(program=program, buildx=True)
        match = re.match(r"Docker version (\d+)\.", version)
        if match and int(match[1]) < _FIRST_WITHOUT_BUILDKIT:
            return DockerClient(program=program, buildx=False)
        problems.append(
            f"{program} (version {version.split()[2].rstrip(',')}) has no buildx plugin"
            if match
            else f"{program} is not a working Docker client"
        )
    if problems:
        raise PreflightError(
            f"No Docker client on this runner can build images: {'; '.join(problems)}.",
            hint="Install the buildx plugin (docker/setup-buildx-action does), or set builder: "
            "acr.",
        )
    raise PreflightError(
        "There is no Docker client on this runner, but builder is 'docker'.",
        hint="Install the Docker CLI with its buildx plugin, or set builder: acr.",
    )


@contextmanager
def client_environment(
    environment: Mapping[str, str], logins: Mapping[str, Login]
) -> Iterator[dict[str, str]]:
    """Yield an environment in which the client has the runner's configuration and *logins*.

    No login is written to a file: a credential helper returns the logins from the environment.

    Args:
        environment: the runner's.
        logins: by registry host, beside those of the runner's configuration.
    """
    config = DockerConfig(environment)
    content = config.content()
    known = {**config.inline_logins(), **logins}
    content.pop("auths", None)
    helpers = content.get("credHelpers")
    content["credHelpers"] = {
        **(helpers if isinstance(helpers, dict) else {}),
        **dict.fromkeys(known, _HELPER),
    }
    with TemporaryDirectory(prefix="deploy-action-docker-") as directory:
        folder = Path(directory)
        for entry in config.folder.iterdir() if config.folder.is_dir() else ():
            if entry.name != "config.json":  # plugins, contexts, buildx' builders
                (folder / entry.name).symlink_to(entry.absolute())
        (folder / "config.json").write_text(json.dumps(content), "utf-8")
        programs = folder / ".deploy-action"
        programs.mkdir()
        (programs / "helper.py").write_text(_HELPER_SOURCE, "utf-8")
        helper = programs / f"docker-credential-{_HELPER}"
        words = [sys.executable, "-I", str(programs / "helper.py")]
        helper.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        helper.chmod(0o700)
        yield {
            **environment,
            "DOCKER_CONFIG": directory,
            "PATH": os.pathsep.join([str(programs), environment.get("PATH", os.defpath)]),
            "DEPLOY_ACTION_LOGINS": json.dumps(
                {
                    name: {"Username": login.user, "Secret": login.password}
                    for name, login in known.items()
                }
            ),
        }


def _programs(path: str) -> Iterator[Path]:
    known = set()
    for folder in path.split(os.pathsep):
        program = Path(folder or ".") / "docker"
        if os.access(program, os.X_OK) and program.is_file():
            resolved = program.resolve()
            if resolved not in known:
                known.add(resolved)
                yield program


def _output(words: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    """Return what a program prints; empty where it fails."""
    try:
        completed = process.run(
            words, cwd=Path("/"), environment=environment, timeout_s=_TIMEOUT_S, check=False
        )
    except DeployError:
        return ""
    return completed.stdout.strip() if completed.exit_code == 0 else ""
