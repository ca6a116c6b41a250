"""The long-running operations behind writes: where their status is, and why one failed."""

from __future__ import annotations

from typing import Any

from azure.core.rest import HttpRequest
from azure.mgmt.appcontainers import ContainerAppsAPIClient

from deploy_action.adapters.container_app.pipeline import limits
from deploy_action.core.external import mapping
from deploy_action.runtime.polling import Deadline

_STATUS_S = 10.0


def status_url(response: Any) -> str:
    """Return the URL of the operation's status in the SDK's raw response; may be empty."""
    headers = response.http_response.headers
    return str(headers.get("Azure-AsyncOperation") or headers.get("Location") or "")


def failure(client: ContainerAppsAPIClient, url: str) -> str:
    """Return the error text of an operation, or an empty text; never follow a foreign host."""
    if not url.startswith("https://management.azure.com/"):
        return ""
    try:
        response = client.send_request(HttpRequest("GET", url), **limits(Deadline(_STATUS_S)))
        status = mapping(response.json() if response.status_code == 200 else {}, "the status")
        if str(status.get("status", "")).lower() not in {"failed", "canceled"}:
            return ""
        error = mapping(status.get("error"), "the error")
        return str(error.get("message") or status["status"])
    except Exception:  # noqa: BLE001  the app itself is read, too; this is for the message
        return ""
