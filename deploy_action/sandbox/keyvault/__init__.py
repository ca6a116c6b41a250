"""Key Vault: vaults, their secrets, and what `NAME.vault.azure.net` answers."""

from deploy_action.sandbox.keyvault.service import AUDIENCE, KeyVault
from deploy_action.sandbox.keyvault.store import Vault, Vaults

__all__ = ["AUDIENCE", "KeyVault", "Vault", "Vaults"]
