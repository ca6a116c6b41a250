"""The overhead of the action: a deployment and a rollback, with instant Azure operations.

The baseline is the minimum with the same libraries: one interpreter that imports
the Azure SDK, signs in and reads the app once.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from deploy_action.sandbox.launch import ROOT, start, stop
from deploy_action.sandbox.scene import GROUP
from tests.support.scene import Scene

ROUNDS = 3
SETTINGS = {
    "builder": "acr",
    "manifest": "addin/manifest.xml",
    "health_passes": "1",
    "health_interval": "0s",
    "step_interval": "0s",
    "bake": "0s",
    "drain_time": "0s",
}
FLOOR = """
import os
from azure.identity import ClientAssertionCredential
from azure.mgmt.appcontainers import ContainerAppsAPIClient
import requests
def assertion():
    url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api://AzureADTokenExchange"
    bearer = {"Authorization": "Bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]}
    return requests.get(url, headers=bearer).json()["value"]
credential = ClientAssertionCredential(
    os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], assertion)
client = ContainerAppsAPIClient(credential, os.environ["AZURE_SUBSCRIPTION_ID"])
client.container_apps.get(os.environ["BENCH_GROUP"], os.environ["INPUT_APP"])
"""


def measured(command: list[str], scene: Scene, env: dict[str, str]) -> tuple[float, float, int]:
    """Run *command*; return wall seconds, CPU seconds of it and its children, and its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, cwd=scene.workspace, env=env, check=False, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        sys.exit(done.stdout.decode() + done.stderr.decode())
    return wall, cpu, done.returncode


def requests_by_host(scene: Scene) -> dict[str, int]:
    """Return how many requests the sandbox has received so far, by host."""
    url = f"{scene.environment['SANDBOX_URL']}/requests/counts"
    counts = requests.get(url, timeout=30, proxies={"http": "", "https": ""}).json()
    return dict(counts["hosts"])


def main() -> None:
    """Measure and print."""
    action = [sys.executable, "-I", str(ROOT / "deploy_action/setup/entry.py"), "action"]
    results: dict[str, list[tuple[float, float]]] = {"floor": [], "deploy": [], "rollback": []}
    hosts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        process, environment = start(Path(folder), "--clock", "instant")
        try:
            scene = Scene(environment, Path(folder) / "scene")
            scene.make_repository()
            scene.create_app(scene.seed_image("1.3.0.2"), "1.3.0.2")
            number = 0
            for _ in range(ROUNDS):
                for name, rounds in results.items():
                    number += 1
                    env = scene.runner_environment(number, command=name, **SETTINGS)
                    scene.check_out()
                    observed = requests_by_host(scene)
                    command = [sys.executable, "-c", FLOOR] if name == "floor" else action
                    wall, cpu, _ = measured(command, scene, {**env, "BENCH_GROUP": GROUP})
                    rounds.append((wall, cpu))
                    now = requests_by_host(scene)
                    hosts[name] = {
                        h: n - observed.get(h, 0) for h, n in now.items() if n > observed.get(h, 0)
                    }
        finally:
            stop(process)
    floor = statistics.median(wall for wall, _ in results["floor"])
    for name, rounds in results.items():
        wall = statistics.median(wall for wall, _ in rounds)
        cpu = statistics.median(cpu for _, cpu in rounds)
        print(f"{name:9} wall {wall:5.2f} s ({wall / floor:4.1f} x floor)  cpu {cpu:5.2f} s")
        for host, count in sorted(hosts[name].items()):
            print(f"          {count:4} requests to {host}")


main()
