"""The life before the first deployment: a repository, an image, an app that serves, a filled cache.

The demonstration and the tests start from here. Everything is done as a user would have done it:
over git, the registry, ARM and Redis, from outside.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "addin"
GROUP = "TheWell-Infra-East"
APP = "well-intake-api"
REGISTRY = "wellintakeregistry"
API_VERSION = "2026-07-01"
START_S = 60.0


def start(directory: Path, *options: str) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Start a sandbox as a process of its own and return it with the environment for its clients.

    Args:
        directory: where its environment file and log go.
        options: further words for ``sandbox up``.

    Raises:
        RuntimeError: it ended, or was not ready within a minute; the message has its log.
    """
    env_file, log = directory / "sandbox.env", directory / "sandbox.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "deploy_action", "sandbox", "up"),
                *("--env-file", str(env_file), "--directory", str(directory / "azure")),
                "--until-stdin-closes",
                *options,
            ],
            stdin=subprocess.PIPE,  # so that it ends with us, however we end
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
    end = time.monotonic() + START_S
    while not env_file.exists():
        if process.poll() is not None or time.monotonic() > end:
            stop(process)
            raise RuntimeError(f"the sandbox did not start:\n{log.read_text('utf-8', 'replace')}")
        time.sleep(0.02)
    pairs = (line.partition("=") for line in env_file.read_text("utf-8").splitlines() if line)
    return process, {name: value for name, _, value in pairs}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a sandbox as a service manager would, and wait until it is gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin:
        process.stdin.close()


@dataclass(slots=True)
class Scene:
    """One app of one sandbox, and the checkout that belongs to it.

    Args:
        environment: what the sandbox says its clients need.
        directory: where the checkout goes.
        app: the app's name; several scenes can share a sandbox.
    """

    environment: Mapping[str, str]
    directory: Path
    app: str = APP
    session: requests.Session = field(init=False)
    _tokens: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"https": self.environment["HTTPS_PROXY"]}
        self.session.verify = self.environment["REQUESTS_CA_BUNDLE"]

    # -- the checkout --------------------------------------------------------------------------

    @property
    def remote(self) -> Path:
        """The bare repository that plays GitHub's part."""
        return self.directory / "remote.git"

    @property
    def workspace(self) -> Path:
        """The runner's checkout."""
        return self.directory / "workspace"

    def make_repository(self) -> None:
        """Put the sample and its settings on a remote's main branch, and check it out."""
        seed = self.directory / "seed"
        shutil.copytree(SAMPLE, seed / "addin", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / ".github" / "workflows", seed / ".github" / "workflows")
        shutil.copy(ROOT / ".github" / "deploy-action.yml", seed / ".github" / "deploy-action.yml")
        self.git("init", "--quiet", "--initial-branch=main", ".", cwd=seed)
        self.git("add", "--all", ".", cwd=seed)
        self.git("commit", "--quiet", "-m", "The add-in as it serves today", cwd=seed)
        self.git("clone", "--quiet", "--bare", str(seed), str(self.remote), cwd=self.directory)
        shutil.rmtree(seed)
        self.check_out()

    def check_out(self) -> None:
        """Make the checkout anew, as actions/checkout does: the newest commit and nothing else."""
        end = time.monotonic() + START_S
        while self.workspace.exists() and time.monotonic() < end:  # a killed run's git may be there
            shutil.rmtree(self.workspace, ignore_errors=True)
        url = self.remote.as_uri()
        self.git("clone", "--quiet", "--depth=1", url, str(self.workspace), cwd=self.directory)

    def push_change(self, path: str, old: str, new: str, message: str) -> str:
        """Edit one file on the branch as a developer would; return the commit."""
        desk = self.directory / "desk"
        shutil.rmtree(desk, ignore_errors=True)
        self.git("clone", "--quiet", str(self.remote), str(desk), cwd=self.directory)
        file = desk / path
        text = file.read_text("utf-8")
        if old not in text:
            raise ValueError(f"{path} does not contain {old!r}")
        file.write_text(text.replace(old, new, 1), "utf-8")
        self.git("commit", "--quiet", "--all", "-m", message, cwd=desk)
        self.git("push", "--quiet", "origin", "HEAD:main", cwd=desk)
        shutil.rmtree(desk)
        self.check_out()
        return self.git("rev-parse", "HEAD", cwd=self.workspace)

    def git(self, *arguments: str, cwd: Path) -> str:
        """Run git apart from the user's own configuration; return what it prints."""
        cwd.mkdir(parents=True, exist_ok=True)
        identity = ["-c", "user.name=Dana Developer", "-c", "user.email=dana@example.com"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=cwd,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.directory),
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
            },
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    # -- Azure ---------------------------------------------------------------------------------

    def token(self, resource: str = "https://management.azure.com") -> str:
        """Sign in as the workflow does and return an access token."""
        if resource not in self._tokens:
            self._tokens[resource] = self._new_token(resource)
        return self._tokens[resource]

    def _new_token(self, resource: str) -> str:
        env = self.environment
        asked = self.session.get(
            env["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api%3A%2F%2FAzureADTokenExchange",
            headers={"Authorization": f"Bearer {env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
            timeout=30,
        )
        given = self.session.post(
            f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": env["AZURE_CLIENT_ID"],
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": asked.json()["value"],
                "scope": f"{resource}/.default",
            },
            timeout=30,
        )
        return str(given.json()["access_token"])

    @property
    def group_path(self) -> str:
        """The path of the resource group."""
        return f"/subscriptions/{self.environment['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{GROUP}"

    @property
    def path(self) -> str:
        """The path of the app."""
        return f"{self.group_path}/providers/Microsoft.App/containerApps/{self.app}"

    def ask(self, method: str, path: str, body: Any = None, **about: Any) -> requests.Response:
        """Ask Azure Resource Manager for a whole path or address; any answer is given back."""
        url = path if path.startswith("https:") else f"https://management.azure.com{path}"
        about.setdefault("params", None if "api-version=" in url else {"api-version": API_VERSION})
        about.setdefault("headers", {"Authorization": f"Bearer {self.token()}"})
        return self.session.request(method, url, json=body, timeout=60, **about)

    def arm(self, method: str, path: str, body: Any = None) -> Any:
        """Ask Azure Resource Manager; *path* begins after Microsoft.App.

        Raises:
            RuntimeError: it refused; the message has its words.
        """
        reply = self.ask(method, f"{self.group_path}/providers/Microsoft.App{path}", body)
        if not reply.ok:
            raise RuntimeError(f"{method} {path}: {reply.status_code} {reply.text}")
        return reply.json() if reply.content else None

    def seed_image(self, tag: str) -> str:
        """Have the checkout's image built beforehand; return its reference."""
        reference = f"{REGISTRY}.azurecr.io/{self.app}:{tag}"
        reply = requests.post(
            f"{self.environment['SANDBOX_URL']}/images",
            json={"context": str(self.workspace / "addin"), "reference": reference},
            timeout=120,
            proxies={"http": "", "https": ""},
        )
        if not reply.ok:
            raise RuntimeError(f"the first image could not be built: {reply.text}")
        return reference

    def create_app(self, image: str, version: str, **template: Any) -> str:
        """Create the app in Multiple mode with one revision that serves; return its address."""
        environments = self.arm("GET", "/managedEnvironments")["value"]
        variables = {"DEPLOY_VERSION": version, **template.pop("variables", {})}
        container = {
            "name": "api",
            "image": image,
            "resources": {"cpu": 0.5, "memory": "1Gi"},
            "env": [{"name": key, "value": value} for key, value in variables.items()],
            "probes": [
                {
                    "type": "Readiness",
                    "httpGet": {"path": "/health/ready", "port": 8000},
                    "periodSeconds": 5,
                }
            ],
        }
        self.arm(
            "PUT",
            f"/containerApps/{self.app}",
            {
                "location": environments[0]["location"],
                "properties": {
                    "environmentId": environments[0]["id"],
                    "configuration": {
                        "activeRevisionsMode": "Multiple",
                        "ingress": {"external": True, "targetPort": 8000},
                    },
                    "template": {
                        "revisionSuffix": "first",
                        "containers": [container],
                        "scale": {"minReplicas": 1, "maxReplicas": 2},
                        **template,
                    },
                },
            },
        )
        return self.wait_until_serving()

    def wait_until_serving(self) -> str:
        """Wait until the app answers its users; return its address."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            ingress = self.resource()["properties"]["configuration"]["ingress"]
            url = f"https://{ingress['fqdn']}"
            if self.session.get(f"{url}/health/ready", timeout=30).ok:
                return url
            time.sleep(0.05)
        raise RuntimeError("the sample app did not begin to serve")

    def resource(self) -> Any:
        """Return the app as ARM shows it."""
        return self.arm("GET", f"/containerApps/{self.app}")

    def weights(self) -> dict[str, int]:
        """Return the declared weight of each revision in the split, by name."""
        traffic = self.resource()["properties"]["configuration"]["ingress"]["traffic"]
        return {item.get("revisionName", "latest"): item["weight"] for item in traffic}

    def revisions(self) -> dict[str, Any]:
        """Return each revision's properties by name, oldest first."""
        listed = self.arm("GET", f"/containerApps/{self.app}/revisions")["value"]
        return {item["name"]: item["properties"] for item in listed}

    # -- the cache -----------------------------------------------------------------------------

    def cache(self) -> redis.Redis:
        """Return a client of the app's Redis."""
        url = self.environment["AZURE_REDIS_CONNECTION_STRING"]
        return redis.Redis.from_url(url, decode_responses=True)

    def fill_cache(self) -> None:
        """Put in what a deployment has to clear, and what it has to leave alone."""
        with self.cache() as cache:
            for number in range(50):
                cache.set(f"manifest:{number}", "old")
                cache.set(f"config:{number}", "old")
                cache.set(f"session:{number}", "a user is logged in")

    # -- the runner ----------------------------------------------------------------------------

    def runner_environment(self, run_id: int, **inputs: str) -> dict[str, str]:
        """Return what a step of a workflow run on the newest commit sees.

        Args:
            run_id: GitHub's number of the run.
            inputs: the action's inputs, underscores for dashes.
        """
        files = self.directory / f"run-{run_id}"
        files.mkdir(exist_ok=True)
        given = {
            "subscription_id": self.environment["AZURE_SUBSCRIPTION_ID"],
            "tenant_id": self.environment["AZURE_TENANT_ID"],
            "client_id": self.environment["AZURE_CLIENT_ID"],
            "app": self.app,
            **inputs,
        }
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            **self.environment,
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(files / "output"),
            "GITHUB_STEP_SUMMARY": str(files / "summary.md"),
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_SHA": self._commit(),
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "the-well/well-intake",
            "GITHUB_ACTOR": "dana",
            **_as_inputs(given),
        }

    def _commit(self) -> str:
        """Return the commit that a run is for: the checkout's, or without one the branch's."""
        if (self.workspace / ".git").exists():
            return self.git("rev-parse", "HEAD", cwd=self.workspace)
        return self.git("rev-parse", "main", cwd=self.remote)


@dataclass(slots=True)
class Users:
    """People who use the app all the time, and who answered them."""

    scene: Scene
    url: str
    path: str = "/version"
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def busy(self, pause_s: float = 0.005) -> Iterator[Users]:
        """Keep asking while the body runs."""
        thread = threading.Thread(target=self._ask, args=(pause_s,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(60)

    def _ask(self, pause_s: float) -> None:
        session = requests.Session()
        session.trust_env = False
        session.proxies, session.verify = self.scene.session.proxies, self.scene.session.verify
        while not self._over.wait(pause_s):
            try:
                reply = session.get(f"{self.url}{self.path}", timeout=30)
            except requests.RequestException as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                continue
            if reply.status_code == 200:
                self.answers[json.loads(reply.text)["revision"]] += 1
            else:
                self.failures.append(f"{reply.status_code} {reply.text[:200]}")


def _as_inputs(settings: dict[str, str]) -> dict[str, str]:
    """Return the variables of action.yml's inputs; other settings go into the input settings."""
    declared = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]
    named = {name.replace("_", "-"): text for name, text in settings.items()}
    others = {name: text for name, text in named.items() if name not in declared and text}
    inputs = {name: text for name, text in named.items() if name in declared}
    if others:
        inputs["settings"] = inputs.get("settings", "") + yaml.safe_dump(others)
    return {f"INPUT_{name.replace('-', '_').upper()}": text for name, text in inputs.items()}
