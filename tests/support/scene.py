"""The app of a test: the demonstration's scene, and any request to Azure."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
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
