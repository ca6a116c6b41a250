"""Log Analytics: a workspace per environment with the logs of its apps, and a small part of KQL."""

from deploy_action.sandbox.log_analytics.service import LogAnalytics, Workspace

__all__ = ["LogAnalytics", "Workspace"]
