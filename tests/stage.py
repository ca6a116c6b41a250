"""Helpers of the scenarios: an app in the sandbox, its repository, and runs of the action.

A `Stage` reads results from outside (weights from ARM, commits from the remote, keys from Redis,
responses to requests); it never exposes the action's objects.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests

from deploy_action.sandbox.users import Users
from deploy_action.sandbox.world.clock import INSTANT
from tests.support.eventually import eventually
from tests.support.paths import ENTRY
from tests.support.preloaded import Process, start
from tests.support.report_schema import read_report
from tests.support.scene import Scene

VERSION, NEXT_VERSION = "1.3.0.2", "1.3.0.3"
HURRY = {
    "builder": "acr",
    "health_passes": "2",
    "health_interval": "0.1s",
    "traffic_steps": "25,50,100",
    "step_interval": "0.3s",
    "bake": "0.3s",
    "gate_timeout": "20s",
    "drain_time": "0s",
    # More than any test sends: metrics need minutes, so only tests of the analysis wait for them.
    "analysis_min_requests": "1000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The results of one run of the action: exit code, log, outputs and summary."""

    exit_code: int
    log: str
    outputs: dict[str, str]
    summary: str

    def logged(self, text: str) -> bool:
        """Whether the log contains *text*."""
        return text in self.log


@dataclass(slots=True)
class Stage:
    """One app that serves 1.3.0.2 and the checkout of its repository."""

    scene: Scene
    url: str = ""
    runs: int = 0
    first: str = field(default="")
    variables: dict[str, str] = field(default_factory=dict)  # more variables of the runner
    inputs: dict[str, str] = field(default_factory=dict)  # for a test's own use
    preloaded: bool = True  # whether runs are forks of a process that has libraries loaded

    @classmethod
    def set_up(cls, environment: dict[str, str], directory: Path, app: str) -> Stage:
        """Create a repository, an image and an app that belong to this stage only."""
        stage = cls(Scene(environment, directory, app))
        stage.scene.make_repository()
        image = stage.scene.seed_image(VERSION)
        stage.url = stage.scene.create_app(image, VERSION)
        stage.first = f"{app}--first"
        return stage

    def tear_down(self) -> None:
        """Delete the app, and take back what the test scripted: the sandbox serves other tests."""
        for path in ("faults", "permissions"):
            url = f"{self.scene.environment['SANDBOX_URL']}/{path}"
            requests.delete(url, timeout=30, proxies={"http": ""}).raise_for_status()
        self.scene.ask("DELETE", self.scene.path)

    # -- actions ----------------------------------------------------------------------------------

    def push(self, path: str, old: str, new: str) -> str:
        """A developer edits one file on main; the checkout is the new commit."""
        return self.scene.push_change(path, old, new, f"Change {path}")

    def push_healthy(self) -> str:
        """A developer pushes a change that works."""
        return self.push("addin/app/greeting.py", "Hello", "Good morning")

    def push_unhealthy(self) -> str:
        """A developer pushes a change after which the app never becomes healthy."""
        return self.push("addin/app/health.py", "HEALTHY = True", "HEALTHY = False")

    def run(self, command: str = "deploy", **inputs: str) -> Run:
        """Run the action's step with a runner's environment."""
        return self.finished(self.started(command, **inputs))

    def started(self, command: str = "deploy", **inputs: str) -> Process:
        """Start the action's step (or its second, ``finish``) and return at once."""
        self.runs += 1
        options = {**HURRY, **({"command": command} if command != "finish" else {}), **inputs}
        env = self.scene.runner_environment(self.runs, **options)
        verb = command if command == "finish" else "action"
        return start(
            [str(ENTRY), verb],
            self.scene.workspace,
            {**env, "GITHUB_ACTIONS": "true", **self.variables},
            preloaded=self.preloaded,
        )

    def finished(self, process: Process) -> Run:
        """Wait for a started step and return what it left; its report agrees with its schema."""
        number = self.runs
        log, _ = process.communicate(timeout=900)
        files = self.scene.directory / f"run-{number}"
        summary = files / "summary.md"
        outputs = outputs_of(files / "output")
        if outputs.get("report"):
            assert read_report(Path(outputs["report"]))["result"] == outputs["result"]
        return Run(
            exit_code=process.wait(),
            log=log,
            outputs=outputs,
            summary=summary.read_text("utf-8") if summary.exists() else "",  # killed before it
        )

    def wait_until_idle(self) -> None:
        """Wait until no operation runs on the app."""
        eventually(
            lambda: self.scene.resource()["properties"]["provisioningState"] != "InProgress",
            "no operation runs on the app",
        )

    def end_lease(self) -> None:
        """Let the lease of a killed run, if it left one, end now instead of some seconds later."""
        tags = self.tags()
        if "deploy-action.until" in tags:
            ended = {"deploy-action.until": tags["deploy-action.since"]}
            self.scene.ask("PATCH", self.scene.path, {"tags": ended}).raise_for_status()
            self.wait_until_idle()

    def clock(self, **change: float) -> None:
        """Change the sandbox's clock factor, or advance its clock."""
        if "advance" in change:
            change["factor"] = INSTANT
        url = f"{self.scene.environment['SANDBOX_URL']}/clock"
        requests.post(url, json=change, timeout=30, proxies={"http": ""}).raise_for_status()

    def admin(self, path: str, body: Any) -> None:
        """Change the sandbox through its own API, such as its faults."""
        url = f"{self.scene.environment['SANDBOX_URL']}/{path}"
        requests.post(url, json=body, timeout=30, proxies={"http": ""}).raise_for_status()

    def faults(self) -> list[dict[str, Any]]:
        """Return the scripted faults with their counters."""
        url = f"{self.scene.environment['SANDBOX_URL']}/faults"
        response_body = requests.get(url, timeout=30, proxies={"http": ""}).json()["faults"]
        assert isinstance(response_body, list)
        return response_body

    def date(self) -> datetime:
        """Return the sandbox's date, as each answer of Resource Manager names it."""
        text = self.scene.ask("GET", self.scene.path).headers["Date"]
        return parsedate_to_datetime(text)

    def object_id(self, resource: str) -> str:
        """Return the object id of the action's identity, from a token for *resource*."""
        payload = self.scene.token(resource).split(".")[1]
        padded = payload + "=" * (-len(payload) % 4)
        return str(json.loads(base64.urlsafe_b64decode(padded))["oid"])

    def requests(self, since: float = -1.0) -> list[dict[str, Any]]:
        """Return the sandbox's requests after *since* (the ``at`` of a request)."""
        url = f"{self.scene.environment['SANDBOX_URL']}/requests"
        response_body = requests.get(url, timeout=30, proxies={"http": ""}).json()["requests"]
        return [call for call in response_body if call["at"] > since]

    def users(self) -> Users:
        """Return simulated users of the app; see `Users.busy`."""
        return Users(self.scene, self.url)

    # -- results -----------------------------------------------------------------------------

    def weights(self) -> dict[str, int]:
        """Return the weights that Azure reports, without those of zero."""
        return {name: weight for name, weight in self.scene.weights().items() if weight}

    def active(self) -> list[str]:
        """Return the names of the active revisions, oldest first."""
        return [name for name, item in self.scene.revisions().items() if item["active"]]

    def tags(self) -> dict[str, str]:
        """Return the app's tags."""
        return dict(self.scene.resource().get("tags") or {})

    def is_locked(self) -> bool:
        """Whether a deployment owns the app; its journal is in the app's tags."""
        return any(name.startswith("deploy-action.") for name in self.tags())

    def stale_keys(self) -> list[str]:
        """Return the cache's keys that a deployment must clear."""
        with self.scene.cache() as cache:
            return sorted(str(key) for key in cache.keys("manifest:*"))

    def branch_head(self) -> str:
        """Return the commit that main is at on the remote."""
        return self.scene.git("rev-parse", "main", cwd=self.scene.remote)

    def on_branch(self, *arguments: str) -> str:
        """Run git on the remote; return its output."""
        return self.scene.git(*arguments, cwd=self.scene.remote)

    def checkout_is_clean(self) -> bool:
        """Whether the checkout's files are as the commit has them."""
        return not self.scene.git("status", "--porcelain", cwd=self.scene.workspace)

    def serves(self) -> dict[str, Any]:
        """Return the response of the app's /version."""
        response_body = self.scene.session.get(f"{self.url}/version", timeout=30).json()
        assert isinstance(response_body, dict)
        return response_body


def assert_lock_released(stage: Stage) -> None:
    """Check that no deployment owns the app, and that nothing is left for the next run to do."""
    stage.wait_until_idle()
    tags = stage.tags()
    remaining = {name: value for name, value in tags.items() if name.startswith("deploy-action.")}
    assert not remaining, f"the deployment lock is not released: {remaining}"


def outputs_of(file: Path) -> dict[str, str]:
    """Read outputs as the runner does (heredoc form)."""
    text = file.read_text("utf-8") if file.exists() else ""
    matches = re.findall(
        r"^([\w-]+)<<(ghadelimiter_\w+)\n(.*?)\n?\2$", text, re.DOTALL | re.MULTILINE
    )
    return {name: value for name, _, value in matches}


def on_github(stage: Stage, *protected: str, exposes_rules: bool = True) -> dict[str, str]:
    """Serve GitHub's API for the stage's remote; return the inputs of a run that uses it.

    Args:
        stage: whose remote it is.
        protected: its branches that take pull requests only.
        exposes_rules: whether the API returns the branches' rules.
    """
    environment = stage.scene.environment
    name = f"the-well/{stage.scene.app}"
    about = {
        "name": name,
        "path": str(stage.scene.remote),
        "protected": protected,
        "exposes_rules": exposes_rules,
    }
    url = f"{environment['SANDBOX_URL']}/github"
    requests.post(url, json=about, timeout=30, proxies={"http": ""}).raise_for_status()
    stage.variables |= {"GITHUB_API_URL": "https://api.github.com", "GITHUB_REPOSITORY": name}
    return {"git_token": environment["SANDBOX_GITHUB_TOKEN"]}


def end_on_github(stage: Stage, number: int) -> None:
    """Let GitHub's API report that a workflow run of the stage's repository has ended."""
    stage.admin("github", {"name": stage.variables["GITHUB_REPOSITORY"], "ended": str(number)})
