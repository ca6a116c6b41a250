"""Applies an app's secrets and tags before the candidate exists, restores or keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.app import App
from deploy_action.core.app_changes import (
    BACKUP,
    LONGEST_NAME,
    AppChange,
    AppChanges,
    applied,
    has_markers,
    kept,
    needed_changes,
    restored,
)
from deploy_action.core.app_wide import SecretChanges, SecretValue, TagChanges, secrets_of
from deploy_action.core.journal import JOURNAL_TAGS, MOST_TAGS
from deploy_action.core.record import Record
from deploy_action.errors import PreflightError


@dataclass(slots=True, kw_only=True)
class AppSettings:
    """The secrets and tags that the settings name.

    Args:
        app: whose they are.
        secrets: by name.
        tags: by name.
        record: receives what is planned.
    """

    app: ContainerApp
    secrets: SecretChanges
    tags: TagChanges
    record: Record
    _changes: AppChanges = field(default_factory=AppChanges)

    def plan(self, app: App, stable: str) -> AppChanges:
        """Find out what has to change, and report it.

        Raises:
            PreflightError: it cannot be applied so that it can be restored.
        """
        if not self.secrets and not self.tags:
            return AppChanges()
        _require_identities(app, self.secrets)
        current = self.app.list_secrets() if self.secrets else ()
        self._changes = changes = needed_changes(current, app.tags, self.secrets, self.tags)
        if any(len(name) + len(BACKUP) > LONGEST_NAME for name in changes.changed):
            raise PreflightError(
                f"To change a secret, its name can have at most {LONGEST_NAME - len(BACKUP)} "
                "characters, because its previous value is kept until the end of the run: "
                f"{changes.changed}.",
                hint="Store the new value under a new, shorter name.",
            )
        markers = len(changes.added) + len(changes.changed) + 2 * len(changes.tags)
        if changes.any and len(app.tags) + markers + JOURNAL_TAGS > MOST_TAGS:
            raise PreflightError(
                f"The app's {len(app.tags)} tags leave too little room to change its secrets and "
                f"tags: Azure allows {MOST_TAGS}.",
                hint="Remove some tags, or change fewer secrets and tags at once.",
            )
        for note in changes.notes(stable):
            self.record.say(note)
        return changes

    @property
    def has_changes(self) -> bool:
        """Whether the plan changes any secret or tag."""
        return self._changes.any

    def apply(self, lock_tags: Callable[[], Mapping[str, str | None]]) -> bool:
        """Apply the changes in one request that also locks the app; return whether there were any.

        Args:
            lock_tags: returns the tags of the deployment lock.
        """
        changes = self._changes
        if not (changes.added or changes.changed or changes.tags):
            return False
        current = self.app.list_secrets() if self.secrets else ()
        change = applied(changes, current, self.app.read().tags, self.secrets)
        self._write(AppChange(secrets=change.secrets, tags={**change.tags, **lock_tags()}))
        names = ", ".join((*changes.added, *changes.changed, *changes.tags))
        self.record.say(f"Applied app-wide secrets and tags: {names}")
        return True

    def restore(self, owns: Callable[[App], bool] = lambda _: True) -> str:
        """Restore what `apply` changed, in this run or in an interrupted one.

        Args:
            owns: whether this run still holds the lock.
        """
        app = self.app.wait_until_idle()
        if not owns(app):
            return "left to the run that took over"
        if not has_markers(app.tags):
            return "were not changed"
        self._write(restored(self.app.list_secrets(), app.tags))
        return "restored"

    def keep_planned(self) -> None:
        """Keep what this run has changed, if anything."""
        if self.has_changes:
            self.keep()

    def keep(self) -> None:
        """Drop the earlier values, and remove secrets that no active revision uses."""
        app = self.app.read()
        if not has_markers(app.tags) and not self._changes.removed:
            return
        used = frozenset[str]().union(
            *(secrets_of(item.template) for item in self.app.revisions() if item.active)
        )
        if in_use := sorted(used.intersection(self._changes.removed)):
            self.record.warn(f"Secret {', '.join(in_use)} is still in use and was not removed.")
        removed = [name for name in self._changes.removed if name not in used]
        self._write(kept(self.app.list_secrets(), app.tags, removed))

    def _write(self, change: AppChange) -> None:
        if not change.empty:
            self.app.write_configuration(_secrets(change), change.tags)


def _require_identities(app: App, secrets: SecretChanges) -> None:
    references = {
        name: item.identity
        for name, item in secrets.items()
        if isinstance(item, SecretValue) and item.url
    }
    lacking = [
        f"{identity} (secret {name})"
        for name, identity in references.items()
        if identity.lower() not in app.identities
    ]
    if lacking:
        raise PreflightError(
            f"The app does not have the identity that reads a key vault: {', '.join(lacking)}.",
            hint="Assign it: az containerapp identity assign --resource-group GROUP --name "
            f"{app.name} --system-assigned (or --user-assigned ID), and grant it the role Key "
            "Vault Secrets User on the vault.",
        )


def _secrets(change: AppChange) -> list[dict[str, Any]] | None:
    return None if change.secrets is None else [dict(item) for item in change.secrets]
