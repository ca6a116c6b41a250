"""Builds the messages of notifications from the record, without side effects.

A new channel is one module here, one entry in `PAYLOADS` and one in `core.notification.Channel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deploy_action.core.notification import Channel
from deploy_action.report.notifications import slack, teams, webhook
from deploy_action.report.notifications.message import Message, events_of

PAYLOADS: Mapping[Channel, Callable[[Message], dict[str, Any]]] = {
    Channel.SLACK: slack.payload,
    Channel.TEAMS: teams.payload,
    Channel.WEBHOOK: webhook.payload,
}

__all__ = ["PAYLOADS", "Message", "events_of"]
