"""Signing in: an az session, a managed identity, a workload identity, and expiring tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stage import NEXT_VERSION, Stage
from tests.support.credential_listener import Listener, Request, Response, listening

NOT_GIVEN = {"client_id": "", "tenant_id": ""}


def log_in_with_az(stage: Stage) -> None:
    """Sign az in as azure/login does: a service principal with a federated token."""
    environment = stage.scene.environment
    url = f"{environment['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=api%3A%2F%2FAzureADTokenExchange"
    headers = {"Authorization": f"Bearer {environment['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    assertion = stage.scene.session.get(url, headers=headers, timeout=30).json()["value"]
    client, tenant = environment["AZURE_CLIENT_ID"], environment["AZURE_TENANT_ID"]
    subscription = {
        "id": environment["AZURE_SUBSCRIPTION_ID"],
        "name": "Local Azure",
        "state": "Enabled",
        "user": {"name": client, "type": "servicePrincipal"},
        "isDefault": True,
        "tenantId": tenant,
        "environmentName": "AzureCloud",
    }
    entry = {"client_id": client, "tenant": tenant, "client_assertion": assertion}
    folder = stage.scene.directory / ".azure"
    folder.mkdir()
    profile = {"installationId": "1", "subscriptions": [subscription]}
    (folder / "azureProfile.json").write_text(json.dumps(profile))
    (folder / "service_principal_entries.json").write_text(json.dumps([entry]))


@contextmanager
def identity_endpoint(stage: Stage) -> Iterator[dict[str, str]]:
    """Answer as the endpoint for managed identities of App Service and Container Apps does.

    Source: Microsoft Learn, "Managed identities in Azure Container Apps", REST endpoint reference.
    """

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            resource = parse_qs(urlsplit(self.path).query)["resource"][0]
            known = self.headers.get("X-IDENTITY-HEADER") == "the-header"
            body = {
                "access_token": stage.scene.token(resource) if known else "",
                "expires_on": str(int(time.time()) + 3600),
                "resource": resource,
                "token_type": "Bearer",
            }
            content = json.dumps(body).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/msi/token"
        yield {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": "the-header"}
        server.shutdown()


def without_github(stage: Stage) -> None:
    """Remove the job's permission ``id-token: write``."""
    stage.variables |= dict.fromkeys(
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AZURE_CLIENT_ID"), ""
    )


def test_an_az_session_of_an_earlier_step_deploys(stage: Stage) -> None:
    log_in_with_az(stage)
    without_github(stage)
    stage.push_healthy()

    run = stage.run(**NOT_GIVEN, subscription_id="")

    assert run.exit_code == 0, run.log
    assert run.logged("signed in with the Azure CLI session of this machine")
    assert stage.serves()["version"] == NEXT_VERSION


def test_a_managed_identity_deploys(stage: Stage) -> None:
    without_github(stage)
    stage.push_healthy()

    with identity_endpoint(stage) as variables:
        stage.variables |= variables
        run = stage.run(**NOT_GIVEN)

    assert run.exit_code == 0, run.log
    assert run.logged("signed in with the managed identity of this machine")
    assert stage.serves()["version"] == NEXT_VERSION


def test_a_managed_identity_needs_the_subscription(stage: Stage) -> None:
    without_github(stage)
    stage.variables |= {"IDENTITY_ENDPOINT": "http://127.0.0.1:9/", "IDENTITY_HEADER": "x"}

    run = stage.run(**NOT_GIVEN, subscription_id="")

    assert run.exit_code in {2, 3}, run.log
    assert run.logged("Input subscription-id is required")


def test_a_missing_sign_in_is_reported(stage: Stage) -> None:
    without_github(stage)

    run = stage.run(**NOT_GIVEN)

    assert run.exit_code == 3, run.log
    assert run.logged("No Azure sign-in was found")


def test_tokens_are_renewed_during_a_long_rollout(stage: Stage) -> None:
    """An Entra token that lasts two seconds, with a fresh assertion of GitHub for each."""
    stage.push_healthy()
    before = stage.requests()[-1]["at"]
    stage.admin("tokens", {"life_s": 2})
    try:
        run = stage.run(step_interval="1s", bake="2s")
    finally:
        stage.admin("tokens", {"life_s": 86_400})

    assert run.exit_code == 0, run.log
    assert stage.serves()["version"] == NEXT_VERSION
    tokens = [
        call for call in stage.requests(before) if call["path"].endswith("/oauth2/v2.0/token")
    ]
    assert len(tokens) > 3


@pytest.mark.parametrize(
    ("method", "path", "session"),
    [
        ("GET", "/containerApps/", "github"),
        ("PATCH", "/containerApps/", "github"),
        ("POST", "/scheduleRun", "github"),
        ("GET", "/containerApps/", "az"),
    ],
)
def test_a_single_401_renews_the_token_once(
    stage: Stage, tmp_path: Path, method: str, path: str, session: str
) -> None:
    """Azure rejects a token before it expires, for example after a change of a policy."""
    stage.push_healthy()
    if session == "az":
        log_in_with_az(stage)
        without_github(stage)
    rejected: list[tuple[str, str, str]] = []

    def change(request: Request, response: Response) -> Response:
        fits = request.method == method and path.lower() in request.path.lower()
        if not fits or rejected:
            return response
        rejected.append((request.method, request.path, request.headers["Authorization"]))
        body = {"error": {"code": "InvalidAuthenticationToken", "message": "The token is invalid."}}
        return Response(401, {"Content-Type": "application/json"}, json.dumps(body).encode())

    with listening(Listener(change=change), stage.scene.environment, tmp_path) as listener:
        stage.variables |= listener.variables
        run = stage.run(**(NOT_GIVEN if session == "az" else {}))

    assert run.exit_code == 0, (run.log, listener.broken)
    assert rejected
    again = [
        request.headers["Authorization"]
        for request in listener.requests
        if (request.method, request.path) == rejected[0][:2]
    ]
    assert again[again.index(rejected[0][2]) + 1] != rejected[0][2], "sent again with a new token"


def test_a_permanent_401_ends_the_run_with_a_message(stage: Stage, tmp_path: Path) -> None:
    stage.push_healthy()

    def change(request: Request, response: Response) -> Response:
        if request.host != "management.azure.com":
            return response
        body = {"error": {"code": "InvalidAuthenticationToken", "message": "The token is invalid."}}
        return Response(401, {"Content-Type": "application/json"}, json.dumps(body).encode())

    with listening(Listener(change=change), stage.scene.environment, tmp_path) as listener:
        stage.variables |= listener.variables
        run = stage.run()

    assert run.exit_code == 3, run.log
    assert "Traceback" not in run.log
