"""Azure Resource Manager: what `management.azure.com` answers."""

from deploy_action.sandbox.arm.service import Arm

__all__ = ["Arm"]
