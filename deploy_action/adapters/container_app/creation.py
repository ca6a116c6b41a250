"""Creates an app that does not exist yet, and deletes it again if that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from azure.mgmt.appcontainers import ContainerAppsAPIClient

from deploy_action.adapters.container_app import operations
from deploy_action.adapters.container_app.errors import (
    AzureRefusedError,
    NotFoundError,
    translate_errors,
)
from deploy_action.adapters.container_app.pipeline import Reader, limits
from deploy_action.core import external
from deploy_action.core.app import App
from deploy_action.errors import InputError
from deploy_action.runtime.polling import Deadline

_ONE_WRITE_S = 30.0

_ENVIRONMENT = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.App"
    r"/managedEnvironments/(?P<name>[^/]+)",
    re.IGNORECASE,
)


class Creation:
    """The requests that only a new app needs.

    Args:
        client: a signed-in SDK client.
        reader: repeats reads.
        resource_group: the app's.
        name: the app's.
    """

    def __init__(
        self, client: ContainerAppsAPIClient, reader: Reader, resource_group: str, name: str
    ) -> None:
        self.name = name
        self.resource_group = resource_group
        self._client = client
        self._reader = reader
        self._apps = client.container_apps

    def exists(self) -> bool:
        """Whether there is an app of this name.

        Raises:
            PreflightError: this identity may not see it.
            AzureRefusedError: Azure does not respond.
        """

        def request(limits: dict[str, Any]) -> bool:
            app = self._apps.get(self.resource_group, self.name, **limits)
            return bool(app.name)

        try:
            return self._reader.read(request)
        except NotFoundError:
            return False

    def environment(self, name_or_id: str) -> tuple[str, str]:
        """Return resource ID and location of a Container Apps environment.

        Args:
            name_or_id: its name in the app's resource group, or its resource ID.

        Raises:
            InputError: there is none of that name.
        """
        group, name = self.resource_group, name_or_id
        if match := _ENVIRONMENT.fullmatch(name_or_id):
            group, name = match["group"], match["name"]

        def request(limits: dict[str, Any]) -> tuple[str, str]:
            environment = self._client.managed_environments.get(group, name, **limits)
            return external.name(environment.id, "id"), external.name(
                environment.location, "location"
            )

        try:
            return self._reader.read(request)
        except NotFoundError:
            raise InputError(
                f"managed-environment: '{name_or_id}' does not exist in resource group '{group}'.",
                hint="Create it first: az containerapp env create.",
            ) from None

    def create(self, resource: Mapping[str, Any]) -> str:
        """Send the request that creates the app; do not wait for Azure to finish.

        Returns:
            the URL of the operation's status; may be empty.

        Raises:
            AzureRefusedError: Azure refused.
        """
        content = BytesIO(json.dumps(resource).encode())
        status_urls: list[str] = []
        with translate_errors(self.name, self.resource_group):
            self._apps.begin_create_or_update(
                self.resource_group,
                self.name,
                content,
                polling=False,
                raw_response_hook=lambda response: status_urls.append(
                    operations.status_url(response)
                ),
                **limits(Deadline(_ONE_WRITE_S)),
            )
        return status_urls[-1] if status_urls else ""

    def require_created(self, app: App, status_url: str) -> None:
        """Refuse an app whose creation failed.

        Args:
            app: as it is after the operation.
            status_url: as `create` returned it.

        Raises:
            AzureRefusedError: it failed; the message quotes Azure.
        """
        if app.failed:
            reason = operations.failure(self._client, status_url) or f"its state is {app.state}"
            raise AzureRefusedError(
                f"Azure accepted app '{self.name}' but it failed: {reason.rstrip('.')}.",
                hint="Check that its identities may pull the image (role AcrPull) and read the "
                "secrets' key vaults (role Key Vault Secrets User).",
            )

    def delete(self) -> None:
        """Delete the app; only for one that this run has created."""
        with translate_errors(self.name, self.resource_group):
            self._apps.begin_delete(
                self.resource_group, self.name, polling=False, **limits(Deadline(_ONE_WRITE_S))
            )
