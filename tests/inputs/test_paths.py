"""Path inputs are normalised against the checkout, whatever their spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.errors import InputError
from deploy_action.inputs.environment import load

BASICS = {"INPUT_RESOURCE_GROUP": "rg", "INPUT_APP": "app", "INPUT_REGISTRY": "contoso"}


@pytest.mark.parametrize(
    "spelling",
    [
        "addin/manifest.xml",
        "./addin/manifest.xml",
        "addin//manifest.xml",
        "addin/./manifest.xml",
        "other/../addin/manifest.xml",
        r"addin\manifest.xml",
        r".\addin\manifest.xml",
        " addin/manifest.xml ",
        "{checkout}/addin/manifest.xml",
        "{link}/addin/manifest.xml",
    ],
)
@pytest.mark.parametrize("name", ["manifest", "context", "dockerfile"])
def test_every_spelling_is_the_same_path(tmp_path: Path, name: str, spelling: str) -> None:
    checkout, link = tmp_path / "checkout", tmp_path / "link"
    (checkout / "addin").mkdir(parents=True)
    link.symlink_to(checkout)
    text = spelling.replace("{checkout}", str(checkout)).replace("{link}", str(link))
    variable = f"INPUT_{name.replace('-', '_').upper()}"
    settings = load({**BASICS, variable: text}, checkout, {"command": "deploy"})

    assert getattr(settings, name.replace("-", "_")) == "addin/manifest.xml"


@pytest.mark.parametrize("text", ["../manifest.xml", "/etc/hostname", "a/../../b", ".."])
@pytest.mark.parametrize("name", ["manifest", "context"])
def test_a_path_outside_the_checkout_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"Input {name}: '{text}' is outside the checkout"):
        load({**BASICS, f"INPUT_{name.upper()}": text}, tmp_path, {"command": "deploy"})


@pytest.mark.parametrize("text", ["none", "None", " NONE "])
def test_none_disables_the_manifest_of_the_settings_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yml").write_text("environments: {production: {manifest: ./a.xml}}")
    options = {**BASICS, "INPUT_SETTINGS_FILE": "./s.yml", "INPUT_ENVIRONMENT": "production"}

    assert load(options, tmp_path, {"command": "deploy"}).manifest == "a.xml"
    disabled = load({**options, "INPUT_MANIFEST": text}, tmp_path, {"command": "deploy"})
    assert disabled.manifest == ""
    assert disabled.served_manifest == ""
