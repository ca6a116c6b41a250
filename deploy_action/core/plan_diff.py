"""A deployment's plan as a difference between the current and the planned state, as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.core.app_changes import AppChanges
from deploy_action.core.cache.stats import MatchingKeys
from deploy_action.core.new_app import NewApp
from deploy_action.core.plan import Plan
from deploy_action.core.revisions.provenance import VARIABLES
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import FULL_TRAFFIC

if TYPE_CHECKING:  # it imports XML parsers
    from deploy_action.core.manifest.edit import Bump

NEW_IMAGE = "(the image of this run)"
_HIDDEN = "(not shown)"
_NEWEST = "9999"  # sorts after every time
# A variable may hold a secret although it should refer to one.
_SENSITIVE = re.compile(r"KEY|SECRET|PASSW|PWD|TOKEN|CONN|CREDENTIAL|SAS|SIGNATURE", re.IGNORECASE)


def plan_diff(
    plan: Plan,
    revisions: Iterable[Revision],
    *,
    image: str = "",
    app_changes: AppChanges | None = None,
    keys: MatchingKeys | None = None,
) -> dict[str, Any]:
    """Return *plan* as plain data, for text, Markdown and JSON.

    Args:
        plan: what will be done.
        revisions: all revisions of the app now.
        image: the image to deploy; empty if this run builds it.
        app_changes: the changes of secrets and tags.
        keys: the cache keys that a clearing would remove now; None if there is none, or if they
            were not counted.

    Returns:
        ``template``, ``app-wide`` and ``manifest`` are lists of ``path``, ``before`` and ``after``;
        a value that does not exist is None. Values of secrets, and of variables with a sensitive
        name, are hidden. ``notes`` are sentences about the changes of secrets, if there
        are any.
    """
    changes = app_changes or AppChanges()
    return {
        "app": plan.app.name,
        "version": {"before": plan.previous_version, "after": plan.version},
        "revision": {"before": plan.stable.name, "after": plan.candidate},
        "template": template_diff(plan.stable.template, plan.template(image or NEW_IMAGE)),
        "app-wide": [*_app_wide(plan), *(dict(item) for item in changes.differences)],
        **({"notes": list(notes)} if (notes := changes.notes(plan.stable.name)) else {}),
        "manifest": _manifest(plan.bump),
        "steps": [
            {"weights": {plan.candidate: weight, plan.stable.name: FULL_TRAFFIC - weight}}
            for weight in (*plan.schedule.steps, FULL_TRAFFIC)
        ],
        "cache": _cache(keys),
        "deactivated": _deactivated(plan, revisions),
        "minutes": _minutes(plan.schedule.shortest_s(), plan.longest_s),
    }


def creation_diff(
    new_app: NewApp,
    resource: Mapping[str, Any],
    *,
    app: str,
    revision: str,
    version: str,
    bump: Bump | None,
    longest_s: float,
) -> dict[str, Any]:
    """Return the plan of an app that does not exist yet, in the form of `plan_diff`.

    Args:
        new_app: what the settings make of it.
        resource: the resource that Azure will get.
        app: its name.
        revision: full name of its first revision.
        version: that the revision will carry, or empty.
        bump: how the manifest changes; None where it does not.
        longest_s: the longest duration of the run, in seconds.
    """
    return {
        "app": app,
        "version": {"before": "", "after": version},
        "revision": {"before": "", "after": revision},
        "template": template_diff({}, resource["properties"]["template"]),
        "app-wide": [
            {"path": path, "before": None, "after": value}
            for path, value in _leaves("", new_app.app_wide(resource))
        ],
        "manifest": _manifest(bump),
        "steps": [{"weights": {revision: FULL_TRAFFIC}}],
        "cache": None,
        "deactivated": [],
        "minutes": _minutes(0.0, longest_s),
    }


def template_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the differences of two templates, without those of every deployment.

    Items of lists are matched by name, and probes by type.
    """
    now, then = _flat(before), _flat(after)
    return [
        {"path": path, "before": _shown(path, now), "after": _shown(path, then)}
        for path in dict.fromkeys((*now, *then))
        if now.get(path) != then.get(path)
    ]


def change_lines(diff: Mapping[str, Any]) -> list[str]:
    """Return the changes of `plan_diff`, each a line that begins with ``-``, ``+`` or ``~``."""
    lines = []
    for title in ("template", "app-wide", "manifest"):
        if changes := diff[title]:
            lines.append(f"{title}:")
            lines += [_line(change) for change in changes]
    return lines


def diff_lines(diff: Mapping[str, Any]) -> list[str]:
    """Return the whole plan of `plan_diff` as lines for the log."""
    lines = [line if line.endswith(":") else f"  {line}" for line in change_lines(diff)]
    if cache := diff["cache"]:
        more = "" if cache["complete"] else " (more were not counted)"
        lines.append(f"cache keys that match now{more}:")
        lines += [f"  {item['pattern']}: {item['keys']}" for item in cache["patterns"]]
        if cache["unknown"]:
            lines.append(f"  unknown: {cache['unknown']}")
    if diff["deactivated"]:
        lines += [
            "revisions to deactivate afterwards:",
            *(f"  - {name}" for name in diff["deactivated"]),
        ]
    minutes = diff["minutes"]
    lines.append(f"estimated duration: {minutes['least']} to {minutes['most']} min")
    return lines


def _line(change: Mapping[str, Any]) -> str:
    before, after = (json.dumps(change[key], ensure_ascii=False) for key in ("before", "after"))
    if change["before"] is None:
        return f"+ {change['path']}: {after}"
    if change["after"] is None:
        return f"- {change['path']}: {before}"
    return f"~ {change['path']}: {before} → {after}"


def _manifest(bump: Bump | None) -> list[dict[str, Any]]:
    return [
        {"path": f"line {edit.line}", "before": edit.old, "after": edit.new}
        for edit in (bump.edits if bump else ())
    ]


def _deactivated(plan: Plan, revisions: Iterable[Revision]) -> list[str]:
    if plan.is_single:  # Azure does it
        return [plan.stable.name]
    return [
        revision.name
        for revision in plan.retention.to_deactivate(
            (*revisions, Revision(name=plan.candidate, active=True, created=_NEWEST)),
            plan.split_at(FULL_TRAFFIC),
            stable=plan.candidate,
            previous=plan.stable.name,
            quiet_s=plan.app.unchanged_s,
            previous_quiet_s=plan.schedule.lasts_s(FULL_TRAFFIC),
        )
    ]


def _cache(keys: MatchingKeys | None) -> dict[str, Any] | None:
    if keys is None:
        return None
    return {
        "patterns": [{"pattern": pattern, "keys": number} for pattern, number in keys.patterns],
        "complete": keys.complete,
        "unknown": keys.unknown,
    }


def _minutes(least_s: float, most_s: float) -> dict[str, float]:
    return {"least": round(least_s / 60, 1), "most": round(most_s / 60, 1)}


def _app_wide(plan: Plan) -> list[dict[str, Any]]:
    changes = []
    if plan.convert:
        mode = {"path": "activeRevisionsMode", "before": plan.app.mode, "after": "Multiple"}
        changes.append(mode)
    if plan.needs_pinning:
        pinned = {"path": "traffic", "before": str(plan.app.split), "after": str(plan.pinned)}
        changes.append(pinned)
    return changes


def _flat(template: Mapping[str, Any]) -> dict[str, Any]:
    return {
        path: value
        for path, value in _leaves("", template)
        if path != "revisionSuffix" and path.rpartition("env.")[2] not in VARIABLES
    }


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if path.rpartition(".")[0].endswith("env") and isinstance(value, Mapping):
        yield path, _variable(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if item is not None and item != []:
                yield from _leaves(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, 1):
            name = item.get("name") or item.get("type") or item.get("volumeName") or number
            rest = {key: part for key, part in item.items() if key != "name"}
            yield from _leaves(f"{path}.{name}", rest)
    else:
        yield path, value


def _shown(path: str, values: Mapping[str, Any]) -> Any:
    value = values.get(path)
    folder, _, name = path.rpartition(".")
    literal = value and not str(value).startswith("secret ")
    return _HIDDEN if literal and folder.endswith("env") and _SENSITIVE.search(name) else value


def _variable(variable: Mapping[str, Any]) -> Any:
    if variable.get("secretRef"):
        return f"secret {variable['secretRef']}"
    return variable.get("value") or ""
