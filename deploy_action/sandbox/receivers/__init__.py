"""Receivers of notifications: Slack, Teams and a signed webhook; they keep what they are sent."""

from deploy_action.sandbox.receivers.inbox import Inbox, Message
from deploy_action.sandbox.receivers.slack import Slack
from deploy_action.sandbox.receivers.teams import Teams
from deploy_action.sandbox.receivers.webhook import Webhook

__all__ = ["Inbox", "Message", "Slack", "Teams", "Webhook"]
