"""Key vaults, and user-assigned identities that may or may not read them."""

from __future__ import annotations

from tests.stage import Stage
from tests.support.identities import admin


def vault_of(stage: Stage) -> str:
    """Return the name of a stage's vault."""
    return f"kv-{stage.scene.app}"


def reader_of(stage: Stage) -> str:
    """Return the resource ID of the identity that `make_reader` creates."""
    return (
        f"{stage.scene.group_path}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
        f"reader-{stage.scene.app}"
    )


def make_reader(stage: Stage, *, may_read: bool = True, **secrets: str) -> str:
    """Create a vault and a user-assigned identity that may read it; return the identity's id."""
    reader = reader_of(stage)
    response_body = stage.scene.ask("PUT", reader, {"location": "eastus"}).json()
    readers = [response_body["properties"]["principalId"]] if may_read else []
    named = {name.replace("_", "-"): value for name, value in secrets.items()}
    body = {"name": vault_of(stage), "secrets": named, "readers": readers}
    admin(stage.scene.environment, "POST", "/vaults", body)
    return reader
