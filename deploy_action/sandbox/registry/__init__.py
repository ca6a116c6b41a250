"""The container registries: Azure's sign-in, with a built-in store or Debian's registry."""

from deploy_action.sandbox.registry.debian import DebianRegistry
from deploy_action.sandbox.registry.reference import Reference
from deploy_action.sandbox.registry.service import Registry

__all__ = ["DebianRegistry", "Reference", "Registry"]
