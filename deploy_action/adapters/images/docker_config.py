"""The runner's Docker configuration: logins from `docker login` or docker/login-action.

Sources: docker/cli, "Configuration files"; docker/docker-credential-helpers, "Development", for
the protocol of the helpers.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_action.errors import DeployError
from deploy_action.runtime import process

_HELPER_TIMEOUT_S = 10.0
_HUB = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """User and password for one registry."""

    user: str
    password: str


class DockerConfig:
    """The configuration in ``DOCKER_CONFIG``, or in ``~/.docker``.

    Args:
        environment: the process environment.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        home = Path(environment.get("HOME") or "/")
        self.folder = Path(environment.get("DOCKER_CONFIG") or home / ".docker")

    def content(self) -> dict[str, Any]:
        """Return the configuration as JSON; empty where there is none that can be read."""
        try:
            value = json.loads((self.folder / "config.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def login(self, host: str) -> Login | None:
        """Return the login for a registry, or None."""
        content = self.content()
        names = [_HUB, "index.docker.io", "docker.io"] if host == "docker.io" else [host]
        names += [f"https://{name}" for name in names if not name.startswith("https://")]
        helpers = _mapping(content.get("credHelpers"))
        for name in names:
            helper = helpers.get(name) or content.get("credsStore")
            login = self._from_helper(str(helper), name) if helper else None
            if login := login or _decoded(_mapping(content.get("auths")).get(name)):
                return login
        return None

    def inline_logins(self) -> dict[str, Login]:
        """Return the logins that are stored in the file itself, by server name."""
        auths = _mapping(self.content().get("auths"))
        logins = {str(name): _decoded(entry) for name, entry in auths.items()}
        return {name: login for name, login in logins.items() if login}

    def _from_helper(self, helper: str, server: str) -> Login | None:
        try:
            completed = process.run(
                [f"docker-credential-{helper}", "get"],
                cwd=Path("/"),
                environment=self._environment,
                input=server.encode(),
                timeout_s=_HELPER_TIMEOUT_S,
            )
            answer = json.loads(completed.output)
            user, password = str(answer["Username"]), str(answer["Secret"])
        except (DeployError, ValueError, KeyError, TypeError):
            return None
        return Login(user=user, password=password) if password else None


def _decoded(entry: Any) -> Login | None:
    """Read an entry of ``auths``: base64 of ``user:password``."""
    try:
        text = base64.b64decode(str(_mapping(entry).get("auth") or ""), validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    user, colon, password = text.partition(":")
    return Login(user=user, password=password.strip("\0")) if colon and password else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
