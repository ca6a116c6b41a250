"""Credentials are sent only to allowed hosts, whatever settings and responses contain."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stage import Stage
from tests.support.credential_listener import Answer, Change, Listener, Request, Response, listening

EVIL = "collector.example"
PASSWORD = "correct-horse-battery"
CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "config": {}}).encode()
ARM_CONFIG = json.dumps({"os": "linux", "architecture": "arm64", "config": {}}).encode()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class ForeignRegistry:
    """A registry outside Azure: a token service, manifests, and blobs on another host.

    Args:
        host: its own.
        private: whether it requires a login.
        config: the configuration of its one image.
    """

    def __init__(self, host: str, *, private: bool, config: bytes = CONFIG) -> None:
        self.host = host
        self.private = private
        self.config = config
        about = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": digest_of(config), "size": len(config)},
            "layers": [],
        }
        self.manifest = json.dumps(about).encode()

    def __call__(self, request: Request) -> Response:
        if request.path.startswith("/token"):
            login = base64.b64encode(f"dana:{PASSWORD}".encode()).decode()
            if self.private and request.headers.get("Authorization") != f"Basic {login}":
                return Response(401)
            return Response(200, body=json.dumps({"token": f"token-of-{self.host}"}).encode())
        if request.headers.get("Authorization") != f"Bearer token-of-{self.host}":
            realm = f'Bearer realm="https://{self.host}/token",service="{self.host}"'
            return Response(401, {"WWW-Authenticate": realm})
        if "/manifests/" in request.path:
            digest = digest_of(self.manifest)
            kind = "application/vnd.oci.image.manifest.v1+json"
            headers = {"Docker-Content-Digest": digest, "Content-Type": kind}
            return Response(200, headers, self.manifest)
        if "/blobs/" in request.path:
            return Response(307, {"Location": "https://storage.example/blob"})
        return Response(404)

    def storage(self, _: Request) -> Response:
        return Response(200, body=self.config)


@contextmanager
def listener_for(
    stage: Stage,
    directory: Path,
    foreign: dict[str, Answer] | None = None,
    change: Change = lambda _, response: response,
) -> Iterator[Listener]:
    """Route the stage's runs through a listener that watches for the runner's secrets."""
    environment = stage.scene.environment
    hosts = {EVIL: lambda _: Response(200, body=b"{}"), **(foreign or {})}
    with listening(Listener(hosts, change), environment, directory) as listener:
        url = environment["ACTIONS_ID_TOKEN_REQUEST_URL"]
        listener.keep(environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], url.split("/")[2])
        stage.variables |= listener.variables
        yield listener
    assert listener.requests, "the runs went through the listener"
    assert listener.leaks() == []


def log_in(stage: Stage, host: str) -> None:
    """Write the login as docker/login-action does."""
    folder = stage.scene.directory / ".docker"
    folder.mkdir()
    auth = base64.b64encode(f"dana:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_a_deployment_sends_each_token_to_allowed_hosts_only(stage: Stage, tmp_path: Path) -> None:
    stage.push_healthy()

    with listener_for(stage, tmp_path) as listener:
        run = stage.run(image_tags="latest")

    assert run.exit_code == 0, run.log
    assert len(listener.secrets) >= 5, "tokens of GitHub, Entra and the registry"
    hosts = {request.host for request in listener.requests}
    assert {"management.azure.com", "login.microsoftonline.com"} <= hosts


def test_git_and_ignored_files_are_not_uploaded(stage: Stage, tmp_path: Path) -> None:
    """The context is the checkout, whose .git has a token after actions/checkout."""
    stage.push_healthy()
    workspace = stage.scene.workspace
    (workspace / ".dockerignore").write_bytes(b"\xef\xbb\xbfpassword.txt\n")
    (workspace / "password.txt").write_text("hunter2")

    with listener_for(stage, tmp_path) as listener:
        run = stage.run(context=".", dockerfile="addin/Dockerfile")

    assert run.exit_code == 4, "the Dockerfile is for another context"
    [upload] = [request for request in listener.requests if request.method == "PUT"]
    with tarfile.open(fileobj=io.BytesIO(upload.body)) as archive:
        names = archive.getnames()
    assert "addin/app/greeting.py" in names
    assert not [name for name in names if name.startswith(".git/") or name == "password.txt"]


def test_a_registry_outside_azure_gets_no_azure_token(stage: Stage, tmp_path: Path) -> None:
    registry = ForeignRegistry("ghcr.io", private=True)

    with listener_for(stage, tmp_path, {"ghcr.io": registry}) as listener:
        pushed = stage.run(registry="ghcr.io", repository="well/api", builder="docker")
        taken = stage.run(image="ghcr.io/well/api:1")

    assert pushed.exit_code == 3, pushed.log
    assert taken.exit_code == 3, taken.log
    assert taken.logged("the runner has no login for it")
    assert [request for request in listener.requests if request.host == "ghcr.io"]


@pytest.mark.parametrize("private", [True, False], ids=["with docker login", "anonymously"])
def test_an_image_of_another_registry_is_found(stage: Stage, tmp_path: Path, private: bool) -> None:
    registry = ForeignRegistry("ghcr.io", private=private)
    if private:
        log_in(stage, "ghcr.io")
    foreign: dict[str, Answer] = {"ghcr.io": registry, "storage.example": registry.storage}

    with listener_for(stage, tmp_path, foreign) as listener:
        listener.keep(PASSWORD, "ghcr.io")
        listener.keep("token-of-ghcr.io", "ghcr.io")
        run = stage.run(image="ghcr.io/well/api:1", dry_run="true")

    assert run.exit_code == 0, run.log
    assert [request for request in listener.requests if request.host == "storage.example"]


def test_docker_hub_gets_its_login_through_its_own_token_service(
    stage: Stage, tmp_path: Path
) -> None:
    log_in(stage, "https://index.docker.io/v1/")
    hub = ForeignRegistry("registry-1.docker.io", private=True)

    def challenge(request: Request) -> Response:
        response = hub(request)
        realm = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'
        return Response(401, {"WWW-Authenticate": realm}) if response.status == 401 else response

    foreign: dict[str, Answer] = {
        "registry-1.docker.io": challenge,
        "auth.docker.io": hub,
        "storage.example": hub.storage,
    }
    with listener_for(stage, tmp_path, foreign) as listener:
        listener.keep(PASSWORD, "auth.docker.io")
        listener.keep("token-of-registry-1.docker.io", "registry-1.docker.io")
        run = stage.run(image="docker.io/nginx:1.27", dry_run="true")

    assert run.exit_code == 0, run.log
    paths = [request.path for request in listener.requests if "docker.io" in request.host]
    assert "/v2/library/nginx/manifests/1.27" in paths


def test_an_image_for_another_platform_is_refused_in_the_plan(stage: Stage, tmp_path: Path) -> None:
    registry = ForeignRegistry("ghcr.io", private=False, config=ARM_CONFIG)
    foreign: dict[str, Answer] = {"ghcr.io": registry, "storage.example": registry.storage}

    with listener_for(stage, tmp_path, foreign):
        run = stage.run(image="ghcr.io/well/api:1")

    assert run.exit_code == 2, run.log
    assert run.logged("is built for linux/arm64, but Container Apps runs linux/amd64")


def test_a_registry_cannot_have_its_login_sent_to_another_host(
    stage: Stage, tmp_path: Path
) -> None:
    log_in(stage, "registry.example")

    def elsewhere(_: Request) -> Response:
        return Response(
            401, {"WWW-Authenticate": f'Bearer realm="https://{EVIL}/token",service=""'}
        )

    with listener_for(stage, tmp_path, {"registry.example": elsewhere}) as listener:
        listener.keep(PASSWORD, "registry.example")
        run = stage.run(image="registry.example/api:1")

    assert run.exit_code == 3, run.log
    assert run.logged(f"is not sent to '{EVIL}'")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("azurecr.io", "/oauth2/exchange"),
        ("azurecr.io", "/oauth2/token"),
        ("azurecr.io", "/manifests/"),
        ("management.azure.com", "/registries/"),
        ("management.azure.com", "/containerApps/"),
    ],
)
def test_no_redirect_is_followed_with_a_token(
    stage: Stage, tmp_path: Path, host: str, path: str
) -> None:
    """A compromised server responds with a redirect."""
    stage.push_healthy()
    redirected = []

    def change(request: Request, response: Response) -> Response:
        if not request.host.endswith(host) or path not in request.path:
            return response
        redirected.append(request)
        return Response(307, {"Location": f"https://{EVIL}/{request.path}"})

    with listener_for(stage, tmp_path, change=change) as listener:
        run = stage.run(operation_timeout="2s")

    assert redirected
    assert run.exit_code in {1, 3, 4}, run.log
    assert not [
        request
        for request in listener.requests
        if request.host == EVIL and "Authorization" in request.headers
    ]


def test_a_polling_url_on_another_host_gets_no_token(stage: Stage, tmp_path: Path) -> None:
    stage.push_healthy()

    def change(request: Request, response: Response) -> Response:
        headers = {
            name: value.replace("management.azure.com", EVIL)
            for name, value in response.headers.items()
        }
        return Response(response.status, headers, response.body)

    with listener_for(stage, tmp_path, change=change):
        run = stage.run()

    assert run.exit_code == 0, run.log


def test_a_list_cannot_continue_on_another_host(stage: Stage, tmp_path: Path) -> None:
    stage.push_healthy()

    def change(request: Request, response: Response) -> Response:
        if not request.path.partition("?")[0].endswith("/registries"):
            return response
        body = json.dumps({"value": [], "nextLink": f"https://{EVIL}/next"}).encode()
        return Response(200, {"Content-Type": "application/json"}, body)

    with listener_for(stage, tmp_path, change=change):
        run = stage.run(registry="wellintakeregistrydev")

    assert run.exit_code == 3, run.log
    assert run.logged(f"is not sent to '{EVIL}'")
