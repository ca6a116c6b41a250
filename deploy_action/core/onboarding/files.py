"""The settings file and the workflows of a new repository."""

from __future__ import annotations

import json
import re

from deploy_action.core.onboarding.answers import Answers

SETTINGS = ".github/deploy-action.yml"
DEPLOY = ".github/workflows/deploy.yml"
ROLLBACK = ".github/workflows/rollback.yml"
_CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"
_YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

_DEPLOY = """\
name: Deploy

on:
  push:
    branches: [<branch>]

permissions: {}

concurrency:
  group: deploy-<environment>
  cancel-in-progress: false # the next push must not cancel a rollout

jobs:
  deploy:
    runs-on: ubuntu-latest
    environment:
      name: <environment>
      url: ${{ steps.deploy.outputs.url }}
    timeout-minutes: 60
    permissions:
      contents: <contents>
      id-token: write # sign in to Azure without a stored secret
    steps:
      - uses: <checkout>
        with:
          persist-credentials: false
      - uses: <action>
        id: deploy
        with:
          environment: <environment>
          client-id: ${{ vars.AZURE_CLIENT_ID }}
          tenant-id: ${{ vars.AZURE_TENANT_ID }}
          subscription-id: ${{ vars.AZURE_SUBSCRIPTION_ID }}
"""

_ROLLBACK = """\
name: Rollback

on:
  workflow_dispatch:
    inputs:
      revision:
        description: Revision to roll back to. Empty selects the previous one.
        type: string
        required: false
      reason:
        description: Reason, for the summary
        type: string
        required: false

permissions: {}

# Not the deployments' group: a rollback must not wait for a rollout in progress. It stops it.
concurrency:
  group: rollback-<environment>
  cancel-in-progress: false

jobs:
  rollback:
    runs-on: ubuntu-latest
    environment: <environment>
    timeout-minutes: 30
    permissions:
      contents: read # the settings file
      id-token: write # sign in to Azure without a stored secret
    steps:
      - uses: <checkout>
        with:
          persist-credentials: false
      - uses: <action>
        with:
          command: rollback
          environment: <environment>
          revision: ${{ inputs.revision }}
          reason: ${{ inputs.reason }}
          client-id: ${{ vars.AZURE_CLIENT_ID }}
          tenant-id: ${{ vars.AZURE_TENANT_ID }}
          subscription-id: ${{ vars.AZURE_SUBSCRIPTION_ID }}
"""


def files(answers: Answers) -> dict[str, str]:
    """Return the files to write, by their path in the repository."""
    return {
        SETTINGS: "environments:\n" + environment_block(answers),
        DEPLOY: _filled(_DEPLOY, answers),
        ROLLBACK: _filled(_ROLLBACK, answers),
    }


def environment_block(answers: Answers) -> str:
    """Return the environment's part of the settings file."""
    settings = {
        "resource-group": answers.resource_group,
        "app": answers.app,
        "registry": answers.registry,
        "builder": answers.builder,
        "context": answers.context,
        "manifest": answers.manifest,
        "health-path": answers.health_path,
    }
    lines = [f"    {name}: {_scalar(value)}" for name, value in settings.items() if value]
    return "\n".join([f"  {_scalar(answers.environment)}:", *lines]) + "\n"


def _filled(template: str, answers: Answers) -> str:
    values = {
        "action": answers.action,
        "branch": _scalar(answers.branch),
        "checkout": _CHECKOUT,
        "contents": "write # publish the version commit" if answers.manifest else "read",
        "environment": _scalar(answers.environment),
    }
    return re.sub(r"<(\w+)>", lambda match: values[match[1]], template)


def _scalar(value: str) -> str:
    """Return *value* as YAML, quoted if YAML would read it as anything but a text."""
    plain = re.fullmatch(r"[A-Za-z/.][\w./()-]*", value) and value.lower() not in _YAML_WORDS
    return value if plain and not re.fullmatch(r"[.\d]*\d[.\d]*", value) else json.dumps(value)
