"""The container app in Azure: read, changed in narrow requests, read back."""

from deploy_action.adapters.container_app.client import ContainerApp
from deploy_action.adapters.container_app.errors import AzureRefusedError
from deploy_action.adapters.container_app.writer import Guard

__all__ = ["AzureRefusedError", "ContainerApp", "Guard"]
