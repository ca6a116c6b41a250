"""A deployment's plan as Markdown, for the summary and the comment on a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.core.plan_diff import change_lines
from deploy_action.report.markdown import code, fence, plain


def plan_markdown(data: Mapping[str, Any]) -> list[str]:
    """Return the plan: what changes, how traffic moves, which keys are cleared.

    Args:
        data: the plan as `core.plan_diff` returns it.
    """
    version, minutes = data["version"], data["minutes"]
    before, after = code(version["before"] or "unknown"), code(version["after"] or "unchanged")
    duration = f"{minutes['least']} to {minutes['most']} minutes"
    return [
        f"Version {before} → {after}. The run takes {duration}.",
        "",
        *(fence(lines, "diff") if (lines := change_lines(data)) else ["No setting changes."]),
        "",
        *(line for note in data.get("notes", ()) for line in (f"{plain(note)}.", "")),
        *_steps(data),
        *_cache(data["cache"]),
        *_deactivated(data["deactivated"]),
    ]


def _steps(data: Mapping[str, Any]) -> list[str]:
    candidate, stable = data["revision"]["after"], data["revision"]["before"]
    if not stable:
        return []
    rows = [
        f"| {number} | {step['weights'][candidate]} % | {step['weights'][stable]} % |"
        for number, step in enumerate(data["steps"], 1)
    ]
    head = f"| step | {code(candidate)} | {code(stable)} |"
    return [head, "|---:|---:|---:|", *rows, ""]


def _cache(cache: Mapping[str, Any] | None) -> list[str]:
    if cache is None:
        return []
    if cache["unknown"]:
        return [f"Cache keys to clear: unknown ({plain(cache['unknown'])})", ""]
    rows = [f"| {code(item['pattern'])} | {item['keys']} |" for item in cache["patterns"]]
    more = [] if cache["complete"] else ["There may be more keys: not all were counted.", ""]
    return ["| cache pattern | keys now |", "|---|---:|", *rows, "", *more]


def _deactivated(names: list[str]) -> list[str]:
    if not names:
        return []
    return [f"Deactivated afterwards: {', '.join(code(name) for name in names)}.", ""]
