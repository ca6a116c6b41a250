"""The sample's settings for an app that the sandbox or a test has created by itself.

Such an app has neither the identity nor the key vault that the sample's own settings need.
"""

from __future__ import annotations

from typing import Final

import yaml

from deploy_action.sandbox.launch import ROOT

SETTINGS_FILE: Final = ".github/deploy-action.yml"
_SERVICE: Final = {"template", "secrets", "tags"}


def simple_settings() -> str:
    """Return the sample's settings without those that describe the service itself."""
    whole = yaml.safe_load((ROOT / SETTINGS_FILE).read_text("utf-8"))
    environments = {
        name: {key: value for key, value in block.items() if key not in _SERVICE}
        for name, block in whole["environments"].items()
    }
    return yaml.safe_dump({"environments": environments}, sort_keys=False)
