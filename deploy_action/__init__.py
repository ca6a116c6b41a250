"""Blue-green deploys for Azure Container Apps."""

__version__ = "0.1.0"
