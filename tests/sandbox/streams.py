"""Reads log streams as a client of Azure does."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.stage import Stage


def get(stage: Stage, path: str, token: str = "", **query: str) -> requests.Response:
    """Read a stream below the app's host of streams."""
    endpoint = stage.scene.resource()["properties"]["eventStreamEndpoint"]
    host = endpoint[: endpoint.index("/subscriptions/")]
    token = token or token_of(stage)
    headers = {"Authorization": f"Bearer {token}"}
    session = stage.scene.session
    return session.get(f"{host}{path}", headers=headers, params=query, timeout=30)


def token_of(stage: Stage) -> str:
    """Return a token for the streams of the stage's app."""
    answer = stage.scene.ask("POST", f"{stage.scene.path}/getAuthToken")
    return str(answer.json()["properties"]["token"])


def events(stage: Stage, **query: str) -> list[dict[str, Any]]:
    """Return the records of the app's event stream."""
    path = stage.scene.path.replace("/providers/Microsoft.App", "") + "/eventstream"
    answer = get(stage, path, follow="false", **query)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]
