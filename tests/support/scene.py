"""The app of a test: the demonstration's scene, and any request to Azure."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import requests

from deploy_action.sandbox import scene
from deploy_action.sandbox.scene import API_VERSION
from tests.support.eventually import eventually

ARM = "https://management.azure.com"


@dataclass
class Scene(scene.Scene):
    """One app of one sandbox, and the checkout that belongs to it."""

    _tokens: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def path(self) -> str:
        """The app's path in Azure Resource Manager."""
        return f"{self.group_path}/providers/Microsoft.App/containerApps/{self.app}"

    def token(self, resource: str = ARM) -> str:
        """Return an access token for *resource*."""
        if resource not in self._tokens:
            self._tokens[resource] = self.sign_in(resource)
        return self._tokens[resource]

    def ask(self, method: str, path: str, body: Any = None, **about: Any) -> requests.Response:
        """Send a request to Azure Resource Manager, by path or URL; return any response."""
        url = path if path.startswith("https:") else f"{ARM}{path}"
        about.setdefault("params", None if "api-version=" in url else {"api-version": API_VERSION})
        about.setdefault("headers", {"Authorization": f"Bearer {self.token()}"})
        return self.session.request(method, url, json=body, timeout=60, **about)

    def make_repository(self) -> None:
        """Copy the repository of the sample, which is made once for all tests, and check it out."""
        shutil.copytree(_sample_remote(), self.remote)
        self.check_out()

    def push_change(self, path: str, old: str, new: str, message: str) -> str:
        """Commit a changed file to main as others see it after a developer's push."""
        mode, _, blob, _ = self.git("ls-tree", "main", path, cwd=self.remote).split(maxsplit=3)
        content = self._git_bytes("cat-file", "blob", blob)
        if old.encode() not in content:
            raise ValueError(f"{path} does not contain {old!r}")
        content = content.replace(old.encode(), new.encode(), 1)
        text = message.encode()
        self._git_bytes(
            "fast-import",
            "--quiet",
            "--date-format=now",
            stdin=b"commit refs/heads/main\ncommitter Dana Developer <dana@example.com> now\n"
            b"data %d\n%s\nfrom refs/heads/main^0\nM %s inline %s\ndata %d\n%s\n"
            % (len(text), text, mode.encode(), path.encode(), len(content), content),
        )
        self.check_out()
        return self.git("rev-parse", "HEAD", cwd=self.workspace)

    def _git_bytes(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git on the remote with *stdin* as its input; return its exact output."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.remote,
            env={"PATH": os.environ["PATH"], "HOME": str(self.directory)},
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout

    def check_out(self) -> None:
        """Replace the checkout; git of a killed run may still write to it."""

        def removed() -> bool:
            shutil.rmtree(self.workspace, ignore_errors=True)
            return not self.workspace.exists()

        eventually(removed, "the checkout of the killed run is removed")
        super().check_out()

    def commit(self) -> str:
        """Return the commit that a run deploys: the branch's if there is no checkout."""
        if (self.workspace / ".git").exists():
            return super().commit()
        return self.git("rev-parse", "main", cwd=self.remote)


@cache
def _sample_remote() -> Path:
    """Make the sample's bare repository for the tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="deploy-action-sample-"))
    made = scene.Scene({"HTTPS_PROXY": "", "REQUESTS_CA_BUNDLE": ""}, folder)
    made.make_repository()
    made.git("repack", "-a", "-d", "--quiet", cwd=made.remote)
    for sample in (made.remote / "hooks").iterdir():
        sample.unlink()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return made.remote
