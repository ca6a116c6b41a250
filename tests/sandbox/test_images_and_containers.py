"""What runs in a replica: public images as stand-ins, side cars, init containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.sandbox import launch as sandbox
from tests.sandbox.changes import changed, configuration, revision, template, until
from tests.stage import Stage

QUICKSTART = "mcr.microsoft.com/k8se/quickstart:latest"
SIDECAR = {"name": "proxy", "image": "docker.io/envoyproxy/envoy:v1.30", "command": ["/envoy"]}


def test_the_quickstart_image_is_replaced_by_a_stand_in_on_its_port(stage: Stage) -> None:
    changed(stage, configuration(ingress={"targetPort": 80}))
    ended = changed(stage, template(stage, "quick", image=QUICKSTART))
    healthy = until(lambda: revision(stage, "quick"), lambda item: item["healthState"] == "Healthy")
    reply = stage.scene.session.get(f"https://{healthy['fqdn']}/any/path", timeout=30)
    log = Path(stage.scene.environment["SANDBOX_DIRECTORY"]).parent / "sandbox.log"

    assert ended["status"] == "Succeeded"
    assert (reply.status_code, reply.text) == (200, f"a stand-in for {QUICKSTART}\n")
    assert log.read_text("utf-8").count(f"{QUICKSTART} is a public image and is not pulled") == 1


def test_an_image_of_another_azure_registry_is_not_replaced(stage: Stage) -> None:
    ended = changed(stage, template(stage, "foreign", image="nowhere.azurecr.io/api:1"))

    assert ended["status"] == "Failed"
    assert "no such host" in ended["error"]["message"]


def test_public_images_are_refused_when_that_is_asked_for(tmp_path: Path) -> None:
    process, environment = sandbox.start(tmp_path, "--strict-images")
    try:
        with pytest.raises(RuntimeError, match="distroless/python3"):  # the sample's base image
            Stage.set_up(environment, tmp_path, "strict")
    finally:
        sandbox.stop(process)


def test_side_cars_and_init_containers_run_with_the_first_container(stage: Stage) -> None:
    def program(code: str) -> dict[str, object]:
        image = stage.scene.revisions()[stage.first]["template"]["containers"][0]["image"]
        return {"image": image, "command": ["python", "-c", code]}

    body = template(stage, "pod")
    ready = "import pathlib, tempfile; pathlib.Path(tempfile.gettempdir(), 'ready').touch()"
    serve = (
        "import http.server, os, pathlib, tempfile;"
        "os.chdir(tempfile.gettempdir()); assert pathlib.Path('ready').exists();"
        "http.server.HTTPServer(('', 9000), http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    body["properties"]["template"]["initContainers"] = [{"name": "init", **program(ready)}]
    body["properties"]["template"]["containers"] += [{"name": "side", **program(serve)}, SIDECAR]
    body["properties"]["configuration"] = {"ingress": {"targetPort": 9000}}
    changed(stage, body)
    pod = until(lambda: revision(stage, "pod"), lambda item: item["healthState"] == "Healthy")
    path = f"{stage.scene.path}/revisions/{stage.scene.app}--pod/replicas"
    [replica] = stage.scene.ask("GET", path).json()["value"]

    assert stage.scene.session.get(f"https://{pod['fqdn']}/ready", timeout=30).status_code == 200
    names = [container["name"] for container in replica["properties"]["containers"]]
    assert names == ["api", "side", "proxy"]


def test_the_container_that_crashes_is_named(stage: Stage) -> None:
    body = template(stage, "crash")
    image = body["properties"]["template"]["containers"][0]["image"]
    crash = ["python", "-c", "raise SystemExit(3)"]
    body["properties"]["template"]["containers"] += [
        {"name": "side", "image": image, "command": crash}
    ]
    changed(stage, body)
    failed = until(lambda: revision(stage, "crash"), lambda item: item["runningState"] == "Failed")

    assert failed["provisioningError"] == "Failed:sideContainerCrashing"


def test_an_init_container_that_fails_fails_the_revision(stage: Stage) -> None:
    body = template(stage, "init")
    image = body["properties"]["template"]["containers"][0]["image"]
    fails = ["python", "-c", "raise SystemExit(4)"]
    body["properties"]["template"]["initContainers"] = [
        {"name": "migrate", "image": image, "command": fails}
    ]
    changed(stage, body)
    failed = until(lambda: revision(stage, "init"), lambda item: item["runningState"] == "Failed")

    assert "init container migrate exited with code 4" in failed["provisioningError"]
