"""Malformed responses of Azure, for each kind of request: the run ends in a defined way.

Whatever happens, users are served, nothing is reported as an unexpected error, and once Azure
responds normally again, `repair` and the next deployment work.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest
import requests

from tests.stage import Stage

ARM = "management.azure.com"
INPUTS = {"manifest": "addin/manifest.xml", "operation_timeout": "5s", "gate_timeout": "5s"}
KINDS = {
    "the app": (ARM, "GET", "*/containerapps/api-*[!s]"),
    "the revisions": (ARM, "GET", "*/revisions"),
    "one revision": (ARM, "GET", "*/revisions/*"),
    "a change of the app": (ARM, "PATCH", "*/containerapps/*"),
    "a deactivation": (ARM, "POST", "*/deactivate"),
    "the token": ("login.microsoftonline.com", "POST", "*"),
    "the assertion": ("pipelines.actions.githubusercontent.com", "GET", "*"),
    "the registry": (ARM, "GET", "*/microsoft.containerregistry/registries/*[!0-9]"),
    "the build's place": (ARM, "POST", "*/listbuildsourceuploadurl"),
    "the build's start": (ARM, "POST", "*/schedulerun"),
    "the build's state": (ARM, "GET", "*/runs/*"),
    "the build's log link": (ARM, "POST", "*/listlogsasurl"),
    "the build's log": ("*.blob.core.windows.net", "GET", "*"),
    "the upload": ("*.blob.core.windows.net", "PUT", "*"),
    "the registry's token": ("*.azurecr.io", "POST", "*"),
    "an image": ("*.azurecr.io", "GET", "/v2/*"),
    "the permissions": (ARM, "GET", "*/permissions"),
    "the metrics": (ARM, "GET", "*/microsoft.insights/metrics"),
}
BODIES = ["html", "null", "list", "text", "number", "empty", "deep", "large", "cut", "location"]
_rotating = itertools.cycle(BODIES)
# Each kind of response with two bodies and one set of changed values; the app with all of them.
ONCE = [(kind, next(_rotating)) for kind in KINDS for _ in range(2)]
ONCE += [(kind, f"values-{seed}") for seed, kind in enumerate(KINDS)]
ONCE += [("the app", body) for body in BODIES if ("the app", body) not in ONCE]
ONCE += [("the app", f"values-{seed}") for seed in range(100, 105)]
FROM_THEN_ON = [(kind, body) for kind in ("the app", "one revision") for body in ("html", "list")]


@pytest.fixture
def azure_with_faults(stage: Stage) -> Iterator[Stage]:
    yield stage
    _clear(stage)


def _faults(stage: Stage) -> str:
    return f"{stage.scene.environment['SANDBOX_URL']}/faults"


def _clear(stage: Stage) -> None:
    requests.delete(_faults(stage), timeout=30, proxies={"http": ""}).raise_for_status()


def _script(stage: Stage, kind: str, mutation: str, times: str) -> None:
    host, method, path = KINDS[kind]
    fault = {"host": host, "method": method, "path": path, "times": times, "mutate": mutation}
    requests.post(_faults(stage), json=[fault], timeout=30, proxies={"http": ""}).raise_for_status()


def test_every_response_of_a_deployment_is_of_a_known_kind(stage: Stage) -> None:
    stage.push_healthy()
    before = stage.requests()[-1]["at"]
    assert stage.run(**INPUTS).exit_code == 0

    for request in stage.requests(before):
        if request["host"].endswith("azurecontainerapps.io"):
            continue
        assert any(
            fnmatchcase(request["host"], host)
            and request["method"] == method
            and fnmatchcase(request["path"].lower(), path)
            for host, method, path in KINDS.values()
        ), request


@pytest.mark.parametrize(("kind", "mutation"), ONCE)
@pytest.mark.parametrize("time", ["1", "3"])
def test_one_malformed_response_ends_in_a_defined_way(
    azure_with_faults: Stage, kind: str, mutation: str, time: str
) -> None:
    _run_and_recover(azure_with_faults, kind, mutation, time)


@pytest.mark.parametrize(("kind", "mutation"), FROM_THEN_ON)
def test_malformed_responses_from_then_on_end_in_a_defined_way(
    azure_with_faults: Stage, kind: str, mutation: str
) -> None:
    _run_and_recover(azure_with_faults, kind, mutation, "4-")


def _run_and_recover(stage: Stage, kind: str, mutation: str, times: str) -> None:
    stage.push_healthy()
    _script(stage, kind, mutation, times)
    with stage.users().busy(pause_s=0.05) as users:
        run = stage.run(**INPUTS)
        _clear(stage)
        repair = stage.run("repair", take_over="true")

    # 6: an app that seemed to have another split before the first change.
    assert run.exit_code in {0, 3, 4, 5, 6} or run.outputs["result"] == "failed", run.log
    assert "Traceback" not in run.log
    assert "unexpected error" not in run.log, run.log
    assert f"{run.outputs['result']} after" in run.log or run.exit_code
    assert users.failures == []
    assert repair.exit_code == 0, repair.log
    assert not [name for name in stage.tags() if name.startswith("deploy-action")]
    serving = stage.serves()["revision"]
    assert serving in {stage.first, run.outputs["revision"]}
    if run.exit_code == 0:
        assert serving == run.outputs["revision"]
    if run.exit_code in {3, 6}:
        assert list(stage.scene.revisions()) == [stage.first], "nothing was changed"
