"""The Docker engine on the runner: builds and pushes through its API, with no `docker login`.

The classic builder makes plain image manifests; a build through buildx would push an index with an
attestation, which some runtimes refuse. The registry's password goes with the one call and is never
written to a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import docker
from docker.errors import APIError, DockerException

from deploy_action.adapters.images import BuildOrder
from deploy_action.adapters.images.registry import DOCKER_USER
from deploy_action.errors import DeployError, PreflightError


class DockerEngine:
    """The engine that ``DOCKER_HOST`` (or the default socket) names.

    Args:
        environment: the process environment.
        password: returns the registry's password for this push.
        timeout_s: how long one answer of the engine may take.
    """

    def __init__(
        self, environment: Mapping[str, str], *, password: Callable[[], str], timeout_s: float
    ) -> None:
        self._password = password
        try:
            self._client = docker.DockerClient.from_env(
                environment=dict(environment), timeout=int(timeout_s), version="auto"
            )
        except DockerException:
            raise PreflightError(
                "No Docker engine answers on this machine, but builder is 'docker'.",
                hint="Use a runner with Docker, or set the input builder to 'acr'.",
            ) from None

    def build(self, order: BuildOrder, on_line: Callable[[str], None]) -> None:
        """Build *order* and push it; see `Builder`."""
        api = self._client.api
        host = order.reference.partition("/")[0]
        login = {"username": DOCKER_USER, "password": self._password()}
        try:
            # For base images from the same registry; kept in this client's memory only.
            api.login(**login, registry=host, reauth=True)
            lines = api.build(
                path=order.context,
                dockerfile=order.dockerfile,
                tag=order.reference,
                buildargs=order.arguments,
                labels=order.labels,
                rm=True,
                forcerm=True,
                decode=True,
            )
            _follow(lines, "building", on_line)
            pushed = api.push(order.reference, stream=True, decode=True, auth_config=login)
            _follow(pushed, "pushing", on_line)
        except (APIError, TypeError, OSError) as error:
            reason = getattr(error, "explanation", None) or error
            raise DeployError(f"The Docker engine failed: {reason}") from None


def _follow(events: Iterable[Any], doing: str, on_line: Callable[[str], None]) -> None:
    """Pass the engine's words on; an error event ends the build."""
    last = ""
    for event in events:
        if "error" in event:
            raise DeployError(
                f"The image failed while {doing}: {str(event['error']).strip()}"
                + (f" (last step: {last})" if last else "")
            )
        text = str(event.get("stream") or "").strip()
        if text:
            last = text if text.startswith("Step ") else last
            on_line(text)
        elif event.get("status") and "id" not in event:
            on_line(str(event["status"]))
