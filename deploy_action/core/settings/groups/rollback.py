"""Manual rollback and repair."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.choices import OnRollback
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class RollbackSettings:
    """Target of a rollback, and options of a repair."""

    revision: str = setting(
        parsers.text,
        "",
        "For a rollback, the target: a revision's name or suffix, a version such as v1.3.0.2, or a "
        "commit. Defaults to the previous revision.",
        is_input=True,
    )
    reason: str = setting(parsers.text, "", "For a rollback, the reason to record.", is_input=True)
    manifest_on_rollback: OnRollback = setting(
        parsers.one_of(OnRollback),
        "keep",
        "What to do with the manifest on the branch after a rollback: keep it, or bump (commit the "
        "target's content under the next higher version).",
    )
    take_over: bool = setting(
        parsers.boolean,
        "false",
        "For a repair, whether to take over the deployment lock even if its run may still be "
        "active.",
        is_input=True,
    )
