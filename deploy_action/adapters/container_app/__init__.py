"""The container app in Azure: read, changed in narrow requests, read back."""

from deploy_action.adapters.container_app.client import ContainerApp
from deploy_action.adapters.container_app.writer import Guard
from deploy_action.adapters.container_app.errors import AzureRefusedError

__all__ = ["AzureRefusedError", "ContainerApp", "Guard"]
