"""A secret setting may name a secret of a key vault, which is read with the run's own identity."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stage import Stage
from tests.support.identities import admin

MANIFEST = {"manifest": "addin/manifest.xml", "cache_patterns": "manifest:*"}


def test_s1_a_cache_url_is_read_from_its_vault_and_never_shown(stage: Stage) -> None:
    environment = stage.scene.environment
    url = environment["AZURE_REDIS_CONNECTION_STRING"]
    vault = f"kv-{stage.scene.app}"
    admin(environment, "POST", "/vaults", {"name": vault, "secrets": {"redis": url}})
    stage.variables["AZURE_REDIS_CONNECTION_STRING"] = ""
    stage.scene.fill_cache()
    stage.push_healthy()

    run = stage.run(**MANIFEST, cache_url=f"keyvault:{vault}/redis")

    assert run.exit_code == 0, run.log
    assert int(run.outputs["cache-keys-cleared"]) > 0
    shown = [line for line in run.log.splitlines() if not line.startswith("::add-mask::")]
    assert url not in "".join(shown) + run.summary


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"secrets": {"other": "b"}}, "secret 'redis' of key vault"),
        ({"disabled": ["redis"]}, "is disabled. Enable it: az keyvault secret set-attributes"),
        ({"deleted": ["redis"]}, "was deleted and can still be recovered"),
        ({"readers": []}, "is not allowed to read the secret 'redis'"),
        ({"firewall": True}, "The firewall of key vault"),
    ],
)
def test_a_secret_that_cannot_be_read_is_refused_before_anything_changes(
    stage: Stage, about: dict[str, Any], message: str
) -> None:
    vault = f"kv-{stage.scene.app}"
    body = {"name": vault, "secrets": {"redis": "b"}, **about}
    admin(stage.scene.environment, "POST", "/vaults", body)
    before = stage.scene.resource()
    stage.push_healthy()

    run = stage.run(**MANIFEST, cache_url=f"keyvault:{vault}/redis")

    assert run.exit_code == 3, run.log
    assert run.logged(message)
    assert stage.scene.resource() == before


def test_a_vault_that_rejects_the_token_is_named_before_anything_changes(stage: Stage) -> None:
    """As a vault of another tenant does."""
    vault = f"kv-{stage.scene.app}"
    body = {"name": vault, "secrets": {"redis": "b"}}
    admin(stage.scene.environment, "POST", "/vaults", body)
    error = {"code": "Unauthorized", "message": "AKV10032: Invalid issuer."}
    rejected = {"host": f"{vault}.vault.azure.net", "status": 401, "body": {"error": error}}
    stage.admin("faults", [rejected])
    before = stage.scene.resource()
    stage.push_healthy()

    run = stage.run(**MANIFEST, cache_url=f"keyvault:{vault}/redis")

    assert run.exit_code == 3, run.log
    assert run.logged(f"Key vault '{vault}' did not accept the access token (AKV10032: Invalid")
    assert run.logged("Check that the vault belongs to the tenant that this run signs in to.")
    assert stage.scene.resource() == before
