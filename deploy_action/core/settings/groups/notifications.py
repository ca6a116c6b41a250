"""Notifications and monitoring of a run, in addition to GitHub."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.app_insights import AppInsights
from deploy_action.core.notification import Notification
from deploy_action.core.settings import parsers
from deploy_action.core.settings.blocks import app_insights, notifications
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class NotificationSettings:
    """Slack, Teams, webhooks, commit statuses and Application Insights."""

    notifications: tuple[Notification, ...] = setting(
        notifications.text,
        "",
        "Slack, Microsoft Teams or a signed webhook to notify: a list of blocks with channel, url, "
        "events and secret. A failed notification is only a warning. See docs/notifications.md.",
        block=notifications.block,
        schema=notifications.SCHEMA,
        secret_keys=notifications.SECRET_KEYS,
    )
    commit_status: bool = setting(
        parsers.boolean,
        "false",
        "Whether to write the result as a status of the deployed commit, which links to the run. "
        "Needs git-token and the job permission statuses: write.",
    )
    app_insights: AppInsights = setting(
        app_insights.text,
        "",
        "Application Insights component to mark deployments in: its resource ID, or a block with "
        "resource (release annotations) and connection-string (one event per run). See "
        "docs/notifications.md.",
        block=app_insights.block,
        schema=app_insights.SCHEMA,
        secret_keys=app_insights.SECRET_KEYS,
    )
