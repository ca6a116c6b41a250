"""Who and what is told about a run, beside GitHub."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.notification import Notification
from deploy_action.core.settings.blocks import notifications
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class NotificationSettings:
    """Slack, Teams and webhooks."""

    notifications: tuple[Notification, ...] = setting(
        notifications.text,
        "",
        "Slack, Microsoft Teams or a signed webhook to notify: a list of blocks with channel, url, "
        "events and secret. A notification that fails is a warning. See docs/notifications.md.",
        block=notifications.block,
        schema=notifications.SCHEMA,
        secret_keys=notifications.SECRET_KEYS,
    )
