"""Changes of an app's secrets and tags, and how another run restores or keeps them.

The request that makes the changes also writes what is needed to restore them: the earlier value of
a changed secret under a second name (values of secrets are never written to tags), and markers
among the deployment lock's tags, which name what was added or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.core.app_wide import SecretChanges, SecretValue, TagChanges, merged
from deploy_action.core.journal import PREFIX, closing_tags
from deploy_action.core.revisions.changes import Remove

BACKUP = ".before-deploy"
LONGEST_NAME = 63
_NEW_SECRET, _OLD_SECRET = f"{PREFIX}new-secret.", f"{PREFIX}old-secret."
_NEW_TAG, _OLD_TAG = f"{PREFIX}new-tag.", f"{PREFIX}old-tag."

Secrets = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChange:
    """One request: the complete list of secrets (None leaves them) and the tags to merge."""

    secrets: Secrets | None = field(default=None, repr=False)
    tags: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return self.secrets is None and not self.tags


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChanges:
    """Changes of an app by the settings, by name.

    Args:
        added, changed: secrets.
        removed: secrets that are removed after the deployment, if no active revision uses them.
        tags: new values; None removes a tag.
        differences: all of them as ``path``, ``before`` and ``after``, without values of secrets;
            None means that it does not exist.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    tags: Mapping[str, str | None] = field(default_factory=dict)
    differences: tuple[Mapping[str, str | None], ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything changes."""
        return bool(self.added or self.changed or self.removed or self.tags)

    def notes(self, stable: str) -> tuple[str, ...]:
        """Return what the differences do not show; *stable* is the revision that serves."""
        notes = [f"Secret {name} is removed if no active revision uses it" for name in self.removed]
        if self.changed:
            notes.append(
                f"Running replicas of {stable} get the new secret values after their next restart"
            )
        return tuple(notes)


def needed_changes(
    current: Iterable[Mapping[str, Any]],
    tags: Mapping[str, str],
    secrets: SecretChanges,
    tag_changes: TagChanges,
) -> AppChanges:
    """Compare the settings with the app.

    Args:
        current: the app's secrets with their values.
        tags: the app's tags.
        secrets: what the settings ask of the secrets.
        tag_changes: what they ask of the tags.
    """
    known = {str(item.get("name")): SecretValue.from_azure(item) for item in current}
    named = {name: item for name, item in secrets.items() if not isinstance(item, Remove)}
    spelled = {name.lower(): name for name in tags}
    requested = {
        spelled.get(name.lower(), name): None if isinstance(value, Remove) else value
        for name, value in tag_changes.items()
    }
    changed = tuple(name for name, item in named.items() if known.get(name, item) != item)
    removed = tuple(
        name for name, item in secrets.items() if isinstance(item, Remove) and name in known
    )
    new_tags = {name: value for name, value in requested.items() if tags.get(name) != value}
    secret_lines = [
        {
            "path": f"secrets.{name}",
            "before": known[name].described if name in known else None,
            "after": None if name in removed else _described(named[name], known.get(name)),
        }
        for name in secrets
        if name in (*changed, *removed) or (name in named and name not in known)
    ]
    return AppChanges(
        added=tuple(name for name in named if name not in known),
        changed=changed,
        removed=removed,
        tags=new_tags,
        differences=(
            *secret_lines,
            *(
                {"path": f"tags.{name}", "before": tags.get(name), "after": value}
                for name, value in new_tags.items()
            ),
        ),
    )


def _described(secret: SecretValue, before: SecretValue | None) -> str:
    both_values = before is not None and not before.url and not secret.url
    return "another value" if both_values else secret.described


def applied(
    changes: AppChanges,
    current: Secrets,
    tags: Mapping[str, str],
    secrets: SecretChanges,
) -> AppChange:
    """Return the request that applies *changes*, with what restores them."""
    markers: dict[str, str | None] = {f"{_NEW_SECRET}{name}": "1" for name in changes.added}
    markers |= {f"{_OLD_SECRET}{name}": "1" for name in changes.changed}
    markers |= {
        f"{_OLD_TAG}{name}" if tags.get(name) else f"{_NEW_TAG}{name}": tags.get(name) or "1"
        for name in changes.tags
    }
    listed = None
    if changes.added or changes.changed:
        backups = [
            {**item, "name": f"{item.get('name')}{BACKUP}"}
            for item in current
            if item.get("name") in changes.changed
        ]
        touched = {name: secrets[name] for name in (*changes.added, *changes.changed)}
        listed = (*merged(_without_backups(current), touched), *backups)
    return AppChange(secrets=listed, tags={**changes.tags, **markers})


def restored(current: Secrets, tags: Mapping[str, str]) -> AppChange:
    """Return the request that restores what the markers in *tags* name."""
    added, changed = _marked(tags, _NEW_SECRET), _marked(tags, _OLD_SECRET)
    backups = {str(item.get("name")): item for item in current}
    listed = [
        {**backups[f"{item.get('name')}{BACKUP}"], "name": item.get("name")}
        if item.get("name") in changed and f"{item.get('name')}{BACKUP}" in backups
        else item
        for item in _without_backups(current)
        if item.get("name") not in added
    ]
    back: dict[str, str | None] = {
        name: tags[f"{_OLD_TAG}{name}"] for name in _marked(tags, _OLD_TAG)
    }
    back |= dict.fromkeys(_marked(tags, _NEW_TAG))
    return AppChange(
        secrets=tuple(listed) if added or changed else None, tags={**back, **_no_markers(tags)}
    )


def kept(current: Secrets, tags: Mapping[str, str], removed: Iterable[str] = ()) -> AppChange:
    """Return the request that keeps the changes for good and removes secrets."""
    gone = set(removed)
    listed = tuple(item for item in _without_backups(current) if item.get("name") not in gone)
    differs = len(listed) != len(current)
    return AppChange(secrets=listed if differs else None, tags=_no_markers(tags))


def has_markers(tags: Mapping[str, str]) -> bool:
    """Whether a run changed secrets or tags and neither restored nor kept them."""
    return bool(_no_markers(tags))


def lock_tags_to_remove(tags: Mapping[str, str]) -> dict[str, str | None]:
    """Return what removes an earlier journal from *tags*, but not the markers."""
    markers = _no_markers(tags)
    return {name: None for name in closing_tags(tags) if name not in markers}


def _marked(tags: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name in tags if name.startswith(prefix))


def _no_markers(tags: Mapping[str, str]) -> dict[str, str | None]:
    return {
        name: None
        for name in tags
        if name.startswith((_NEW_SECRET, _OLD_SECRET, _NEW_TAG, _OLD_TAG))
    }


def _without_backups(current: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [item for item in current if not str(item.get("name")).endswith(BACKUP)]
