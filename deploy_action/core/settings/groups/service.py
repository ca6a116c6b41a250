"""The app itself: its template, secrets and tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from deploy_action.core.app_wide import SecretChanges, TagChanges
from deploy_action.core.revisions.changes import (
    ContainerChange,
    EnvValue,
    Remove,
    TemplateChange,
)
from deploy_action.core.settings.blocks import containers as containers_block
from deploy_action.core.settings.blocks import env as env_block
from deploy_action.core.settings.blocks import secrets as secrets_block
from deploy_action.core.settings.blocks import tags as tags_block
from deploy_action.core.settings.blocks import template as template_block
from deploy_action.core.settings.spec import setting

Value = TypeVar("Value")


def _block_only(empty: Callable[[], Value]) -> Callable[[str], Value]:
    """Return the text parser of a setting that must be a block: it refuses every text."""

    def parse(raw: str) -> Value:
        if raw.strip():
            raise ValueError("a block of KEY: VALUE lines")
        return empty()

    return parse


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The revision's template, and what belongs to the app as a whole."""

    template: TemplateChange = setting(
        _block_only(TemplateChange),
        "",
        "Resources, scaling, probes, variables, command and volumes of the revision. Keys that are "
        "not set stay unchanged.",
        block=template_block.block,
        schema=template_block.SCHEMA,
    )
    containers: Mapping[str, ContainerChange | Remove] = setting(
        _block_only(dict),
        "",
        "Sidecars and init containers, by name. With 'image: same', a container gets the same new "
        "image as the app's own container.",
        block=containers_block.block,
        schema=containers_block.SCHEMA,
    )
    env: Mapping[str, EnvValue | Remove] = setting(
        env_block.lines,
        "",
        "Environment variables of the app's own container: lines of NAME=value or "
        "NAME=secretref:SECRET, or a block in the settings file. Other variables are kept.",
        is_input=True,
        block=env_block.block,
        schema={"anyOf": [env_block.SCHEMA, {"type": "string"}, {"type": "array"}]},
    )
    secrets: SecretChanges = setting(
        secrets_block.lines,
        "",
        "Secrets of the app: lines of name=value or name=keyvaultref:URL,identityref:system, or a "
        "block in the settings file. They are applied before the candidate is created, "
        "and restored if the deployment aborts.",
        secret=True,
        is_input=True,
        block=secrets_block.block,
        schema=secrets_block.SCHEMA,
    )
    tags: TagChanges = setting(
        _block_only(dict),
        "",
        "Tags of the app's resource, such as a cost center. Other tags are kept.",
        block=tags_block.block,
        schema=tags_block.SCHEMA,
    )
