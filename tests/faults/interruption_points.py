"""Every external call of a deployment, as a point to interrupt it at.

`halted` starts a deployment and holds it in the middle of one call: before the call takes
effect, or after it did but before its response arrives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import requests

from tests.stage import Stage, on_github
from tests.support.preloaded import Process
from tests.support.redis_gate import Gate

Holding = tuple[Callable[[], bool], dict[str, str]]

ARRIVES_S = 60.0
LONG = 10_000  # of the local Azure's seconds
INPUTS = {
    "manifest": "addin/manifest.xml",
    "identity_path": "/version",
    "gate_timeout": "4s",
    "operation_timeout": "2s",
}
# For a run that is killed and the one after it: no limit ends them first on a slow machine.
PATIENT = {"gate_timeout": "60s", "operation_timeout": "60s"}
ARM, REGISTRY = "management.azure.com", "wellintakeregistry.azurecr.io"
HOOK = """#!/bin/sh
touch "$GIT_DIR/arrived"
while [ ! -e "$GIT_DIR/go" ]; do sleep 0.02; done
exit {code}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One call; *path* is a glob in which ``APP`` stands for the app's name.

    Args:
        revision: glob on the revision that is called, for a call to the app itself.
        nth: which of the calls that match.
        after: whether the call has taken effect.
        shifted: whether the candidate has user traffic from here on.
        promoted: whether the commit point has passed: work is completed, not undone.
    """

    name: str
    host: str = ARM
    method: str = "GET"
    path: str = "*/APP"
    revision: str = ""
    nth: int = 1
    after: bool = False
    shifted: bool = False
    promoted: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.name}"

    def fault(self, app: str) -> dict[str, object]:
        """Return the script that holds the call."""
        if self.revision:
            about = {"revision": self.revision.replace("APP", app), "path": self.path}
            return {**about, "times": str(self.nth), "delay": LONG}
        return {
            "host": self.host,
            "method": self.method,
            "path": self.path.replace("APP", app),
            "times": str(self.nth),
            "after": self.after,
            "hold": True,
        }


def _both(point: Point) -> list[Point]:
    """Return two points: before and after a call takes effect."""
    return [point, replace(point, after=True)]


GITHUB, ENTRA = "pipelines.actions.githubusercontent.com", "login.microsoftonline.com"
GITHUB_API = "api.github.com"
STORE = "acrtasksstore.blob.core.windows.net"
POINTS: list[Point] = [
    Point(name="asking GitHub for a token", host=GITHUB, path="*"),
    Point(name="signing in", host=ENTRA, method="POST", path="*/token"),
    Point(name="reading the app"),
    Point(name="listing the revisions", path="*/revisions"),
    Point(name="reading the permissions", path="*/permissions"),
    Point(name="reading the metrics", path="*/microsoft.insights/metrics"),
    Point(name="signing in to the registry", host=REGISTRY, method="POST", path="*/exchange"),
    Point(name="finding the registry", path="*/registries/*registry"),
    Point(name="asking where to upload", method="POST", path="*/listbuildsourceuploadurl"),
    *_both(Point(name="uploading", host=STORE, method="PUT", path="*")),
    *_both(Point(name="scheduling the build", method="POST", path="*/schedulerun")),
    Point(name="watching the build", path="*/runs/*"),
    Point(name="asking for the build's log", method="POST", path="*/listlogsasurl"),
    Point(name="reading the build's log", host=STORE, path="*"),
    Point(name="asking the registry for a token", host=REGISTRY, method="POST", path="*/token"),
    Point(name="reading the digest", host=REGISTRY, path="*/manifests/*"),
    *_both(Point(name="pinning the traffic", method="PATCH", nth=1)),
    *_both(Point(name="creating the candidate", method="PATCH", nth=2)),
    Point(name="watching the candidate", path="*/revisions/APP--v*"),
    Point(name="asking the candidate", path="/health/ready", revision="APP--v*"),
    Point(name="asking who it is", path="/version", revision="APP--v*"),
    Point(name="the first step", method="PATCH", nth=3),
    Point(name="the first step", method="PATCH", nth=3, after=True, shifted=True),
    Point(name="watching the step", path="/health/ready", revision="APP--v*", nth=3, shifted=True),
    *_both(Point(name="the second step", method="PATCH", nth=4, shifted=True)),
    *_both(Point(name="the promotion", method="PATCH", nth=5, shifted=True)),
    *_both(
        Point(name="passing the commit point", method="PATCH", nth=6, shifted=True, promoted=True)
    ),
    *_both(Point(name="releasing the lock", method="PATCH", nth=7, shifted=True, promoted=True)),
    *_both(Point(name="clearing the cache", host="redis", path="SCAN")),
    Point(
        name="clearing the cache again",
        host="redis",
        path="SCAN",
        nth=2,
        shifted=True,
        promoted=True,
    ),
    *_both(Point(name="telling the cache", host="redis", path="SET", shifted=True, promoted=True)),
    *_both(Point(name="publishing", host="git", shifted=True, promoted=True)),
    Point(name="asking GitHub for the branch", host=GITHUB_API, path="*/branches/main"),
    *_both(
        Point(
            name="committing with GitHub's API",
            host=GITHUB_API,
            method="POST",
            path="/graphql",
            shifted=True,
            promoted=True,
        )
    ),
]


# A rollback to an inactive revision.
WAY_BACK: list[Point] = [
    Point(name="reading the app"),
    Point(name="listing the revisions", path="*/revisions"),
    Point(name="looking for the image", host=REGISTRY, path="*/manifests/*"),
    *_both(Point(name="waking the target", method="POST", path="*/activate")),
    Point(name="watching the target", path="*/revisions/APP--*"),
    Point(name="reading the split", nth=2),
    Point(name="moving the users", method="PATCH"),
    Point(name="moving the users", method="PATCH", after=True, shifted=True),
]


@contextmanager
def halted(stage: Stage, point: Point, command: str = "deploy", **more: str) -> Iterator[Process]:
    """Start a run with *more* inputs and hold it at *point*; release it after the block."""
    ways = {"git": _git_holds, "redis": _redis_holds}
    with ways.get(point.host, _azure_holds)(stage, point) as (arrived, inputs):
        process = stage.started(command, **{**INPUTS, **inputs, **more})
        end = time.monotonic() + ARRIVES_S
        while not arrived():
            alive = process.poll() is None and time.monotonic() < end
            assert alive, f"it never came to {point}: {stage.finished(process).log}"
            time.sleep(0.01)
        yield process


@contextmanager
def _azure_holds(stage: Stage, point: Point) -> Iterator[Holding]:
    url = f"{stage.scene.environment['SANDBOX_URL']}/faults"
    inputs = on_github(stage) if point.host == GITHUB_API else {}
    with requests.Session() as session:
        session.trust_env = False
        session.post(url, json=[point.fault(stage.scene.app)], timeout=30).raise_for_status()
        try:
            count = "hits" if point.revision else "holding"
            yield lambda: bool(session.get(url, timeout=30).json()["faults"][-1][count]), inputs
        finally:
            session.delete(url, timeout=30)


@contextmanager
def _git_holds(stage: Stage, point: Point) -> Iterator[Holding]:
    """Hold the push in a hook of the remote: a first hook can refuse it, a last one cannot."""
    hook = stage.scene.remote / "hooks" / ("post-receive" if point.after else "pre-receive")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(code=0 if point.after else 1), "utf-8")
    hook.chmod(0o755)
    try:
        yield (stage.scene.remote / "arrived").exists, {}
    finally:
        hook.unlink()
        (stage.scene.remote / "go").touch()


@contextmanager
def _redis_holds(stage: Stage, point: Point) -> Iterator[Holding]:
    """Reach the cache through a proxy that holds one command, or its response."""
    target = urlsplit(stage.scene.environment["AZURE_REDIS_CONNECTION_STRING"])
    gate = Gate(target.port or 6379, point.path.encode(), point.nth, point.after)
    with gate.opened() as port:
        url = target._replace(netloc=f":{target.password}@127.0.0.1:{port}").geturl()
        yield gate.arrived.is_set, {"cache_url": url}
