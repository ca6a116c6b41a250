"""The container registries: sign-in as Azure's, contents of their own or of Debian's registry."""

from deploy_action.sandbox.registry.debian import DebianRegistry
from deploy_action.sandbox.registry.reference import Reference
from deploy_action.sandbox.registry.service import Registry

__all__ = ["DebianRegistry", "Reference", "Registry"]
