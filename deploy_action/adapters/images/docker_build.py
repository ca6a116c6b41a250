"""Builds with BuildKit through the runner's Docker client, and pushes through the engine's API.

The digest is the one that the push reports. The build attaches no attestations: with them, a tag
would mean an index with an entry for an unknown platform, which some runtimes refuse.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException

from deploy_action.adapters.images import BuildRequest
from deploy_action.adapters.images.docker_client import (
    DockerClient,
    client_environment,
    find_client,
)
from deploy_action.adapters.images.docker_config import Login
from deploy_action.adapters.images.ignore_file import FILE_NAME
from deploy_action.adapters.images.reference import Reference
from deploy_action.adapters.images.registry import PLATFORM
from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime import process
from deploy_action.runtime.polling import Deadline
from deploy_action.runtime.request_trace import TRACE

_DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_TIMEOUT_S = 15
_CANCEL_S = 2.0  # BuildKit stops the steps when its client ends
_KEEP_GIT = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"
_INLINE_CACHE = "BUILDKIT_INLINE_CACHE"


class DockerBuild:
    """Builds on the engine that ``DOCKER_HOST`` (or the default socket) names.

    Args:
        environment: the process environment, without the action's own inputs.
        login: returns the login for the registry of the image.
        timeout_s: how long building and pushing may take.
    """

    def __init__(
        self, environment: Mapping[str, str], *, login: Callable[[], Login], timeout_s: float
    ) -> None:
        self._environment = dict(environment)
        self._environment.setdefault("DOCKER_HOST", _DEFAULT_ENGINE)
        self._login = login
        self._timeout_s = timeout_s
        self._client: DockerClient | None = None

    def check(self) -> None:
        """Check that an engine answers and that a client can build; see `Builder`."""
        with self._engine() as engine:
            system = str(engine.version().get("Os", ""))
        if system != "linux":
            raise PreflightError(
                f"The Docker engine builds {system} images, but Container Apps runs {PLATFORM}.",
                hint="Use a Linux runner, or set builder: acr.",
            )
        self._client = find_client(self._environment)

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> str:
        """Build *request* and push it; see `Builder`."""
        deadline = Deadline(self._timeout_s)
        login = self._login()
        with TemporaryDirectory(prefix="deploy-action-build-") as directory:
            self._run_client(request, login, Path(directory), deadline, on_line)
            file = Path(directory, "image-id")
            image_id = file.read_text("utf-8").strip() if file.is_file() else ""
        if not image_id:
            raise DeployError("The Docker client reported no image id for the build.")
        with self._engine() as engine:
            self._check_platform(engine, request.reference)
            return self._push(engine, request.reference, login, deadline, on_line)

    def _run_client(
        self,
        request: BuildRequest,
        login: Login,
        directory: Path,
        deadline: Deadline,
        on_line: Callable[[str], None],
    ) -> None:
        client = self._client or find_client(self._environment)
        logins = {request.reference.host: login}
        try:
            with client_environment(self._environment, logins) as environment:
                words, secrets = _arguments(request, directory)
                process.stream(
                    [*client.build_command, *words],
                    cwd=request.context.folder,
                    environment={
                        **environment,
                        **secrets,
                        "DOCKER_BUILDKIT": "1",
                        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
                    },
                    timeout_s=deadline.remaining,
                    on_line=on_line,
                    name="docker build",
                    grace_s=_CANCEL_S,
                )
        except process.ProcessTimeoutError:
            raise _too_slow(self._timeout_s) from None
        except process.ProcessError as error:
            last = " / ".join(error.last_lines) or error.message
            raise DeployError(f"The image could not be built: {last}") from None

    def _check_platform(self, engine: docker.DockerClient, reference: Reference) -> None:
        api: Any = engine.api  # its types are incomplete
        try:
            about = api.inspect_image(str(reference))
        except (APIError, OSError) as error:
            raise _engine_failed(error) from None
        platform = f"{about.get('Os')}/{about.get('Architecture')}"
        if platform != PLATFORM:
            raise DeployError(
                f"The image was built for {platform}, but Container Apps runs {PLATFORM}.",
                hint="Remove --platform from the Dockerfile's last FROM.",
            )

    def _push(
        self,
        engine: docker.DockerClient,
        reference: Reference,
        login: Login,
        deadline: Deadline,
        on_line: Callable[[str], None],
    ) -> str:
        """Push, and return the digest that the engine reports for this push."""
        digest = ""
        for event in self._push_events(engine, reference, login, deadline):
            if "error" in event:
                raise DeployError(
                    f"The image could not be pushed to {reference.host}: "
                    f"{str(event['error']).strip()}"
                )
            digest = str((event.get("aux") or {}).get("Digest") or digest)
            if event.get("status") and "id" not in event:
                on_line(str(event["status"]))
        if not digest:
            raise DeployError(f"The Docker engine reported no digest for {reference}.")
        return digest

    def _push_events(
        self, engine: docker.DockerClient, reference: Reference, login: Login, deadline: Deadline
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the events of a push until *deadline*, however long the engine is silent."""
        events: queue.Queue[Any] = queue.Queue()

        def push() -> None:
            try:
                for event in engine.api.push(
                    f"{reference.host}/{reference.repository}",
                    tag=reference.tag,
                    stream=True,
                    decode=True,
                    auth_config={"username": login.user, "password": login.password},
                ):
                    events.put(event)
                events.put(None)
            except (APIError, OSError, ValueError, requests.RequestException) as error:
                events.put(_engine_failed(error))

        threading.Thread(target=push, daemon=True).start()
        while True:
            try:
                event = events.get(timeout=max(deadline.remaining, 0.001))
            except queue.Empty:
                raise _too_slow(self._timeout_s) from None
            if event is None:
                return
            if isinstance(event, DeployError):
                raise event
            yield event

    @contextmanager
    def _engine(self) -> Iterator[docker.DockerClient]:
        try:
            with TRACE.measured("docker engine GET /version"):
                engine = docker.DockerClient.from_env(
                    environment=self._environment, timeout=_TIMEOUT_S, version="auto"
                )
        except DockerException:
            raise PreflightError(
                "No Docker engine responds on this runner, but builder is 'docker'.",
                hint="Use a runner with Docker, or set builder: acr.",
            ) from None
        try:
            engine.api.hooks["response"].append(_record)
            engine.api.timeout = max(_TIMEOUT_S, int(self._timeout_s))
            yield engine
        finally:
            engine.close()


def _record(response: requests.Response, **_: Any) -> None:
    """Record a request to the engine, without its headers, which have the login."""
    path = urlsplit(response.url).path
    milliseconds = response.elapsed.total_seconds() * 1000
    TRACE.add(
        f"docker engine {response.request.method} {path}: {response.status_code}, "
        f"{milliseconds:.0f} ms"
    )


def _arguments(request: BuildRequest, directory: Path) -> tuple[list[str], dict[str, str]]:
    """Return the client's arguments, and the environment that holds the secrets."""
    keep_git = request.arguments.get(_KEEP_GIT) == "1"
    # The Dockerfile is copied so that its ignore file can name Git's folder as well.
    dockerfile = directory / "Dockerfile"
    dockerfile.write_bytes(request.context.dockerfile.read_bytes())
    dockerfile.with_name(f"Dockerfile{FILE_NAME}").write_bytes(
        request.context.ignore_file(keep_git=keep_git)
    )
    words = ["--file", str(dockerfile), "--iidfile", str(directory / "image-id")]
    words += ["--progress", "plain", "--platform", PLATFORM, "--tag", str(request.reference)]
    arguments = dict(request.arguments)
    if request.cache_from:
        arguments.setdefault(_INLINE_CACHE, "1")  # so that the next build can use this image
    for name, value in arguments.items():
        words += ["--build-arg", f"{name}={value}"]
    for name, value in request.labels.items():
        words += ["--label", f"{name}={value}"]
    for source in request.cache_from:
        words += ["--cache-from", source]
    if request.target:
        words += ["--target", request.target]
    environment = {}
    for number, secret in enumerate(request.secrets):
        if secret.file:
            words += ["--secret", f"id={secret.id},src={secret.file}"]
        else:
            variable = f"DEPLOY_ACTION_BUILD_SECRET_{number}"
            environment[variable] = secret.value
            words += ["--secret", f"id={secret.id},env={variable}"]
    return [*words, str(request.context.folder)], environment


def _too_slow(timeout_s: float) -> DeployError:
    return DeployError(
        f"Building and pushing the image took more than {timeout_s:.0f} s.",
        hint="Increase build-timeout.",
    )


def _engine_failed(error: Exception) -> DeployError:
    reason = getattr(error, "explanation", None) or type(error).__name__
    return DeployError(f"The Docker engine failed: {reason}")
