"""The body of a signed webhook; its JSON Schema is docs/webhook.schema.json."""

from __future__ import annotations

from typing import Any

from deploy_action.core.outcome import RevisionInfo
from deploy_action.report.notifications.message import Message


def payload(message: Message) -> dict[str, Any]:
    """Return the message as JSON data. Keys may be added; a changed meaning is a new type."""
    outcome = message.outcome
    return {
        "type": f"deployment.{message.event.value.replace('-', '_')}",
        "timestamp": message.timestamp,
        "data": {
            "event": message.event.value,
            "command": message.command,
            "result": message.result,
            "headline": message.headline,
            "environment": message.environment,
            "app": message.app,
            "url": message.links.get("App", ""),
            "reason": message.reason,
            "next_step": message.next_step,
            "serving": {**_revision_info(outcome.serving), "weight": outcome.share},
            "attempted": _revision_info(outcome.attempted),
            "previous": _revision_info(outcome.previous),
            "traffic": str(outcome.split) if outcome.split else "",
            "version_commit": message.commit,
            "pull_request": message.pull_request,
            "run_url": message.links.get("Run and summary", ""),
            "duration_s": message.duration_s,
        },
    }


def _revision_info(side: RevisionInfo) -> dict[str, Any]:
    return {
        "version": side.version,
        "revision": side.revision,
        "commit": side.commit,
        "image": side.image,
        "url": side.url,
    }
