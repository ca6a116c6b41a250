"""Applies the settings to the scale of a template; other fields stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.core.revisions.changes import Remove, ScaleChange

# The metadata that a shorthand sets, by kind of rule.
_REQUESTS = {"http": "concurrentRequests", "tcp": "concurrentConnections"}


def changed_scale(scale: Mapping[str, Any], change: ScaleChange) -> dict[str, Any]:
    """Return *scale* with *change*."""
    changed = dict(scale)
    named = {
        "minReplicas": change.min,
        "maxReplicas": change.max,
        "cooldownPeriod": change.cooldown_s,
        "pollingInterval": change.polling_interval_s,
    }
    changed |= {key: value for key, value in named.items() if value is not None}
    if change.targets or change.rules:
        changed["rules"] = _rules(scale.get("rules") or (), change)
    return changed


def _rules(current: Any, change: ScaleChange) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [dict(rule) for rule in current]
    for kind, target in change.targets.items():
        place = next((at for at, rule in enumerate(rules) if _kind(rule) == kind), None)
        if isinstance(target, Remove):
            rules = [rule for rule in rules if _kind(rule) != kind]
        elif place is None:
            rules.append(_with_target({"name": kind}, kind, target))
        else:
            rules[place] = _with_target(rules[place], kind, target)
    for name, rule in change.rules.items():
        place = next((at for at, item in enumerate(rules) if item.get("name") == name), None)
        if isinstance(rule, Remove):
            rules = [item for item in rules if item.get("name") != name]
        elif place is None:
            rules.append(dict(rule))
        elif not _includes(rules[place], rule):
            rules[place] = dict(rule)
    return rules


def _kind(rule: Mapping[str, Any]) -> str:
    custom = rule.get("custom")
    if custom:
        kind = str(custom.get("type", "")).lower()
        return kind if kind in {"cpu", "memory"} else "custom"
    return next((kind for kind in _REQUESTS if rule.get(kind)), "")


def _with_target(rule: Mapping[str, Any], kind: str, target: int) -> dict[str, Any]:
    """Return the rule with its threshold; everything else of it stays."""
    if kind in _REQUESTS:
        body = dict(rule.get(kind) or {})
        body["metadata"] = {**(body.get("metadata") or {}), _REQUESTS[kind]: str(target)}
        return {**rule, kind: body}
    body = dict(rule.get("custom") or {"type": kind})
    body["metadata"] = {
        **(body.get("metadata") or {}),
        "type": "Utilization",
        "value": str(target),
    }
    return {**rule, "custom": body}


def _includes(current: Any, named: Any) -> bool:
    """Whether *current* contains everything in *named*; Azure adds fields of its own."""
    if isinstance(named, Mapping):
        return isinstance(current, Mapping) and all(
            _includes(current.get(key), value) for key, value in named.items()
        )
    return str(current) == str(named)
