"""How fast traffic is restored: after a cancellation, and by a manual rollback.

Times are measured by the sandbox: from a marker request at the start to the arrival of the
traffic write. The baseline of the rollback is the manual `az containerapp ingress traffic
set`, where an az is installed (``make test-az`` installs one).
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from deploy_action.sandbox.launch import ROOT, start, stop
from deploy_action.sandbox.scene import GROUP
from tests.support.scene import Scene

ROUNDS = 5
ACTION = [sys.executable, "-I", str(ROOT / "deploy_action/setup/entry.py"), "action"]
SETTINGS = {
    "builder": "acr",
    "manifest": "addin/manifest.xml",
    "health_passes": "1",
    "health_interval": "0.2s",
    "traffic_steps": "25,100",
    "step_interval": "0s",
    "bake": "0s",
    "drain_time": "0s",
}
AZ = ROOT / ".build" / "az-python"


def asked(scene: Scene) -> list[dict[str, Any]]:
    """Return the newest requests to the sandbox."""
    url = f"{scene.environment['SANDBOX_URL']}/requests"
    return list(requests.get(url, timeout=30, proxies={"http": ""}).json()["requests"])


def to_the_write(scene: Scene, begin: Callable[[], None]) -> tuple[float, int]:
    """Return seconds from *begin* to the next traffic write, and the number of requests to ARM."""
    scene.ask("GET", f"{scene.group_path}/providers/Microsoft.App/marker")
    marks = [call for call in asked(scene) if call["path"].endswith("/marker")]
    begin()
    while True:
        since = [call for call in asked(scene) if call["at"] > marks[-1]["at"]]
        arm = [call for call in since if call["host"] == "management.azure.com"]
        for place, call in enumerate(arm):
            if call["method"] == "PATCH":
                return call["at"] - marks[-1]["at"], place + 1
        time.sleep(0.01)


def cancelled(scene: Scene, number: int) -> float:
    """Cancel a deployment in its first step; return the seconds to the restoring write."""
    env = scene.runner_environment(number, **{**SETTINGS, "step_interval": "60s"})
    scene.check_out()
    with Path(os.devnull).open("wb") as nowhere:
        run = subprocess.Popen(ACTION, cwd=scene.workspace, env=env, stdout=nowhere, stderr=nowhere)
    while 25 not in scene.weights().values():
        time.sleep(0.05)
    time.sleep(0.3)  # until the step is being monitored
    took, _ = to_the_write(scene, lambda: run.send_signal(signal.SIGTERM))
    run.wait()
    return took


def rolled_back(scene: Scene, number: int, command: list[str], env: dict[str, str]) -> Any:
    """Deploy once more, then go back by *command*; return seconds and requests to the write."""
    scene.check_out()
    environment = scene.runner_environment(number, **SETTINGS)
    subprocess.run(ACTION, cwd=scene.workspace, env=environment, check=True, capture_output=True)
    runs: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        runs.append(
            subprocess.Popen(
                command,
                cwd=scene.workspace,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    result = to_the_write(scene, begin)
    runs[0].wait()
    return result


def az(scene: Scene, home: Path) -> tuple[list[str], dict[str, str]] | None:
    """Sign in with az; return its rollback command and environment."""
    if not AZ.exists():
        return None
    program = str(Path(AZ.read_text("utf-8").strip()).parent / "az")
    environment = scene.environment
    env = {
        "PATH": os.environ["PATH"],
        **environment,
        "HOME": str(home),
        "AZURE_CONFIG_DIR": str(home),
    }
    who = ["-u", environment["AZURE_CLIENT_ID"], "--tenant", environment["AZURE_TENANT_ID"]]
    login = [
        program,
        "login",
        "--service-principal",
        *who,
        "-p",
        environment["SANDBOX_CLIENT_SECRET"],
    ]
    subprocess.run(login, env=env, check=True, capture_output=True)
    words = ["containerapp", "ingress", "traffic", "set", "-n", scene.app, "-g", GROUP]
    return [program, *words, "--revision-weight", f"{scene.app}--first=100"], env


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        process, environment = start(Path(folder), "--clock", "instant")
        try:
            scene = Scene(environment, Path(folder) / "scene")
            scene.make_repository()
            scene.create_app(scene.seed_image("1.3.0.2"), "1.3.0.2")
            numbers = iter(range(1, 1000))
            cancels = [cancelled(scene, next(numbers)) for _ in range(ROUNDS)]
            print(
                f"SIGTERM to the restoring write: median {statistics.median(cancels):.2f} s, "
                f"longest {max(cancels):.2f} s of {ROUNDS}"
            )
            ways: dict[str, tuple[list[str], dict[str, str]]] = {"rollback": (ACTION, {})}
            if by_hand := az(scene, Path(folder)):
                ways["az"] = by_hand
            medians = {}
            for name, (command, env) in ways.items():
                items = []
                for _ in range(ROUNDS):
                    number = next(numbers)
                    own = scene.runner_environment(
                        number,
                        command="rollback",
                        revision="first",
                        health_passes="1",
                        health_interval="0.2s",
                        traffic_steps="100",
                    )
                    items.append(rolled_back(scene, next(numbers), command, env or own))
                medians[name] = statistics.median(took for took, _ in items)
                print(
                    f"{name:8} start to the traffic write: median {medians[name]:.2f} s, "
                    f"{items[-1][1]} requests to ARM"
                )
            if "az" in medians:
                print(f"ratio rollback to az {medians['rollback'] / medians['az']:.2f}")
        finally:
            stop(process)


main()
