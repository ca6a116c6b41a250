"""The answers that `init` needs, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from deploy_action.errors import Fault, InputError

_NAME = r"[A-Za-z0-9][-\w.()]{0,89}"
_PATH = r"[\w./-]{1,200}"
_SHAPES = {
    "app": (_NAME, "the name of a container app"),
    "resource_group": (_NAME, "the name of a resource group"),
    "registry": (r"[A-Za-z0-9]{5,50}", "the registry's name, without .azurecr.io"),
    "environment": (r"[A-Za-z0-9][\w.-]{0,89}", "letters, digits, dashes, dots or underscores"),
    "repository": (r"[\w.-]{1,100}/[\w.-]{1,100}", "OWNER/NAME"),
    "repository_ids": (r"(\d{1,20}/\d{1,20})?", "OWNER_ID/REPOSITORY_ID"),
    "branch": (r"[\w./-]{1,200}", "the name of a branch"),
    "builder": ("acr|docker", "acr or docker"),
    "context": (_PATH, "a folder in the repository"),
    "manifest": (rf"({_PATH})?", "a file in the repository"),
    "health_path": (r"(/[\w./-]{0,200})?", "a path such as /health"),
    "location": (r"([A-Za-z0-9]{2,40})?", "a region such as westeurope"),
    "container_environment": (rf"({_NAME})?", "the name of a Container Apps environment"),
    "target_port": (r"[1-9]\d{0,4}", "a port"),
    "action": (r"[\w./@-]{1,300}", "the action, such as OWNER/deploy-action@v1.0.0"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One app and the repository that deploys it.

    Args:
        app: the container app.
        resource_group: its resource group.
        registry: the registry, by name.
        environment: the environment of GitHub and of the settings file.
        repository: ``OWNER/NAME`` on GitHub.
        repository_ids: ``OWNER_ID/REPOSITORY_ID`` if the repository's OIDC subjects contain them.
        branch: a push to it deploys.
        builder: ``acr`` builds in the registry, ``docker`` on the runner.
        context: the folder with the Dockerfile.
        manifest: the add-in's manifest; empty for none.
        health_path: the path that answers 200 when the app is healthy; empty for the default.
        location: the region for resources that do not exist; empty creates none.
        container_environment: the app's Container Apps environment, if it is to be created.
        target_port: the port that the container listens on, if the app is to be created.
        action: what the workflows use.
    """

    app: str
    resource_group: str
    registry: str
    repository: str
    environment: str = "prod"
    repository_ids: str = ""
    branch: str = "main"
    builder: str = "acr"
    context: str = "."
    manifest: str = ""
    health_path: str = ""
    location: str = ""
    container_environment: str = ""
    target_port: str = "8000"
    action: str

    def __post_init__(self) -> None:
        faults = []
        for item in fields(self):
            value = getattr(self, item.name)
            shape, expected = _SHAPES[item.name]
            if not re.fullmatch(shape, value):
                option = "--" + item.name.replace("_", "-")
                faults.append(Fault(message=f"Option {option}: '{value}' is not {expected}."))
        if faults:
            raise InputError.of(faults)

    @property
    def subject(self) -> str:
        """Return the subject of the tokens that GitHub issues to jobs of the environment.

        GitHub adds the ids of owner and repository for repositories that were created, renamed or
        transferred since 15 July 2026.
        """
        owner, _, name = self.repository.partition("/")
        if self.repository_ids:
            owner_id, _, repository_id = self.repository_ids.partition("/")
            owner, name = f"{owner}@{owner_id}", f"{name}@{repository_id}"
        return f"repo:{owner}/{name}:environment:{self.environment}"

    @property
    def environment_name(self) -> str:
        """Return the name of the Container Apps environment to create or use."""
        return self.container_environment or f"{self.app}-env"

    @property
    def identity_name(self) -> str:
        """Return the display name of the app registration."""
        return f"deploy {self.app} ({self.environment})"
