"""Setup of the demonstration: a repository, an image, an app, a filled cache.

Everything is created as a user would create it: with git, the registry, Azure Resource Manager and
Redis.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import redis
import requests
import yaml

from deploy_action.sandbox.launch import ROOT, START_S
from deploy_action.sandbox.sample import SETTINGS_FILE, simple_settings

SAMPLE = ROOT / "addin"
GROUP = "TheWell-Infra-East"
APP = "well-intake-api"
REGISTRY = "wellintakeregistry"
API_VERSION = "2026-07-01"


@dataclass
class Scene:
    """One app in a sandbox, and the checkout of its repository.

    Args:
        environment: the variables that the sandbox's clients need.
        directory: the folder of the checkout.
        app: the app's name; several scenes can share a sandbox.
        group: the app's resource group.
        registry: the registry's name.
    """

    environment: Mapping[str, str]
    directory: Path
    app: str = APP
    group: str = GROUP
    registry: str = REGISTRY
    session: requests.Session = field(init=False)
    _token: str = field(default="", init=False)

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
        (seed / SETTINGS_FILE).write_text(simple_settings(), "utf-8")
        self.git("init", "--quiet", "--initial-branch=main", ".", cwd=seed)
        self.git("add", "--all", ".", cwd=seed)
        self.git("commit", "--quiet", "-m", "The add-in as it serves today", cwd=seed)
        self.git("clone", "--quiet", "--bare", str(seed), str(self.remote), cwd=self.directory)
        shutil.rmtree(seed)
        self.check_out()

    def check_out(self) -> None:
        """Replace the checkout as actions/checkout does: the newest commit, without history."""
        shutil.rmtree(self.workspace, ignore_errors=True)
        url, words = self.remote.as_uri(), ("--quiet", "--depth=1", "--template=")
        self.git("clone", *words, url, str(self.workspace), cwd=self.directory)

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

    def token(self) -> str:
        """Return an access token for Azure Resource Manager; sign in as the workflow does."""
        self._token = self._token or self.sign_in("https://management.azure.com")
        return self._token

    def sign_in(self, resource: str) -> str:
        """Exchange the workflow's OIDC token for an access token of *resource*."""
        env = self.environment
        assertion = self.session.get(
            env["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=api%3A%2F%2FAzureADTokenExchange",
            headers={"Authorization": f"Bearer {env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
            timeout=30,
        )
        response = self.session.post(
            f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": env["AZURE_CLIENT_ID"],
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": assertion.json()["value"],
                "scope": f"{resource}/.default",
            },
            timeout=30,
        )
        return str(response.json()["access_token"])

    @property
    def group_path(self) -> str:
        """The path of the resource group."""
        subscription = self.environment["AZURE_SUBSCRIPTION_ID"]
        return f"/subscriptions/{subscription}/resourceGroups/{self.group}"

    def arm(self, method: str, path: str, body: Any = None) -> Any:
        """Call Azure Resource Manager; *path* begins after Microsoft.App.

        Raises:
            RuntimeError: it refused the request; the message contains the response.
        """
        url = f"https://management.azure.com{self.group_path}/providers/Microsoft.App{path}"
        reply = self.session.request(
            method,
            url,
            json=body,
            params={"api-version": API_VERSION},
            headers={"Authorization": f"Bearer {self.token()}"},
            timeout=60,
        )
        if not reply.ok:
            raise RuntimeError(f"{method} {path}: {reply.status_code} {reply.text}")
        return reply.json() if reply.content else None

    def seed_image(self, tag: str) -> str:
        """Build the checkout's image; return its reference."""
        reference = f"{self.registry}.azurecr.io/{self.app}:{tag}"
        reply = requests.post(
            f"{self.environment['SANDBOX_URL']}/images",
            json={"context": str(self.workspace / "addin"), "reference": reference},
            timeout=120,
            proxies={"http": "", "https": ""},
        )
        if not reply.ok:
            raise RuntimeError(f"the first image could not be built: {reply.text}")
        return reference

    def create_app(self, image: str, version: str) -> str:
        """Create the app in Multiple mode with one serving revision; return its URL."""
        self.arm("PUT", f"/containerApps/{self.app}", self.app_resource(image, version))
        return self.wait_until_serving()

    def app_resource(self, image: str, version: str) -> dict[str, Any]:
        """Return the body of the request that creates the app."""
        [environment, *_] = self.arm("GET", "/managedEnvironments")["value"]
        ready = {"path": "/health/ready", "port": 8000}
        container = {
            "name": "api",
            "image": image,
            "resources": {"cpu": 0.5, "memory": "1Gi"},
            "env": [{"name": "DEPLOY_VERSION", "value": version}],
            "probes": [{"type": "Readiness", "httpGet": ready, "periodSeconds": 5}],
        }
        return {
            "location": environment["location"],
            "properties": {
                "environmentId": environment["id"],
                "configuration": {
                    "activeRevisionsMode": "Multiple",
                    "ingress": {"external": True, "targetPort": 8000},
                },
                "template": {
                    "revisionSuffix": "first",
                    "containers": [container],
                    "scale": {"minReplicas": 1, "maxReplicas": 2},
                },
            },
        }

    def wait_until_serving(self) -> str:
        """Wait until the app responds to its users; return its URL."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            ingress = self.resource()["properties"]["configuration"]["ingress"]
            url = f"https://{ingress['fqdn']}"
            if self.session.get(f"{url}/health/ready", timeout=30).ok:
                return url
            time.sleep(0.05)
        raise RuntimeError("the sample app does not respond")

    def resource(self) -> Any:
        """Return the app as Azure Resource Manager shows it."""
        return self.arm("GET", f"/containerApps/{self.app}")

    def weights(self) -> dict[str, int]:
        """Return the declared weight of each revision in the split, by name."""
        traffic = self.resource()["properties"]["configuration"]["ingress"]["traffic"]
        weights: dict[str, int] = {}
        for item in traffic:  # a revision with two labels has two entries
            name = item.get("revisionName", "latest")
            weights[name] = weights.get(name, 0) + item["weight"]
        return weights

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
        """Store keys that a deployment must clear, and keys that it must keep."""
        with self.cache() as cache:
            for number in range(50):
                cache.set(f"manifest:{number}", "old")
                cache.set(f"config:{number}", "old")
                cache.set(f"session:{number}", "a user is logged in")

    # -- the runner ----------------------------------------------------------------------------

    def runner_environment(self, run_id: int, **inputs: str) -> dict[str, str]:
        """Return the environment of a step in a workflow run on the newest commit.

        Args:
            run_id: GitHub's number of the run.
            inputs: the action's inputs, underscores for dashes.
        """
        files = self.directory / f"run-{run_id}"
        files.mkdir(exist_ok=True)
        environment = {
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
            "RUNNER_TEMP": str(files / "temp"),
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_RUN_ATTEMPT": "1",
            "DEPLOY_ACTION_TOKEN": f"t{run_id}",
            "GITHUB_SHA": self.commit(),
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "the-well/well-intake",
            "GITHUB_ACTOR": "dana",
            **{_variable(name): text for name, text in as_inputs(environment).items()},
        }

    def commit(self) -> str:
        """Return the commit that a run deploys."""
        return self.git("rev-parse", "HEAD", cwd=self.workspace)


def as_inputs(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the action's inputs for settings by name, with underscores or dashes.

    Settings that are no input of action.yml go into the input ``settings``.
    """
    declared = _declared_inputs()
    named = {name.replace("_", "-"): text for name, text in settings.items()}
    others = {name: text for name, text in named.items() if name not in declared and text}
    inputs = {name: text for name, text in named.items() if name in declared}
    if others:
        inputs["settings"] = inputs.get("settings", "") + yaml.safe_dump(others)
    return inputs


@cache
def _declared_inputs() -> frozenset[str]:
    """Return the names of action.yml's inputs."""
    return frozenset(yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"])


def _variable(name: str) -> str:
    return f"INPUT_{name.replace('-', '_').upper()}"
