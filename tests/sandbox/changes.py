"""Changes of an app, as the tests of the sandbox make them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from tests.stage import Stage

T = TypeVar("T")


def until(look: Callable[[], T], good: Callable[[T], bool], limit_s: float = 60) -> T:
    """Poll until the value is accepted or the time is over; return the last value."""
    end = time.monotonic() + limit_s
    while not good(value := look()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def template(stage: Stage, suffix: str, **container: Any) -> dict[str, Any]:
    """Return a patch that creates a revision like the first one, without its probes."""
    first = stage.scene.revisions()[stage.first]["template"]
    old = {key: value for key, value in first["containers"][0].items() if key != "probes"}
    changed = {"revisionSuffix": suffix, "containers": [{**old, **container}]}
    return {"properties": {"template": changed, "configuration": {}}}


def configuration(**values: Any) -> dict[str, Any]:
    """Return a patch of the configuration."""
    return {"properties": {"configuration": values}}


def split(**weights: int) -> dict[str, Any]:
    """Return a patch of the traffic."""
    entries = [{"revisionName": name, "weight": weight} for name, weight in weights.items()]
    return configuration(ingress={"traffic": entries})


def revision(stage: Stage, suffix: str) -> dict[str, Any]:
    """Return the properties of a revision, empty where there is none."""
    result: dict[str, Any] = stage.scene.revisions().get(f"{stage.scene.app}--{suffix}", {})
    return result


def patched(stage: Stage, body: dict[str, Any]) -> requests.Response:
    """Send a patch that is accepted; return the answer."""
    stage.wait_until_idle()
    reply = stage.scene.ask("PATCH", stage.scene.path, body)
    assert reply.status_code == 202, reply.text
    return reply


def changed(stage: Stage, body: dict[str, Any]) -> dict[str, Any]:
    """Patch the app and return how the operation ended."""
    url = patched(stage, body).headers["Azure-AsyncOperation"]
    result: dict[str, Any] = until(
        lambda: stage.scene.ask("GET", url).json(), lambda status: status["status"] != "InProgress"
    )
    return result
