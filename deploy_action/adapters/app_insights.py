"""Application Insights: writes a release annotation, and sends a custom event.

Source: "Annotations" of the Application Insights management API (2015-05-01), and the track
endpoint that Azure Monitor's exporters use. Both are repeatable; each gets one retry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential
from deploy_action.runtime.http import HttpClient, RequestError, Response
from deploy_action.runtime.polling import pause

if TYPE_CHECKING:
    from deploy_action.adapters.resource_manager import ResourceManager

ROLE = "Application Insights Component Contributor"
_VERSION = {"api-version": "2015-05-01"}
_TIMEOUT_S = 5.0
_PAUSE_S = 1.0
_RETRIED = {0, 408, 429, 500, 502, 503, 504}


def annotate(arm: ResourceManager, resource: str, annotation: Mapping[str, Any]) -> str:
    """Write *annotation* on the component *resource*; return why that failed, or nothing."""
    path = f"{resource}/Annotations"
    response = arm.put(path, _VERSION, annotation)
    if response.status in _RETRIED:
        pause(_PAUSE_S)
        response = arm.put(path, _VERSION, annotation)
    if response.ok:
        return ""
    if response.status == 403:
        return f"this identity needs the role {ROLE} on the component ({response.problem})"
    return response.problem


def track(endpoint: str, event: Mapping[str, Any]) -> str:
    """Send *event* to the ingestion at *endpoint*; return why that failed, or nothing."""
    url = f"{endpoint}/v2.1/track"
    if not credential_hosts.is_allowed(Credential.INGESTION, url):
        return "connection-string: its IngestionEndpoint is not a host of Azure"
    http, body = HttpClient(), json.dumps([event]).encode()
    problem, again = _attempt(http, url, body)
    if problem and again:
        pause(_PAUSE_S)
        problem, _ = _attempt(http, url, body)
    return problem


def _attempt(http: HttpClient, url: str, body: bytes) -> tuple[str, bool]:
    """Return the problem, and whether a retry makes sense."""
    try:
        response = http.post(
            url, timeout_s=_TIMEOUT_S, data=body, headers={"Content-Type": "application/json"}
        )
    except RequestError as error:
        return str(error), True
    if response.status == 200:
        return "", False
    return _problem(response), response.status in _RETRIED


def _problem(response: Response) -> str:
    """Return why the event was not accepted; 206 means that some items were not."""
    if response.status in {401, 403}:
        return (
            f"it returned status {response.status}: the component accepts only Entra ID "
            "(local authentication is off), which this action does not use for events"
        )
    try:
        errors = response.json_object().get("errors")
    except RequestError:
        errors = None
    first = errors[0] if isinstance(errors, list) and errors else {}
    text = str(first.get("message") or "") if isinstance(first, dict) else ""
    return f"it returned status {response.status}" + (f": {text[:200]}" if text else "")
